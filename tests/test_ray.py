"""Runs and predictions on two Ray workers equal those of one process."""

import pickle
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from image_files import gdal_tiff
from test_predict import picture
from tiny_run import make_run

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.export.predict import predict

SMALL = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", "--epochs", "1", "--steps", "2"]
SMALL += ["--batch", "4", "--crop", "24", "--width", "0.05", "--set", "radius=2"]
SMALL += ["--count", "4", "--size", "64", "--set", "sub_heads=2", "--set", "evaluation_steps=2"]


def test_without_ray_the_message_says_how_to_get_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*SMALL, "--ray-workers", "2", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'iic_tf[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_predictions_without_ray_say_how_to_get_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    run = make_run(tmp_path)
    words = ["predict", str(run.folder), str(tmp_path), "--out", str(tmp_path / "out")]
    assert main([*words, "--ray-workers", "2"]) == 2
    assert "pip install 'iic_tf[ray]'" in capsys.readouterr().err
    assert main([*words, "--ray-workers", "0"]) == 2
    assert "at least 1 Ray worker" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def folder_of_scenes(folder: Path) -> Path:
    """Four scenes of different sizes, one of them damaged."""
    folder.mkdir()
    for number, side in enumerate((40, 25, 60, 33)):
        gdal_tiff(folder / f"{number}.tif", picture(side, side, seed=number))
    damaged = folder / "1.tif"
    damaged.write_bytes(damaged.read_bytes()[:1200])
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_scenes_labelled_elsewhere_and_in_another_order_give_the_same(
    tmp_path: Path, monkeypatch
) -> None:
    run, scenes = make_run(tmp_path), folder_of_scenes(tmp_path / "in")
    with pytest.raises(InputError, match="1 of 4 images were left out"):
        predict(run, scenes, tmp_path / "one", confidence=True, say=str)

    def elsewhere(workers, model, job, say, numbers):
        # All that goes to a worker goes as bytes.
        predictor = pickle.loads(pickle.dumps(model))()
        job = pickle.loads(pickle.dumps(job))
        for number in reversed(numbers):
            yield number, pickle.loads(pickle.dumps(job.run(predictor, number)))

    monkeypatch.setattr("iic_tf.export.ray_scenes.label_on_ray", elsewhere)
    monkeypatch.setattr("iic_tf.training.ray_workers.require_ray", lambda workers: None)
    with pytest.raises(InputError, match="1 of 4 images were left out"):
        predict(run, scenes, tmp_path / "two", confidence=True, ray_workers=2, say=str)
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_predictions_of_two_workers_equal_those_of_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray, the extra ray, is not installed")
    run, scenes = make_run(tmp_path), folder_of_scenes(tmp_path / "in")
    command = [sys.executable, "-m", "iic_tf.cli", "predict", str(run.folder), str(scenes), "--out"]
    for out, more in (("one", []), ("two", ["--ray-workers", "2"])):
        done = subprocess.run([*command, str(tmp_path / out), *more], check=False, timeout=900)
        # For the damaged one.
        assert done.returncode == 2
    assert contents(tmp_path / "two") == contents(tmp_path / "one")


def test_two_workers_equal_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray, the extra ray, is not installed")
    command = [sys.executable, "-m", "iic_tf.cli", *SMALL, "--out"]
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, more in zip(runs, ([], ["--ray-workers", "2"]), strict=True):
        done = subprocess.run([*command, str(run), *more], check=False, timeout=900)
        assert done.returncode == 0
    one, two = (keras.models.load_model(run / "best.keras") for run in runs)
    for a, b in zip(one.variables, two.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=a.path)
