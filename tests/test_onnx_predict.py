"""Predicting by ONNX where TensorFlow and whatever else only training needs are missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from PIL import Image
from tiny_run import make_run

from iic_tf.export.export import export
from iic_tf.export.predict import predict

BLOCKED = """
import importlib.abc, runpy, sys

GONE = {"tensorflow", "keras", "tf2onnx", "onnx", "matplotlib", "scipy", "yaml", "pydantic", "rich"}
GONE |= {"cyclopts", "sklearn", "h5py", "tensorboard", "tensorflow_datasets", "absl", "ml_dtypes"}

class Gone(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in GONE:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Gone())
"""


def alone(program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A program of Python where these packages are missing."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + program, *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("onnx")
    run = make_run(folder)
    export(run, "onnx", say=lambda line: None, int8=False)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (8, 10, 3)).astype(np.uint8).repeat(9, 0).repeat(9, 1)
    (folder / "in").mkdir()
    Image.fromarray(pixels).save(folder / "in/a.png")
    with rasterio.open(
        folder / "in/b.tif", "w", width=90, height=72, count=3, dtype="uint8", crs="EPSG:32633",
        transform=rasterio.Affine(2, 0, 5e5, 0, -2, 5e6),
    ) as file:  # fmt: skip
        file.write(pixels.transpose(2, 0, 1))
    predict(run, folder / "in", folder / "own", confidence=True, probabilities=True)
    return folder


def test_it_writes_what_the_run_does(place: Path, tmp_path: Path) -> None:
    run = 'runpy.run_module("iic_tf.onnx_predict", run_name="__main__")'
    words = [str(place / "run/export/model.onnx"), str(place / "in"), "--out", str(tmp_path)]
    done = alone(run, *words, "--confidence", "--probabilities")
    assert done.returncode == 0, done.stderr
    assert "2/2  b  72×90" in done.stdout
    own = place / "own"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in own.iterdir())
    for name in ("a_labels.png", "areas.csv", "legend.json", "b_labels.qml"):
        assert (tmp_path / name).read_bytes() == (own / name).read_bytes()
    for name in ("b_labels.tif", "b_confidence.tif", "b_probabilities.tif"):
        with rasterio.open(own / name) as one, rasterio.open(tmp_path / name) as other:
            difference = np.abs(one.read().astype(int) - other.read().astype(int))
            assert difference.max() <= (0 if "labels" in name else 1)
            assert one.tags(1) == other.tags(1)


def test_mistakes_are_one_line(place: Path, tmp_path: Path) -> None:
    run = 'runpy.run_module("iic_tf.onnx_predict", run_name="__main__")'
    done = alone(run, str(place / "run"), str(place / "in"), "--out", str(tmp_path))
    assert done.returncode == 2
    assert done.stderr.startswith("onnx_predict: Expected an ONNX file (.onnx); received ")
    assert done.stderr.count("\n") == 1
    done = alone("from iic_tf import IICSegmenter")
    assert "Expected TensorFlow and Keras for iic_tf.IICSegmenter" in done.stderr


def test_the_command_leaves_tensorflow_alone_where_it_is() -> None:
    program = [sys.executable, "-X", "importtime", "-m", "iic_tf.onnx_predict", "--help"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        program, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert "--probabilities" in done.stdout
    assert "tensorflow" not in done.stderr
