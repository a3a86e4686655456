"""CIFAR from its original files, pickled or binary."""

import os
import pickle

import numpy as np
import pytest
from image_files import cifar10_files, pixels, python2
from real_data import shared_data

from iic_tf.data.cifar import load_cifar10, load_cifar100_20
from iic_tf.errors import DataMissingError, InputError


def python3(path, values, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({k.encode(): v for k, v in values.items()}, protocol))


@pytest.mark.parametrize("within", [".", "cifar-10-batches-py"])
@pytest.mark.parametrize("write", [python2, python3, lambda p, v: python3(p, v, 5)])
def test_cifar10_pickles(tmp_path, within, write):
    rows, labels = cifar10_files(tmp_path / within, write)
    write(tmp_path / within / "batches.meta", {"label_names": list("abcdefghij")})
    found = load_cifar10(tmp_path)
    np.testing.assert_array_equal(found.labels, labels)
    assert found.class_names == tuple("abcdefghij")
    assert found.images.shape == (13, 32, 32, 3)
    # Planes, then rows, then columns.
    assert found.images[3, 5, 7].tolist() == [rows[3, b * 1024 + 5 * 32 + 7] for b in range(3)]
    (tmp_path / within / "test_batch").unlink()
    assert len(load_cifar10(tmp_path)) == 10
    (tmp_path / within / "data_batch_3").unlink()
    with pytest.raises(DataMissingError, match=r"Expected data_batch_3 in .* beside the others"):
        load_cifar10(tmp_path)


@pytest.mark.parametrize("within", [".", "cifar-10-batches-bin"])
def test_cifar10_binary_files(tmp_path, within):
    rows, labels = pixels(4, 3072), np.array([3, 0, 9, 9], np.uint8)
    (tmp_path / within).mkdir(exist_ok=True)
    path = tmp_path / within / "test_batch.bin"
    path.write_bytes(np.concatenate([labels[:, None], rows], axis=1).tobytes())
    found = load_cifar10(tmp_path)
    np.testing.assert_array_equal(found.images, rows.reshape(4, 3, 32, 32).transpose(0, 2, 3, 1))
    assert found.labels.tolist() == [3, 0, 9, 9]
    assert found.class_names[9] == "truck"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"records of 3073 bytes in .* received 12291 bytes"):
        load_cifar10(tmp_path)


def test_cifar100_20_takes_coarse_labels(tmp_path):
    folder = tmp_path / "cifar-100-python"
    rows = pixels(5, 3072)
    values = {"data": rows, "fine_labels": [99, 1, 2, 3, 4], "coarse_labels": [19, 0, 7, 7, 3]}
    python2(folder / "train", values)
    assert load_cifar100_20(folder).class_names[19] == "vehicles_2"
    python2(folder / "test", {**values, "data": rows[:2], "coarse_labels": [1, 2]})
    python2(folder / "meta", {"coarse_label_names": ["one"]})
    with pytest.raises(InputError, match=r"Expected 20 names under 'coarse_label_names'"):
        load_cifar100_20(tmp_path)
    python2(folder / "meta", {"coarse_label_names": [f"super{i}" for i in range(20)]})
    found = load_cifar100_20(tmp_path)
    assert found.labels.tolist() == [19, 0, 7, 7, 3, 1, 2]
    assert found.class_names[19] == "super19"
    np.testing.assert_array_equal(found.images[5], found.images[0])
    binary = tmp_path / "binary" / "train.bin"
    binary.parent.mkdir()
    binary.write_bytes(
        b"".join(bytes([c, 50]) + row.tobytes() for c, row in zip([4, 5], rows, strict=False))
    )
    found = load_cifar100_20(tmp_path / "binary")
    assert found.labels.tolist() == [4, 5]
    np.testing.assert_array_equal(found.images[1, :, :, 0], rows[1, :1024].reshape(32, 32))


def test_cifar_messages(tmp_path):
    with pytest.raises(DataMissingError, match=r"no such folder. Fetch 'CIFAR-10 python version'"):
        load_cifar10(tmp_path / "none")
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(
        DataMissingError, match=r"cifar-100-python/train.*a folder with holiday.jpg"
    ):
        load_cifar100_20(tmp_path)
    cifar10_files(tmp_path)
    path = tmp_path / "data_batch_2"
    whole = path.read_bytes()
    path.write_bytes(whole[:-400])
    with pytest.raises(InputError, match=r"a pickle of plain values and arrays; .*data_batch_2"):
        load_cifar10(tmp_path)
    for wrong, message in (
        ({"data": pixels(2, 3072)}, "2 numbers under 'labels' in .* received none"),
        ({"data": pixels(2, 3072), "labels": [1]}, "2 numbers under 'labels' in .* received 1"),
        ({"data": pixels(2, 3072), "labels": ["a", "b"]}, "numbers under 'labels'"),
        ({"data": pixels(2, 3071), "labels": [1, 2]}, r"uint8 \[n, 3072\] .* uint8 \[2, 3071\]"),
        ({"labels": [1, 2]}, "Expected 'data' .* received none"),
    ):
        python2(path, wrong)
        with pytest.raises(InputError, match=message):
            load_cifar10(tmp_path)
    path.write_bytes(pickle.dumps([1, 2], 2))
    with pytest.raises(InputError, match=r"a pickle of a dict; received a list"):
        load_cifar10(tmp_path)


class Evil:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.system, (f"touch {self.trace}",)


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_that_would_run_code_is_refused(tmp_path, protocol):
    cifar10_files(tmp_path)
    trace = tmp_path / "trace"
    python3(tmp_path / "data_batch_1", {"data": Evil(trace)}, protocol)
    with pytest.raises(InputError, match=r"it asks for (posix|nt).system, which is refused"):
        load_cifar10(tmp_path)
    assert not trace.exists()
    # Through what is allowed there is no way on either.
    (tmp_path / "data_batch_1").write_bytes(
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00aK\x01\x86R."
    )
    with pytest.raises(InputError, match=r"bytes of an unusual form"):
        load_cifar10(tmp_path)


def test_the_real_cifar10():
    folder = shared_data("cifar10")
    found = load_cifar10(folder)
    assert found.images.shape == (6000, 32, 32, 3)
    assert np.bincount(found.labels).tolist() == [600] * 10
    assert found.class_names[0] == "airplane"
    binary = load_cifar10(folder / "cifar-10-batches-bin")
    np.testing.assert_array_equal(binary.labels, found.labels[5000:])
    np.testing.assert_array_equal(binary.images, found.images[5000:])
