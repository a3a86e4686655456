"""Which files below a folder are images, and what is said of the others."""

import os
import unicodedata

import pytest

from iic_tf.data.finding import find
from iic_tf.errors import InputError

SUFFIXES = {".png", ".tif"}


def touch(*files):
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")


def found(root, glob=None):
    return [f.relative_to(root).as_posix() for f in find(root, SUFFIXES, glob).files]


def test_what_is_left_out_is_said(tmp_path):
    touch(*(tmp_path / f for f in ("b.PNG", "a/x.tif", "a/c.png", "notes.txt", "no suffix")))
    assert find(tmp_path, SUFFIXES).notes == ()
    for file in (".h.png", "a/._x.png", ".cache/y.png", ".git/config", "a/u.gif", "v.webp"):
        touch(tmp_path / file)
    for link in ("a/gone.png", "gone"):
        (tmp_path / link).symlink_to(tmp_path / "nowhere")
    assert found(tmp_path) == ["a/c.png", "a/x.tif", "b.PNG"]
    assert find(tmp_path, SUFFIXES).notes == tuple(
        f"left out of '{tmp_path}': {note}"
        for note in (
            "2 broken (a link that leads nowhere), such as 'a/gone.png'",
            "3 hidden (a name that begins with a dot), such as '.cache'",
            "1 of a kind that is not read (.gif), such as 'a/u.gif'",
            "1 of a kind that is not read (.webp), such as 'v.webp'",
        )
    )


def test_links_are_followed_and_lead_to_each_folder_once(tmp_path):
    touch(tmp_path / "data/z/1.png", tmp_path / "far/deep/2.png", tmp_path / "far/3.png")
    data = tmp_path / "data"
    (data / "a").symlink_to(data / "z")  # a second way to what has a name of its own
    (data / "b").symlink_to(tmp_path / "far")
    (data / "z/loop").symlink_to(data)
    (tmp_path / "far/deep/loop").symlink_to(tmp_path / "far")
    (data / "4.png").symlink_to(tmp_path / "far/3.png")
    assert found(data) == ["4.png", "b/3.png", "b/deep/2.png", "z/1.png"]
    (tmp_path / "way").symlink_to(data)
    assert found(tmp_path / "way") == found(data)
    assert found(data, "b/**/*.png") == ["b/3.png", "b/deep/2.png"]


def test_a_folder_that_may_not_be_read(tmp_path, monkeypatch):
    touch(tmp_path / "a/1.png", tmp_path / "b/2.png")
    scandir = os.scandir

    def closed(path):
        if str(path).endswith("a"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    assert found(tmp_path) == ["b/2.png"]
    assert find(tmp_path, SUFFIXES).notes == (
        f"left out of '{tmp_path}': 1 not readable (Permission denied), such as 'a'",
    )


def test_patterns(tmp_path):
    files = ("1.png", "a/1.png", "a/images/1.png", "a/images/2.tif", "a/images/b/3.png")
    touch(*(tmp_path / f for f in files))
    for glob, which in {
        "*": [0],
        "**/*": [0, 1, 2, 3, 4],
        "*/*": [1],
        "*/images/*": [2, 3],
        "./a/**/*.png": [1, 2, 4],
        "**/images/**/*.png": [2, 4],
        "a/images/[12].*": [2, 3],
        "?.png": [0],
        "A/*": [],
    }.items():
        assert found(tmp_path, glob) == [files[i] for i in which], glob
    for wrong in ("/x/*.png", "../*.png", "a/../*.png", "a**/*.png"):
        with pytest.raises(InputError, match="Expected a pattern within"):
            found(tmp_path, wrong)


def test_patterns_and_names_in_both_forms_of_unicode(tmp_path):
    composed, apart = (unicodedata.normalize(form, "Köln") for form in ("NFC", "NFD"))
    touch(tmp_path / apart / "1.png")
    assert len(found(tmp_path, f"{composed}/*")) == len(found(tmp_path, f"{apart}/*")) == 1


def test_an_image_is_found_through_a_link_to_it(tmp_path):
    touch(tmp_path / ".store/1")
    (tmp_path / "a.png").symlink_to(tmp_path / ".store/1")
    assert found(tmp_path) == ["a.png"]
