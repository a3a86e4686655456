"""One process a run folder; what killed ones leave goes, what living ones write stays."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training import run_lock
from iic_tf.training.atomic import clear_left, replacing
from iic_tf.training.run import Run
from iic_tf.training.run_lock import LOCK, only_writer

HOLD = """
import sys, time
from pathlib import Path
from iic_tf.training.run_lock import only_writer
with only_writer(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def test_where_there_are_no_locks_nothing_is_held_or_left(tmp_path: Path, monkeypatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(run_lock.fcntl, "flock", no_locks)
    with only_writer(tmp_path / "run"), only_writer(tmp_path / "run"):
        assert list((tmp_path / "run").iterdir()) == []
    with pytest.raises(RuntimeError), only_writer(tmp_path / "other"):
        raise RuntimeError
    assert not (tmp_path / "other").exists()


def test_a_folder_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    with only_writer(folder):
        with (
            pytest.raises(InputError, match=rf"runs/one, where process {os.getpid()} on .* is tra"),
            only_writer(folder),
        ):
            pass
        with only_writer(tmp_path / "runs" / "other"):
            pass
        assert (folder / LOCK).is_file()
    with only_writer(folder):
        pass
    assert list(folder.iterdir()) == []


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unfit"), only_writer(tmp_path / "runs" / "one"):
        raise ValueError("unfit")
    assert list(tmp_path.iterdir()) == []


def test_a_second_run_is_refused_while_the_first_lives_and_not_after(tmp_path, capsys) -> None:
    images, run = tmp_path / "images", tmp_path / "run"
    images.mkdir()
    for i in range(2):
        Image.effect_noise((16, 16), 60).save(images / f"{i}.png")
    given = ["train", "--data", str(images), "--out", str(run), "--crop", "8", "--batch", "2"]
    given += ["--epochs", "1", "--steps", "1", "--width", "0.05", "--set", "radius=1"]
    given += ["--set", "evaluation_steps=1"]
    with subprocess.Popen([sys.executable, "-c", HOLD, str(run)], stdout=subprocess.PIPE) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"held\n"
        for more in ([], ["--overwrite"], ["--resume"]):
            capsys.readouterr()
            assert main([*given, *more]) == 2
            assert f"where process {first.pid} on" in capsys.readouterr().err
            assert [f.name for f in run.iterdir()] == [LOCK]
        first.kill()
    assert main(given) == 0
    assert not (run / LOCK).exists()
    capsys.readouterr()
    # A file in the folder, as ever, is no run of ours to overwrite; a run is.
    assert main(given) == 2
    assert "new or empty run folder" in capsys.readouterr().err


DYING = """
import os, signal, sys
from pathlib import Path
from iic_tf.training import run_lock
from iic_tf.training.atomic import replacing
for place in sys.argv[1:]:
    if os.fork():
        os.wait()
        continue
    with replacing(Path(place)) as temporary:
        if place.endswith("d"):
            temporary.mkdir()
            (temporary / "part").write_text("half")
        else:
            temporary.write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)
"""


def die_writing(*places: Path) -> None:
    """For each, a process that is killed as it writes it."""
    subprocess.run([sys.executable, "-c", DYING, *places], check=True)


def test_what_the_dead_left_goes_and_what_the_living_write_stays(tmp_path: Path) -> None:
    die_writing(tmp_path / "best.keras", tmp_path / "folderd")
    (tmp_path / ".mine-12345678.txt").write_text("the user's own")
    assert len(list(tmp_path.iterdir())) == 3
    with replacing(tmp_path / "best.keras") as temporary:
        temporary.write_text("whole")
        clear_left(tmp_path, tmp_path / "none")
        assert sorted(tmp_path.iterdir()) == sorted([temporary, tmp_path / ".mine-12345678.txt"])
    assert (tmp_path / "best.keras").read_text() == "whole"


def test_of_other_machines_and_versions_only_what_is_old_goes(tmp_path: Path) -> None:
    names = (".best-abcdef-1-01234567.keras", ".best-01234567.keras")
    for name in names:
        (tmp_path / name).write_text("half")
    clear_left(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    for name in names:
        os.utime(tmp_path / name, (time.time() - 10**6,) * 2)
    clear_left(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_run_clears_all_its_folders(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    (run.folder / "export" / "savedmodel").mkdir(parents=True)
    places = (run.folder, run.pictures, run.checkpoints, run.folder / "export" / "savedmodel")
    die_writing(*(folder / "1" for folder in places))
    for folder in places:
        assert len(list(folder.glob(".1-*"))) == 1
    run.clear_left()
    assert not [f for folder in places for f in folder.glob(".*")]
