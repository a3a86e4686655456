import os
from pathlib import Path

import numpy as np
import pytest

from iic_tf.training import atomic
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import plain_json, write_json


def write_folder(folder: Path, text: str) -> None:
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "part").write_text(text)


def failing(error: BaseException, write, path: Path, text: str) -> None:
    write(path, text)
    raise error


def names(folder: Path) -> list[str]:
    return sorted(f.name for f in folder.iterdir())


@pytest.fixture(params=[False, True], ids=["plain", "durable"])
def durable(request) -> bool:
    return request.param


def test_a_file_appears_whole_with_the_usual_permissions(tmp_path, durable):
    path = tmp_path / "new" / "deeper" / "model.keras"
    before = os.umask(0o027)
    try:
        with replacing(path, durable) as temporary:
            assert temporary.parent == path.parent
            assert temporary.name.startswith(".model-")
            assert temporary.suffix == ".keras"
            temporary.write_text("whole")
            assert not path.exists()
    finally:
        os.umask(before)
    assert path.read_text() == "whole"
    assert path.stat().st_mode & 0o777 == 0o640
    assert names(path.parent) == ["model.keras"]

    with replacing(path, durable) as temporary:
        temporary.write_text("newer")
        assert path.read_text() == "whole"
    assert path.read_text() == "newer"
    assert names(path.parent) == ["model.keras"]


def test_a_folder_appears_whole_and_replaces_another(tmp_path, durable):
    path = tmp_path / "model" / "1"
    for text in ("first", "second"):
        with replacing(path, durable) as temporary:
            # TensorFlow Serving takes a number for a version.
            assert temporary.name.startswith(".")
            write_folder(temporary, text)
        assert (path / "inner" / "part").read_text() == text
        assert names(path.parent) == ["1"]
    assert path.stat().st_mode == (path / "inner").stat().st_mode


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_nothing_is_left_where_the_body_fails(tmp_path, error, durable):
    for path, write in (
        (tmp_path / "a" / "b" / "file.csv", Path.write_text),
        (tmp_path / "a" / "b" / "folder", write_folder),
    ):
        with pytest.raises(error), replacing(path, durable) as temporary:
            failing(error(), write, temporary, "half")
        assert names(tmp_path) == []
        with pytest.raises(error), replacing(path, durable):
            raise error
        assert names(tmp_path) == []


def test_what_was_there_stays_where_the_body_fails(tmp_path):
    file, folder = tmp_path / "file.csv", tmp_path / "folder"
    file.write_text("old")
    write_folder(folder, "old")
    for path, write in ((file, Path.write_text), (folder, write_folder)):
        with pytest.raises(ValueError, match="no"), replacing(path) as temporary:
            failing(ValueError("no"), write, temporary, "new")
    assert file.read_text() == "old"
    assert (folder / "inner" / "part").read_text() == "old"
    assert names(tmp_path) == ["file.csv", "folder"]


def test_what_others_put_there_meanwhile_stays(tmp_path):
    with pytest.raises(OSError, match="full"), replacing(tmp_path / "a" / "b" / "file"):
        failing(OSError("full"), Path.write_text, tmp_path / "a" / "other", "theirs")
    assert names(tmp_path / "a") == ["other"]


def test_a_folder_goes_back_where_the_new_one_cannot_be_moved(tmp_path, monkeypatch):
    path = tmp_path / "model"
    write_folder(path, "old")
    plain = os.replace

    def refusing(source, target):
        if Path(target) == path and (Path(source) / "inner" / "part").read_text() == "new":
            raise OSError("no")
        plain(source, target)

    monkeypatch.setattr(atomic.os, "replace", refusing)
    with pytest.raises(OSError, match="no"), replacing(path) as temporary:
        write_folder(temporary, "new")
    assert (path / "inner" / "part").read_text() == "old"
    assert names(tmp_path) == ["model"]


def test_a_file_does_not_replace_a_folder_nor_a_folder_a_file(tmp_path):
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("old")
    write_folder(folder, "old")
    with pytest.raises(OSError, match="directory"), replacing(folder) as temporary:
        temporary.write_text("new")
    with pytest.raises(OSError, match="directory"), replacing(file) as temporary:
        write_folder(temporary, "new")
    with pytest.raises(FileNotFoundError), replacing(file):
        pass
    assert file.read_text() == "old"
    assert (folder / "inner" / "part").read_text() == "old"
    assert names(tmp_path) == ["file", "folder"]


def test_the_longest_name_has_room(tmp_path):
    path = tmp_path / ("ö" * 120 + ".png")
    with replacing(path) as temporary:
        temporary.write_text("whole")
    assert path.read_text() == "whole"


def test_durable_waits_for_all_parts_then_moves_then_waits_for_the_move(tmp_path, monkeypatch):
    done: list[str] = []
    plain_sync, plain_replace = os.fsync, os.replace

    def sync(handle):
        done.append(Path(os.readlink(f"/proc/self/fd/{handle}")).name.split("-")[0])
        plain_sync(handle)

    def replace(source, target):
        done.append("moved")
        plain_replace(source, target)

    monkeypatch.setattr(atomic.os, "fsync", sync)
    monkeypatch.setattr(atomic.os, "replace", replace)
    with replacing(tmp_path / "model", durable=True) as temporary:
        write_folder(temporary, "new")
    assert done == [".model", "inner", "part", "moved", tmp_path.name.split("-")[0]]
    done.clear()
    with replacing(tmp_path / "file") as temporary:
        temporary.write_text("new")
    assert done == ["moved"]


def test_json_of_numpy_values_and_paths(tmp_path):
    path = tmp_path / "made" / "config.json"
    write_json(path, {"a": np.float32(0.5), "b": np.arange(2), "c": Path("x") / "y"})
    assert path.read_text() == ('{\n  "a": 0.5,\n  "b": [\n    0,\n    1\n  ],\n  "c": "x/y"\n}\n')
    with pytest.raises(TypeError, match="object has no place in JSON"):
        write_json(path, {"a": object()})
    assert names(path.parent) == ["config.json"]
    assert plain_json(np.int64(3)) == "3\n"
