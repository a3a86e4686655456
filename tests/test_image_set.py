"""A set of images, and the registry that loads one by name."""

import numpy as np
import pytest
from image_files import cifar10_files, mnist_files, pixels, save, stl10_part

from iic_tf.data.image_set import ImageSet
from iic_tf.data.prepared import load_prepared
from iic_tf.data.registry import IMAGES, source_class, source_from_dict
from iic_tf.errors import InputError


def test_an_image_set():
    images, labels = pixels(5, 4, 6, 3), np.array([0, 2, -1, 1, 0], np.int32)
    extra = pixels(3, 4, 6, 3, seed=1)
    found = ImageSet("some", images, labels, ("a", "b", "c"), extra)
    assert (len(found), found.height, found.width, found.channels) == (5, 4, 6, 3)
    assert (found.labelled, found.classes) == (True, 3)
    assert (found.pool(), found.pool(extra=True)) == (5, 8)
    order = np.array([7, 0, 5, 4, 0])
    np.testing.assert_array_equal(found.read(order), np.concatenate([images, extra])[order])
    np.testing.assert_array_equal(found.read(np.array([3, 1])), images[[3, 1]])
    assert found.read(np.array([], int)).shape == (0, 4, 6, 3)
    for wrong in ([8], [-1, 2]):
        with pytest.raises(InputError, match=r"from 0 to 7; received"):
            found.read(np.array(wrong))
    assert ImageSet("some", images).classes is None
    assert ImageSet("some", images).pool(extra=True) == 5
    assert ImageSet("some", images, labels).classes == 3
    nothing = ImageSet("some", images, np.full(5, -1, np.int32))
    assert (nothing.labelled, nothing.classes) == (False, None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": pixels(1, 4, 4, 3)}, "at least 2 images in data set 'some'; received 1"),
        ({"images": pixels(5, 4, 4)}, r"\[n, height, width, channels\]; received uint8 \[5, 4, 4"),
        ({"images": np.zeros((5, 4, 4, 3))}, "as uint8 .* received float64"),
        ({"images": pixels(5, 4, 4, 17)}, "1 to 16 channels"),
        ({"labels": np.zeros(4, np.int32)}, r"int32 \[5\]; received int32 \[4\]"),
        ({"labels": np.zeros(5, np.int64)}, "received int64"),
        ({"labels": np.full(5, -2, np.int32)}, "from 0, or -1 for none; received -2"),
        ({"labels": np.full(5, 2, np.int32)}, "from 0 to 1; received 2"),
        ({"extra": pixels(5, 4, 5, 3)}, r"\[m, 4, 4, 3\]; received uint8 \[5, 4, 5, 3\]"),
        ({"files": ("a",)}, "one file for each of the 5 images"),
    ],
)
def test_image_set_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        ImageSet(
            **{"name": "some", "images": pixels(5, 4, 4, 3), "class_names": ("a", "b"), **wrong}
        )


def test_other_names():
    with pytest.raises(InputError, match=r"among cifar10, .* received dataset='imagenet'"):
        source_from_dict({"dataset": "imagenet"})
    with pytest.raises(InputError, match=r"among cifar10, .* received dataset='folder'"):
        source_from_dict({"dataset": "folder"}, IMAGES)
    with pytest.raises(InputError, match=r"received name='images'"):
        load_prepared("images")
    with pytest.raises(InputError, match=r"--data with the folder of your images; received none"):
        source_class("images")().load()


def test_the_registry_takes_folders(tmp_path):
    mnist_files(tmp_path / "m")
    cifar10_files(tmp_path / "c")
    stl10_part(tmp_path / "s", "test", 2, [1, 2])
    save(tmp_path / "i/a.png", pixels(9, 9)), save(tmp_path / "i/b.png", pixels(9, 9))
    for name, folder, shape in (
        ("mnist", "m", (7, 6, 5, 1)),
        ("fashion_mnist", "m", (7, 6, 5, 1)),
        ("cifar10", "c", (13, 32, 32, 3)),
        ("stl10", "s", (2, 96, 96, 3)),
        ("images", "i", (2, 8, 8, 1)),
    ):
        place = {"dataset": name, "data": str(tmp_path / folder), "side": 8}
        found = source_from_dict(place).load()
        assert found.images.shape == shape
        assert found.name == ("i" if name == "images" else name)
