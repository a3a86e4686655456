"""Runs over several devices and machines, from the command line."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from free_ports import free_ports

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training.strategy import is_chief, strategy_of, workers

SMALL = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", "--epochs", "2", "--steps", "2"]
SMALL += ["--batch", "4", "--crop", "24", "--width", "0.05", "--set", "radius=2"]
SMALL += ["--count", "4", "--size", "64", "--set", "sub_heads=2", "--set", "evaluation_steps=2"]


def cluster(index: int, count: int = 2, kind: str = "worker") -> dict[str, str]:
    hosts = [f"host{i}:1" for i in range(count)]
    config = {"cluster": {"worker": hosts}, "task": {"type": kind, "index": index}}
    return {"TF_CONFIG": json.dumps(config)}


def test_one_device_is_tensorflows_own_choice() -> None:
    assert strategy_of("1", {}) is tf.distribute.get_strategy()
    assert strategy_of("CPU:0", {}) is tf.distribute.get_strategy()


@pytest.mark.parametrize("devices", ["0", "-1", "many", "GPU:0", "CPU:0,CPU:0", ""])
def test_devices_that_are_not_there(devices: str) -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(InputError, match="a number, all, or some of CPU:0"):
        strategy_of(devices, {})


def test_the_command_line_refuses_them_too(tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert main([*SMALL, "--out", str(run), "--devices", "GPU:9"]) == 2
    assert "received --devices 'GPU:9'" in capsys.readouterr().err
    for more, said in (
        (["--micro-batches", "3"], "multiple of 3 micro-batches; received --batch 4"),
        (["--precision", "float8"], "float32, mixed_bfloat16, mixed_float16"),
        (["--ray-workers", "0"], "at least 1 Ray worker"),
        (["--ray-workers", "2", "--devices", "2"], "no --devices beside --ray-workers"),
    ):
        assert main([*SMALL, "--out", str(run), *more]) == 2
        assert said in capsys.readouterr().err
    assert not run.exists()


def test_what_tf_config_says() -> None:
    assert (workers({}), is_chief({})) == (1, True)
    assert workers(cluster(0)) == 2
    assert is_chief(cluster(0))
    assert not is_chief(cluster(1))
    chief = json.loads(cluster(0)["TF_CONFIG"])
    chief["cluster"]["chief"] = ["boss:1"]
    assert workers({"TF_CONFIG": json.dumps(chief)}) == 3
    assert not is_chief({"TF_CONFIG": json.dumps(chief)})
    for text in ("{", "[1]"):
        with pytest.raises(InputError, match="TF_CONFIG as JSON"):
            workers({"TF_CONFIG": text})
    with pytest.raises(InputError, match="no --devices beside TF_CONFIG"):
        strategy_of("2", cluster(0))


def losses_of(run: Path) -> list[dict[str, float]]:
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{k: float(v) for k, v in row.items() if "loss" in k} for row in rows]


def assert_alike(run: Path, other: Path) -> None:
    for a, b in zip(losses_of(run), losses_of(other), strict=True):
        assert a == pytest.approx(b, abs=1e-5)
    name = "checkpoints/epoch-0002/model.keras"
    ours, theirs = (keras.models.load_model(r / name) for r in (run, other))
    for a, b in zip(ours.variables, theirs.variables, strict=True):
        # Adam takes the sign of what is next to nothing.
        np.testing.assert_allclose(a, b, atol=1e-4, err_msg=a.path)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    run = tmp_path_factory.mktemp("alone") / "run"
    assert main([*SMALL, "--out", str(run)]) == 0
    return run


def started(run: Path, *more: str, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "iic_tf.cli", *SMALL, "--out", str(run), *more],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


ON_TWO = """
import os, shutil, sys
from iic_tf.cli import main

run, again, *words = sys.argv[1:]

def child(*more):
    # In a copy of this process, which has imported all and done nothing yet.
    sys.stdout.flush()
    number = os.fork()
    if not number:
        code = main([*words, *more])
        sys.stdout.flush()
        os._exit(code)
    assert os.waitpid(number, 0)[1] == 0

child("--out", run)
# From the first epoch's checkpoint on two devices again.
shutil.copytree(run, again)
shutil.rmtree(os.path.join(again, "checkpoints", "epoch-0002"))
print("--- again")
child("--out", again, "--resume")
"""


def test_two_devices_and_resuming_on_them(alone: Path, tmp_path: Path) -> None:
    run, again = tmp_path / "run", tmp_path / "again"
    command = [sys.executable, "-c", ON_TWO, str(run), str(again), *SMALL, "--devices", "2"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr
    first, _, second = ended.stdout.partition("--- again")
    assert "on 2 replicas" in first
    assert_alike(run, alone)
    assert "resumed behind epoch 1 of 2" in second
    assert "on 2 replicas" in second
    assert_alike(again, alone)


def test_two_processes(alone: Path, tmp_path: Path) -> None:
    hosts = [f"127.0.0.1:{port}" for port in free_ports(2)]
    run = tmp_path / "run"
    both = []
    for index in range(2):
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
        both.append(started(run, TF_CONFIG=json.dumps(config)))
    try:
        said = [process.communicate(timeout=600) for process in both]
    finally:
        for process in both:
            process.kill()
    assert [process.returncode for process in both] == [0, 0], said
    assert "on 2 replicas" in said[0][0]
    assert said[1][0] == ""  # the chief alone speaks and writes
    assert_alike(run, alone)


HOSTS = ["host0:1", "host1:1"]


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ([1], "no mapping"),
        ({"cluster": HOSTS}, "must be mappings"),
        ({"cluster": {"worker": "host0:1"}}, "cluster.worker must be a list of host:port"),
        ({"cluster": {"worker": [1, 2]}}, "cluster.worker must be a list of host:port"),
        ({"cluster": {"worker": HOSTS}}, "task.type must be one of worker"),
        ({"cluster": {"worker": HOSTS}, "task": [0]}, "must be mappings"),
        ({"cluster": {"worker": HOSTS}, "task": {"type": "worker"}}, "task.index must be a numb"),
        ({"cluster": {"worker": HOSTS}, "task": {"type": "ps", "index": 0}}, "task.type must be"),
        ({"cluster": {"worker": HOSTS}, "task": {"type": "worker", "index": 2}}, "from 0 to 1"),
        ({"cluster": {"worker": HOSTS}, "task": {"type": "worker", "index": None}}, "from 0 to 1"),
    ],
)
def test_a_tf_config_of_another_form_is_one_line(config, said: str) -> None:
    environment = {"TF_CONFIG": json.dumps(config)}
    for ask in (workers, is_chief, lambda given: strategy_of("1", given)):
        with pytest.raises(InputError, match=f"TF_CONFIG as JSON.*{said}"):
            ask(environment)
