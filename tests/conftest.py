"""Fixtures that several test files use."""

from __future__ import annotations

import os
from collections.abc import Iterator

# Workers beside each other have a core each: more threads wait for one another, and spin meanwhile.
for _threads in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(_threads, "1")

import keras  # noqa: E402
import pytest  # noqa: E402


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
