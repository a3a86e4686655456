"""Lists of images: a text file with a path a line, in place of a folder."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iic_tf.data.fingerprint import fingerprint
from iic_tf.data.folder import load_folder
from iic_tf.data.image_folder import load_image_folder
from iic_tf.data.list_file import read_list
from iic_tf.data.reading import SUFFIXES
from iic_tf.errors import DataMissingError, InputError


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for number, name in enumerate(("a/one.png", "b/c/two.png", "b/three_mask.png", "b/out.png")):
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((6, 8, 3), 10 * number, np.uint8)).save(path)
    return tmp_path


def listed(place: Path, text: str, name: str = "lists/some.txt") -> Path:
    path = place / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_images_come_in_their_order_and_named_by_the_folder_that_holds_them(place: Path) -> None:
    absolute = place / "images/a/one.png"
    path = listed(
        place,
        "\ufeff# two, and one\n\n../images/b/c/two.png  \r\n"
        f"{absolute}\n../images/b/three_mask.png",
    )
    found = load_folder(path)
    assert found.name == "some"
    assert [s.name for s in found.scenes] == ["b__c__two", "a__one", "b__three_mask"]
    assert [int(s.read(0, 0, 1, 1)[0, 0, 0]) for s in found.scenes] == [10, 0, 20]
    # A run knows them again, by what they are called below that folder.
    assert sorted(fingerprint(found, str(path))["images"]["files"]) == [
        "a/one.png",
        "b/c/two.png",
        "b/three_mask.png",
    ]
    small = load_image_folder(path, side=4)
    assert small.files == ("b/c/two.png", "a/one.png", "b/three_mask.png")
    assert small.name == "some"
    assert small.images[:, 0, 0, 0].tolist() == [10, 0, 20]


def test_one_image_and_what_is_listed_twice(place: Path) -> None:
    path = listed(place, "a/one.png\n./a/../a/one.png\n", "images/LIST.TXT")
    found = load_folder(path)
    assert [s.name for s in found.scenes] == ["one"]
    (note,) = (n for n in found.notes if "again" in n)
    assert "1 listed again in LIST.TXT, such as './a/../a/one.png'" in note


def test_masks_beside_a_list(place: Path) -> None:
    (place / "masks/b/c").mkdir(parents=True)
    mask = np.arange(48).reshape(6, 8) % 2
    Image.fromarray(mask.astype(np.uint8)).save(place / "masks/b/c/two.png")
    path = listed(place, "../images/b/c/two.png\n../images/a/one.png\n")
    found = load_folder(path, masks=place / "masks")
    assert [s.has_mask for s in found.scenes] == [True, False]
    with pytest.raises(InputError, match="folder of the masks beside the list"):
        load_folder(path, mask_glob="*.png")


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("a/one.png\nb/none.png", DataMissingError, r"an image in line 2 of .*'b/none.png'"),
        ("# here\n\na", InputError, r"in line 3 of '.*received 'a'"),
        ("x.txt", InputError, r"Expected an image \(.*\.png.*in line 1 .*'x.txt'"),
        ("a\0b", InputError, r"Expected a path in line 1"),
        (" \n# nothing", InputError, r"a path of an image a line in '.*x.txt'; received none"),
    ],
)
def test_what_is_no_image_is_told_by_its_line(
    place: Path, text: str, kind: type[InputError], message: str
) -> None:
    path = listed(place, text, "images/x.txt")
    with pytest.raises(kind, match=message):
        load_folder(path)


def test_names_that_are_no_text(place: Path) -> None:
    name = os.fsencode(place / "images") + b"/\xff.png"
    with open(name, "wb") as file:
        file.write((place / "images/a/one.png").read_bytes())
    path = place / "images/x.txt"
    path.write_bytes(b"\xff.png\n")
    assert os.fsencode(read_list(path, SUFFIXES).files[0]) == os.path.abspath(name)
