"""Two processes as two machines, against one device on the same global batches."""

import json
import os
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from free_ports import free_ports

RUNS = Path(__file__).with_name("replica_runs.py")
TIME_LIMIT = 600


def run_together(commands, environments, logs):
    """Run processes side by side; all are ended as one fails or time is up."""
    with ExitStack() as stack:
        files = [stack.enter_context(log.open("w")) for log in logs]
        running = []
        for command, environment, file in zip(commands, environments, files, strict=True):
            one = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
            stack.callback(one.wait)
            stack.callback(one.kill)
            running.append(one)
        end = time.monotonic() + TIME_LIMIT
        while any(one.poll() is None for one in running) and time.monotonic() < end:
            if any(one.poll() for one in running):
                break
            time.sleep(0.1)
        codes = [one.poll() for one in running]
    return codes


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What replica_runs.py found on one device and on each of two workers, the chief first."""
    folder = tmp_path_factory.mktemp("workers")
    files = [folder / f"{name}.npz" for name in ("alone", "chief", "worker")]
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    environments = [dict(os.environ)]
    for index in range(2):
        task = {"cluster": cluster, "task": {"type": "worker", "index": index}}
        environments.append({**os.environ, "TF_CONFIG": json.dumps(task)})
    commands = [
        [sys.executable, RUNS, replicas, file, "machines"]
        for replicas, file in zip("100", files, strict=True)
    ]
    for these in (slice(0, 1), slice(1, 3)):
        logs = [file.with_suffix(".log") for file in files[these]]
        codes = run_together(commands[these], environments[these], logs)
        assert codes == [0] * len(codes), (codes, *(log.read_text()[-3000:] for log in logs))
    return [dict(np.load(file)) for file in files]


@pytest.mark.parametrize("run", ["dataset", "distributed", "crops"])
def test_two_machines_equal_one_device(results, run):
    """Losses of steps and of an evaluation, all weights; on both alike."""
    alone, chief, worker = (
        {k.split("/")[-1]: v for k, v in found.items() if k.startswith(f"machines/{run}/")}
        for found in results
    )
    assert {"losses", "epochs", "evaluated", "weight0"} <= set(alone)
    assert set(alone) == set(chief) == set(worker)
    for key, value in alone.items():
        np.testing.assert_array_equal(chief[key], worker[key], err_msg=key)
        np.testing.assert_allclose(chief[key], value, rtol=0, atol=1e-5, err_msg=key)
    assert len(alone["losses"]) == (2 if run == "crops" else 4)
    assert np.abs(alone["losses"]).max() > 0.02
    assert np.max(alone["moved"]) > 1e-3


def test_parts_made_apart_equal_a_batch_cut_up(results):
    for found in results:
        losses = [found[f"machines/{run}/losses"] for run in ("dataset", "distributed")]
        np.testing.assert_allclose(*losses, rtol=0, atol=2e-6)
