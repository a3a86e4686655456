"""What a bug report says of a machine."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iic_tf import doctor
from iic_tf.cli import main
from iic_tf.doctor import report
from iic_tf.version import __version__


def test_versions_devices_memory_and_disk_are_told(capsys):
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"iic-tf {__version__}, Python 3.")
    packages = next(line for line in lines if line.startswith("packages: "))
    for name in ("tensorflow", "keras", "numpy", "onnxruntime"):
        assert f" {name} " in packages
    for begun in ("GPUs: ", "CPU: ", "memory: ", "disk here", "disk of weights"):
        assert sum(line.startswith(begun) for line in lines) == 1, begun
    assert not [line for line in lines if line.startswith("data set")]


def test_what_is_missing_comes_with_what_to_install(monkeypatch):
    there = doctor._version
    gone = {"scipy", "ray"}
    monkeypatch.setattr(doctor, "_version", lambda name: None if name in gone else there(name))
    lines = list(report())
    (missing,) = [line for line in lines if line.startswith("missing: ")]
    assert "pip install 'scipy" in missing
    assert "extra ray (several machines by Ray): not there; pip install 'iic_tf[ray]'" in lines


def test_data_sets_in_a_folder_are_named(tmp_path, capsys):
    for number in range(3):
        pixels = np.full((40, 40, 3), number, np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{number}.png")
    assert main(["doctor", "--data", str(tmp_path)]) == 0
    assert f"data set folder: 3 images in '{tmp_path}'" in capsys.readouterr().out


def test_a_folder_that_is_not_there_is_refused(tmp_path, capsys):
    assert main(["doctor", "--data", str(tmp_path / "none")]) == 2
    assert "Expected a folder of data sets in --data" in capsys.readouterr().err


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="a table of Linux")
def test_memory_is_that_of_the_machine_or_unknown():
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    assert float(doctor._gigabytes("MemTotal").removesuffix(" GB")) == pytest.approx(there, abs=0.1)
    assert doctor._gigabytes("of no table") == "unknown"
