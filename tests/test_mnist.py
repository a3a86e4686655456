"""MNIST from its original files."""

import gzip

import numpy as np
import pytest
from image_files import idx, mnist_files, pixels
from real_data import shared_data

from iic_tf.data.mnist import load_mnist
from iic_tf.errors import DataMissingError, InputError


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("ending", ["-idx", ".idx"])
@pytest.mark.parametrize("within", [".", "fashion_mnist", "FashionMNIST/raw"])
def test_mnist_files(tmp_path, packed, ending, within):
    images, labels = mnist_files(tmp_path / within, packed, ending)
    found = load_mnist(tmp_path, "fashion_mnist")
    np.testing.assert_array_equal(found.images, images[..., None])
    np.testing.assert_array_equal(found.labels, labels)
    assert (found.name, found.class_names[9], found.extra) == ("fashion_mnist", "Ankle boot", None)


def test_mnist_messages(tmp_path):
    with pytest.raises(DataMissingError, match=r"no such folder. Fetch the four files of 'The MNI"):
        load_mnist(tmp_path / "none")
    with pytest.raises(DataMissingError, match=r"train-images-idx3-ubyte.gz, .*an empty folder"):
        load_mnist(tmp_path)
    with pytest.raises(InputError, match=r"one of mnist, fashion_mnist; received name='kmnist'"):
        load_mnist(tmp_path, "kmnist")
    mnist_files(tmp_path)
    labels, images = tmp_path / "t10k-labels-idx1-ubyte.gz", tmp_path / "t10k-images-idx3-ubyte.gz"
    whole = labels.read_bytes(), images.read_bytes()
    labels.unlink()
    with pytest.raises(DataMissingError, match=r"Expected t10k-labels-idx1-ubyte.gz in .* t10k-im"):
        load_mnist(tmp_path)
    labels.write_bytes(whole[0][:-12])
    with pytest.raises(InputError, match=r"an idx file; received '.*t10k-labels.*end"):
        load_mnist(tmp_path)
    labels.write_bytes(b"<html>not found, as servers say</html>")
    with pytest.raises(InputError, match=r"magic number 0x801 .*begins with 0x3c68746d"):
        load_mnist(tmp_path)
    labels.write_bytes(b"")
    with pytest.raises(InputError, match=r"t10k-labels.*which begins with nothing"):
        load_mnist(tmp_path)
    idx(labels, np.arange(2))
    with pytest.raises(InputError, match=r"each of the 3 images .* received 2 in"):
        load_mnist(tmp_path)
    idx(labels, np.array([0, 1, 10]))
    with pytest.raises(InputError, match=r"from 0 to 9; received 10"):
        load_mnist(tmp_path)
    labels.write_bytes(whole[0])
    idx(images, pixels(3, 5, 5))
    with pytest.raises(InputError, match=r"6 x 5 pixels in .* received 5 x 5"):
        load_mnist(tmp_path)
    images.write_bytes(gzip.compress(gzip.decompress(whole[1])[:-1]))
    with pytest.raises(InputError, match=r"3 x 6 x 5 bytes after the head .* received 89"):
        load_mnist(tmp_path)


def test_the_real_mnist():
    found = load_mnist(shared_data("mnist"))
    assert found.images.shape == (70000, 28, 28, 1)
    assert np.bincount(found.labels).tolist() == [
        *(6903, 7877, 6990, 7141, 6824),
        *(6313, 6876, 7293, 6825, 6958),
    ]
    assert found.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert found.labels[60000:60003].tolist() == [7, 2, 1]
