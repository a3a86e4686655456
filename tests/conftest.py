"""Fixtures that several test files use."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import pytest


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
