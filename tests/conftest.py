"""Fixtures that several test files use."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

# Workers beside each other have a core each: threads of OpenMP and BLAS spin while they wait for
# one another, ten times as long as they work, and TensorFlow does operations of these sizes sooner
# than it shares them out. By variables: processes that tests start add up in the same order.
for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"):
    os.environ.setdefault(_threads, "1")

import keras  # noqa: E402
import pytest  # noqa: E402

# Graphs are millions of objects, most of which live as long as their test: to go over all of them
# as often as Python does by itself took 4 % of the time of some of them.
gc.set_threshold(100_000, 20, 20)
MOST_GARBAGE = 500
"""Megabytes that a process may grow by, from file to file, before garbage is looked for."""


def resident() -> float:
    """Megabytes that this process holds; 0 where that is not to be had."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return 0.0


_held = [resident()]


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory() -> Iterator[None]:
    """Graphs of tests that have ended go, before there are gigabytes of them."""
    yield
    if resident() > _held[0] + MOST_GARBAGE:
        gc.collect()
        _held[0] = resident()


@pytest.fixture
def _same_weights_each_time() -> None:
    keras.utils.set_random_seed(0)


@pytest.fixture
def _precision(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keras' policy of the parameter, for one test."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(request.param)
    yield
    keras.config.set_dtype_policy(before)


LONGEST = (
    *("test_methods", "test_replicas", "test_strategy", "test_resume", "test_infoseg_run"),
    *("test_notebooks", "test_guides", "test_workers", "test_infoseg_replicas"),
    *("test_micro_batches", "test_model_files", "test_predict_exports", "test_predict_resume"),
    *("test_cli", "test_export"),
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take longest come first: none is left to one worker while others have ended."""
    order = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(item.path.stem, len(order)))
