"""Several replicas against one device on the same global batches, on logical CPUs."""

import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

RUNS = Path(__file__).with_name("replica_runs.py")
SCENARIOS = {
    1: (
        *("clustering", "segmenting", "adam", "half", "normalising", "halves"),
        "on_trunk",
    ),
    2: ("clustering", "segmenting", "adam", "half", "normalising", "on_trunk"),
    4: ("uneven", "crops"),
}
TIME_LIMIT = 700


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What replica_runs.py found on 1, 2 and 4 replicas, each in a process of its own.

    Side by side: TensorFlow's input iterators of several devices sleep before they end.
    """
    folder = tmp_path_factory.mktemp("replicas")
    end = time.monotonic() + TIME_LIMIT
    with ExitStack() as stack:
        running = {}
        for replicas, scenarios in SCENARIOS.items():
            log = stack.enter_context((folder / f"{replicas}.log").open("w"))
            command = [sys.executable, RUNS, str(replicas), folder / f"{replicas}.npz", *scenarios]
            running[replicas] = subprocess.Popen(command, stdout=log, stderr=log)
            stack.callback(running[replicas].wait)
            stack.callback(running[replicas].kill)
        for replicas, one in running.items():
            code = one.wait(max(1, end - time.monotonic()))
            assert code == 0, (folder / f"{replicas}.log").read_text()[-3000:]
    return {replicas: dict(np.load(folder / f"{replicas}.npz")) for replicas in SCENARIOS}


def run(results, replicas, name):
    """The values of one run of a scenario."""
    found = {k.rsplit("/", 1)[1]: v for k, v in results[replicas].items() if k.startswith(name)}
    assert found
    return found


def assert_same(found, alone, atol=1e-5):
    assert set(found) == set(alone)
    for key, value in found.items():
        limit = atol if key.startswith(("weight", "moved")) else atol / 2
        np.testing.assert_allclose(value, alone[key], rtol=0, atol=limit, err_msg=key)


@pytest.mark.parametrize(
    ("replicas", "name"),
    [
        (2, "clustering/uneven"),
        (2, "clustering/pairs"),
        (2, "clustering/dataset"),
        (2, "clustering/distributed"),
        (2, "segmenting/pairs"),
        (2, "segmenting/dataset"),
        (2, "adam/"),
        (2, "on_trunk/"),
    ],
)
def test_replicas_equal_one_device(results, replicas, name):
    """Losses of steps and of an evaluation, all weights, moving statistics."""
    alone = run(results, 1, name)
    assert_same(run(results, replicas, name), alone)
    # There was something to differ in.
    assert np.max(alone["moved"]) > 1e-3
    assert np.abs(alone["losses"]).max() > 0.02
    assert np.ptp(alone["losses"]) > 1e-3


@pytest.mark.parametrize(
    ("name", "of_one"), [("uneven/", "clustering/uneven"), ("crops/", "segmenting/dataset")]
)
def test_a_replica_may_have_no_images(results, name, of_one):
    """5 images make shares of 2, 2, 1 and 0."""
    assert_same(run(results, 4, name), run(results, 1, of_one))


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("scenario", ["clustering", "segmenting"])
def test_pairs_equal_their_dataset(results, replicas, scenario):
    """`fit(pairs)` and `fit(pairs.dataset(0, n))`: the same epochs in the same order."""
    pairs, dataset = (run(results, replicas, f"{scenario}/{kind}") for kind in ("pairs", "dataset"))
    assert len(pairs["losses"]) == (4 if scenario == "clustering" else 2)
    assert_same(pairs, dataset, atol=2e-6)


def test_the_loss_is_the_global_batchs(results):
    """A mean of the halves' losses is far from it."""
    halves = run(results, 1, "halves/")
    assert abs(halves["together"] - halves["apart"]) > 0.02
    first = run(results, 2, "clustering/uneven")["losses"][0]
    assert first == pytest.approx(float(halves["together"]), abs=2e-6)


def test_normalising_equals_keras_on_the_whole_batch(results):
    found, keras_own = (run(results, replicas, "normalising/") for replicas in (2, 1))
    assert set(found) == {"y", "dx", "dgamma", "dbeta", "mean", "variance"}
    for key, value in found.items():
        np.testing.assert_allclose(value, keras_own[key], rtol=1e-5, atol=1e-5, err_msg=key)
    assert np.abs(found["dx"]).max() > 0.1


def test_half_precision_scales_its_loss(results):
    """The scale cancels: steps are those of float32 but for half precision."""
    exact = run(results, 1, "half/float32")
    for replicas in (1, 2):
        for name in ("half/scaled", "half/plain"):
            found = run(results, replicas, name)
            assert np.isfinite(found["step"]).all()
            away = np.linalg.norm(found["step"] - exact["step"]) / np.linalg.norm(exact["step"])
            assert away < 0.05
        assert run(results, replicas, "half/scaled")["scales"][0] == 2**15


def test_an_overflow_on_one_replica_is_skipped_by_all(results):
    for replicas in (1, 2):
        found = run(results, replicas, "half/scaled")
        assert found["kept"]
        before, after = found["scales"]
        assert after == before / 2
