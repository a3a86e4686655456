"""SavedModels in TensorFlow's C++ loader and in `saved_model_cli`, outside this process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from image_files import patchy
from tensorflow.core.protobuf import saved_model_pb2
from tiny_run import make_run

from iic_tf.export.export import export
from iic_tf.export.served_run import load_served

SOURCE = Path(__file__).with_name("load_savedmodel.c")
WHEEL = Path(tf.__file__).parent
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any, Any]:
    """A SavedModel, pixels of two images, and Keras' labels of them."""
    run = make_run(tmp_path_factory.mktemp("loaders"), downscale=2)
    pixels = np.stack([patchy(53, 71, 3, seed) for seed in (0, 1)]).astype(np.float32)
    pixels[0, :9, :30] = np.nan
    labels = np.asarray(load_served(run)(pixels)["labels"])
    assert len(np.unique(labels)) > 2
    return export(run, "savedmodel", say=str), pixels, labels


def library(name: str) -> Path:
    found = sorted(WHEEL.glob(f"lib{name}.so*"))
    if not found:
        pytest.skip(f"the TensorFlow wheel has no lib{name}")
    return found[0]


def test_the_cpp_loader(exported: tuple[Path, Any, Any], tmp_path: Path) -> None:
    compiler = shutil.which("gcc")
    if compiler is None:
        pytest.skip("no gcc")
    folder, pixels, labels = exported
    program = tmp_path / "load_savedmodel"
    libraries = [str(library(n)) for n in ("tensorflow_cc", "tensorflow_framework")]
    flags = [f"-I{WHEEL / 'include'}", f"-Wl,-rpath,{WHEEL}", "-o", str(program)]
    subprocess.run([compiler, str(SOURCE), *flags, *libraries], check=True)

    saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    names = [signature.inputs["pixels"].name, signature.outputs["labels"].name]
    given = [*(n.partition(":")[0] for n in names), *map(str, pixels.shape)]
    done = subprocess.run(
        [str(program), str(folder), *given],
        input=pixels.tobytes(),
        capture_output=True,
        check=False,
        env=QUIET,
    )
    assert done.returncode == 0, done.stderr
    found = np.frombuffer(done.stdout, np.int32).reshape(labels.shape)
    assert (found != labels).mean() < 1e-3
    assert (found[0, :9, :30] == -1).all()


def test_saved_model_cli(exported: tuple[Path, Any, Any], tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("saved_model_cli")
    if not program.is_file():
        pytest.skip(f"no {program}")
    folder, pixels, labels = exported
    np.save(tmp_path / "pixels.npy", pixels)
    of = ["--dir", str(folder), "--tag_set", "serve", "--signature_def", "serving_default"]
    inputs = ["--inputs", f"pixels={tmp_path / 'pixels.npy'}", "--outdir", str(tmp_path)]
    done = subprocess.run(
        [str(program), "run", *of, *inputs],
        capture_output=True,
        text=True,
        check=False,
        env=QUIET,
    )
    assert done.returncode == 0, done.stderr
    assert (np.load(tmp_path / "labels.npy") != labels).mean() < 1e-3
