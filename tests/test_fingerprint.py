"""What a run keeps of its data, and what is said where they are others."""

import json
import os
import shutil

import numpy as np
import pytest
from image_files import pixels, save

from iic_tf.data import fingerprint as module
from iic_tf.data.array_scene import from_arrays
from iic_tf.data.fingerprint import MASKS, differences, fingerprint, said, touched
from iic_tf.data.folder import load_folder
from iic_tf.data.image_folder import load_image_folder
from iic_tf.data.image_set import ImageSet
from iic_tf.data.scenes import load_scenes


@pytest.fixture
def tiles(tmp_path):
    for i in range(4):
        save(tmp_path / f"d/images/t{i}.png", pixels(9, 12, 3, seed=i))
        save(tmp_path / f"d/masks/t{i}.png", np.eye(9, 12, dtype=np.uint8))
    return tmp_path / "d"


def of(folder):
    return fingerprint(load_folder(folder), folder)


def test_names_sizes_and_times(tiles):
    found = of(tiles)
    assert json.loads(json.dumps(found)) == found
    assert (found["images"]["count"], found[MASKS]["count"]) == (4, 4)
    status = os.stat(tiles / "images/t0.png")
    wanted = f"{status.st_size} 9×12 {int(status.st_mtime)}"
    assert found["images"]["files"]["images/t0.png"] == wanted
    # The same in another place.
    shutil.copytree(tiles, tiles.parent / "copy")
    assert of(tiles.parent / "copy") == found


@pytest.mark.parametrize("most", [module.MOST_FILES, 2])
def test_differences_in_words(tiles, monkeypatch, most):
    monkeypatch.setattr(module, "MOST_FILES", most)
    whole = most > 2
    old = of(tiles)
    assert (old["images"]["files"] is not None) == whole
    assert (differences(old, old), differences(old, of(tiles), MASKS)) == ([], [])
    os.utime(tiles / "images/t1.png", (0, 0))
    new = of(tiles)
    assert differences(old, new) == []
    wanted = ["1 image is newer or older: images/t1.png"]
    assert touched(old, new) == (wanted if whole else ["some of the 4 images are newer or older"])
    save(tiles / "images/t1.png", np.zeros((9, 12, 3), np.uint8))
    other = differences(old, of(tiles))
    wanted = ["1 image is changed: images/t1.png"]
    assert other == (wanted if whole else ["4 images, some of other names or sizes"])
    for name in "abcde":
        save(tiles / f"images/{name}.png", pixels(9, 12, 3))
    (tiles / "images/t2.png").unlink(), (tiles / "images/t3.png").unlink()
    for i in (2, 3):
        (tiles / f"masks/t{i}.png").unlink()
    other = differences(old, of(tiles))
    wanted = [
        "5 images are new: images/a.png, images/b.png, images/c.png and 2 more",
        "2 images are gone: images/t2.png, images/t3.png",
        "1 image is changed: images/t1.png",
    ]
    assert other == (wanted if whole else ["7 images in place of 4"])
    assert touched(old, of(tiles)) == []
    assert len(differences(old, of(tiles), MASKS)) == 1


def test_data_in_memory():
    images = [pixels(9, 12, 3, seed=i) for i in range(2)]
    old = fingerprint(from_arrays(images))
    assert fingerprint(from_arrays([i.copy() for i in images])) == old
    images[1][4, 4] += 1
    assert differences(old, fingerprint(from_arrays(images))) == ["1 image is changed: 00001"]
    small = pixels(9, 5, 6, 3)
    kept = fingerprint(ImageSet("some", small))
    assert fingerprint(ImageSet("some", small.copy())) == kept
    assert differences(kept, fingerprint(ImageSet("some", small[:8])))
    made = fingerprint(load_scenes(3, 64))
    assert differences(made, fingerprint(load_scenes(4, 64))) == ["1 image is new: scene-003"]


def test_small_images_in_files(tiles):
    for i in range(4):
        save(tiles / f"masks/t{i}.png", pixels(9, 9, 3))
    old = fingerprint(load_image_folder(tiles, side=8), tiles)
    assert len(old["images"]["files"]) == 8
    (tiles / "masks/t3.png").unlink()
    config = {"data": old, "source": {"data": str(tiles)}}
    now = load_image_folder(tiles, side=8)
    assert said(config, now, str(tiles)) == (
        "these are not quite the data of the training: 1 image is gone: masks/t3.png",
    )
    assert said({}, now, str(tiles)) == ()  # an older run
    assert said(config, now, str(tiles / "images")) == ()  # of other data something else is said


def test_bands_in_a_file_each(tmp_path):
    for band in ("B02", "B03"):
        save(tmp_path / f"x_{band}.tif", pixels(9, 12))
    found = fingerprint(load_folder(tmp_path, bands="B02,B03"), tmp_path)
    assert list(found["images"]["files"]) == ["x_B02.tif", "x_B03.tif"]


def test_names_that_are_no_unicode(tmp_path):
    name = os.fsdecode(b"t\xff.png")
    try:
        save(tmp_path / name, pixels(9, 12, 3))
    except OSError:
        pytest.skip("this file system takes Unicode alone")
    assert json.loads(json.dumps(of(tmp_path)))["images"]["count"] == 1
