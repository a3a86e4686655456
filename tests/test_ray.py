"""A run on two Ray workers equals that of one process."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from iic_tf.cli import main

SMALL = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", "--epochs", "1", "--steps", "2"]
SMALL += ["--batch", "4", "--crop", "24", "--width", "0.05", "--set", "radius=2"]


def test_without_ray_the_message_says_how_to_get_it(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*SMALL, "--ray-workers", "2", "--out", str(tmp_path / "run")]) == 2
    assert "pip install 'iic_tf[ray]'" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_two_workers_equal_one_process(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray, the extra ray, is not installed")
    command = [sys.executable, "-m", "iic_tf.cli", *SMALL, "--out"]
    runs = [tmp_path / "one", tmp_path / "two"]
    for run, more in zip(runs, ([], ["--ray-workers", "2"]), strict=True):
        done = subprocess.run([*command, str(run), *more], check=False, timeout=300)
        assert done.returncode == 0
    one, two = (keras.models.load_model(run / "best.keras") for run in runs)
    for a, b in zip(one.variables, two.variables, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5, err_msg=a.path)
