"""What other runtimes make of the exports: LiteRT of the SavedModel, OpenVINO of the ONNX file.

They are no formats of this package: `docs/export.md` has the calls.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from image_files import patchy
from tiny_run import make_run

from iic_tf.export.export import export
from iic_tf.export.served_run import load_served
from iic_tf.training.run import Run

SIZES = ((1, 40, 56), (2, 33, 47))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("others"), downscale=2, inputs="bands+sobel")


def pixels_of(size: tuple[int, int, int]) -> Any:
    pixels = np.stack([patchy(*size[1:], 3, seed) for seed in range(size[0])]).astype(np.float32)
    pixels[:, :5, :9] = np.nan
    return pixels


def agrees(found: Any, wanted: Any) -> None:
    assert (found["labels"] != wanted["labels"]).mean() < 1e-3
    assert (found["labels"][:, :5, :9] == -1).all()
    assert len(np.unique(found["labels"])) > 2
    np.testing.assert_allclose(found["probabilities"], wanted["probabilities"], atol=1e-5)


def test_openvino_of_the_onnx_file(run: Run) -> None:
    openvino = pytest.importorskip("openvino")
    model = openvino.Core().read_model(export(run, "onnx", say=str))
    # Else it takes bfloat16 on processors that have it.
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    served = load_served(run)
    for size in SIZES:
        pixels = pixels_of(size)
        found = {one.get_any_name(): value for one, value in compiled(pixels).items()}
        agrees(found, {k: np.asarray(v) for k, v in served(pixels).items()})


PROGRAM = """
import sys
import numpy as np
import tensorflow as tf

folder, pixels, out = sys.argv[1:]
pixels = np.load(pixels)
loaded = tf.saved_model.load(folder)
serve = loaded.signatures["serving_default"]
converter = tf.lite.TFLiteConverter.from_concrete_functions([serve], loaded)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
converted = converter.convert()
from ai_edge_litert.interpreter import Interpreter

interpreter = Interpreter(model_content=converted)
runner = interpreter.get_signature_runner("serving_default")
np.savez(out, **runner(pixels=pixels))
"""


def test_litert_of_the_savedmodel(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ai_edge_litert")
    pixels = pixels_of(SIZES[0])
    np.save(tmp_path / "pixels.npy", pixels)
    given = [str(export(run, "savedmodel", say=str)), str(tmp_path / "pixels.npy")]
    # In a process of its own: the converter writes to the screen and warns.
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *given, str(tmp_path / "found.npz")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ,
    )
    assert done.returncode == 0, done.stderr
    wanted = {k: np.asarray(v) for k, v in load_served(run)(pixels).items()}
    agrees(np.load(tmp_path / "found.npz"), wanted)
