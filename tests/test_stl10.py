"""STL10 from its original files."""

import numpy as np
import pytest
from image_files import stl10_part
from real_data import shared_data

from iic_tf.data.stl10 import load_stl10
from iic_tf.errors import DataMissingError, InputError


def test_stl10_parts(tmp_path):
    folder = tmp_path / "stl10_binary"
    extra = stl10_part(folder, "unlabeled", 3, seed=1)
    alone = load_stl10(tmp_path)
    np.testing.assert_array_equal(alone.images, extra)
    assert (alone.labels, alone.extra, alone.labelled) == (None, None, False)
    test = stl10_part(folder, "test", 2, [10, 1], seed=2)
    found = load_stl10(folder)
    np.testing.assert_array_equal(found.images, test)
    assert isinstance(found.images, np.memmap)
    train = stl10_part(folder, "train", 4, [1, 2, 3, 4], seed=3)
    found = load_stl10(folder)
    np.testing.assert_array_equal(found.images, np.concatenate([train, test]))
    np.testing.assert_array_equal(found.extra, extra)
    np.testing.assert_array_equal(found.read(np.array([6, 0])), [extra[0], train[0]])
    assert isinstance(found.extra, np.memmap)
    assert found.labels.tolist() == [0, 1, 2, 3, 9, 0]
    assert found.class_names[9] == "truck"
    (folder / "train_y.bin").unlink()
    assert load_stl10(folder).labels.tolist() == [-1, -1, -1, -1, 9, 0]


def test_stl10_messages(tmp_path):
    with pytest.raises(DataMissingError, match=r"no such folder. Fetch 'Binary files'"):
        load_stl10(tmp_path / "none")
    with pytest.raises(DataMissingError, match=r"train_X.bin, test_X.bin or unlabeled_X.bin"):
        load_stl10(tmp_path)
    stl10_part(tmp_path, "test", 2, [0, 1])
    with pytest.raises(InputError, match=r"labels from 1 to 10 in .*test_y.bin'; received 0 to 1"):
        load_stl10(tmp_path)
    stl10_part(tmp_path, "test", 2, [1])
    with pytest.raises(InputError, match=r"Expected 2 labels .* received 1"):
        load_stl10(tmp_path)
    (tmp_path / "test_X.bin").write_bytes(b"\0" * 27649)
    with pytest.raises(InputError, match=r"images of 27648 bytes in .* received 27649"):
        load_stl10(tmp_path)


def test_the_real_stl10_sample():
    found = load_stl10(shared_data("stl10_sample"))
    assert (found.images.shape, found.extra.shape) == ((10, 96, 96, 3), (246, 96, 96, 3))
    assert sorted(found.labels.tolist()) == list(range(10))
