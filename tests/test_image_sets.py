import gzip
import os
import pickle
import struct
import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
import tifffile
from PIL import Image
from real_data import shared_data

from iic_tf.data import prepared
from iic_tf.data.cifar import load_cifar10, load_cifar100_20
from iic_tf.data.image_folder import load_image_folder
from iic_tf.data.image_registry import IMAGE_ABOUT, ImageSource, load_images
from iic_tf.data.image_set import ImageSet
from iic_tf.data.mnist import load_mnist
from iic_tf.data.prepared import load_prepared
from iic_tf.data.stl10 import load_stl10
from iic_tf.errors import DataMissingError, InputError


def pixels(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


# --- image sets


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


# --- MNIST


def idx(path, values, packed=True, magic=None):
    head = struct.pack(f">I{values.ndim}I", magic or 0x800 + values.ndim, *values.shape)
    stored = head + values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(stored) if packed else stored)


def mnist_files(folder, packed=True, ending="-idx"):
    folder.mkdir(parents=True, exist_ok=True)
    images, labels = pixels(7, 6, 5), np.arange(7) % 10
    dot = ".gz" if packed else ""
    for part, here in (("train", slice(0, 4)), ("t10k", slice(4, 7))):
        idx(folder / f"{part}-images{ending}3-ubyte{dot}", images[here], packed)
        idx(folder / f"{part}-labels{ending}1-ubyte{dot}", labels[here], packed)
    return images, labels


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


# --- CIFAR


def python2(path, values):
    """A pickle of protocol 2 as Python 2 wrote it: byte strings, NumPy under its old name."""
    stored = bytearray(b"\x80\x02}(")

    def text(value):
        raw = value if isinstance(value, bytes) else value.encode()
        stored.extend(b"T" + struct.pack("<i", len(raw)) + raw)

    for key, value in values.items():
        text(key)
        if isinstance(value, np.ndarray):
            stored.extend(b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85")
            text("b")
            stored.extend(b"\x87R(K\x01J" + struct.pack("<i", value.shape[0]))
            stored.extend(b"J" + struct.pack("<i", value.shape[1]) + b"\x86cnumpy\ndtype\n")
            text("u1")
            stored.extend(b"K\x00K\x01\x87R(K\x03")
            text("|")
            stored.extend(b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89")
            text(value.tobytes())
            stored.extend(b"tb")
        else:
            stored.extend(b"](")
            for entry in value:
                if isinstance(entry, str):
                    text(entry)
                else:
                    stored.extend(b"K" + bytes([entry]))
            stored.extend(b"e")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(stored + b"u."))


def python3(path, values, protocol=2):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps({k.encode(): v for k, v in values.items()}, protocol))


TEN = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]


def cifar10_files(folder, write=python2):
    rows, labels = pixels(13, 3072), np.arange(13) % 10
    cuts = [0, 2, 4, 5, 7, 10, 13]
    for name, first, last in zip(TEN, cuts, cuts[1:], strict=False):
        write(folder / name, {"data": rows[first:last], "labels": labels[first:last].tolist()})
    return rows, labels


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


# --- STL10


def stl10_part(folder, part, count, labels=None, seed=0):
    folder.mkdir(exist_ok=True)
    images = pixels(count, 96, 96, 3, seed=seed)
    (folder / f"{part}_X.bin").write_bytes(images.transpose(0, 3, 2, 1).tobytes())
    if labels is not None:
        (folder / f"{part}_y.bin").write_bytes(bytes(labels))
    return images


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


# --- folders of images


def save(path, values):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".tif":
        contiguous = {"planarconfig": "contig"} if values.ndim == 3 else {}
        tifffile.imwrite(path, values, photometric="minisblack", **contiguous)
    else:
        Image.fromarray(values).save(path)


def test_folders_within_are_classes(tmp_path):
    for i, file in enumerate(("cat/b.png", "cat/deep/a.png", "ant/x.png", "top.png", ".h/y.png")):
        save(tmp_path / file, np.full((9, 9, 3), 10 * i, np.uint8))
    (tmp_path / "notes.txt").write_text("")
    found = load_image_folder(tmp_path, side=4)
    assert found.files == ("ant/x.png", "cat/b.png", "cat/deep/a.png", "top.png")
    assert found.labels.tolist() == [0, 1, 1, -1]
    assert found.class_names == ("ant", "cat")
    assert found.images[:, 0, 0, 0].tolist() == [20, 0, 10, 30]
    assert (found.name, found.images.shape) == (tmp_path.name, (4, 4, 4, 3))
    # One folder is no classes.
    one = load_image_folder(tmp_path / "cat", side=4)
    assert (one.labels, one.class_names, len(one)) == (None, None, 2)


def test_images_are_scaled_by_their_shorter_side_and_cut_to_their_middle(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = pixels(8, 8)
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "tall.tif", wide.T)
    found = load_image_folder(tmp_path, side=8)
    np.testing.assert_array_equal(found.images[1, ..., 0], wide[:, 8:16])
    np.testing.assert_array_equal(found.images[0, ..., 0], wide[:, 8:16].T)
    half = load_image_folder(tmp_path, side=4).images[1, ..., 0]
    whole = wide[:, 8:16].astype(float)
    means = whole.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    # A tent twice as wide as a box, but nearer to its means than to any single pixels.
    assert np.abs(half - means).mean() < np.abs(half - whole[::2, ::2]).mean() / 1.5


def test_many_channels_sixteen_bits_palettes_and_alpha(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 6, 5)).astype(np.uint16)
    save(tmp_path / "deep" / "a.tif", deep)
    save(tmp_path / "deep" / "b.tif", (deep // 257).astype(np.uint8))
    found = load_image_folder(tmp_path / "deep", side=6).images
    np.testing.assert_array_equal(found[0], np.rint(deep / 257).astype(np.uint8))
    np.testing.assert_array_equal(found[1], deep // 257)
    colour = pixels(5, 5, 4)
    save(tmp_path / "colour" / "a.png", colour)
    Image.fromarray(colour[..., 0] // 128).convert("P").save(tmp_path / "colour" / "b.png")
    found = load_image_folder(tmp_path / "colour", side=5).images
    np.testing.assert_array_equal(found[0], colour[..., :3])
    assert found.shape == (2, 5, 5, 3)


def test_image_folder_messages(tmp_path):
    with pytest.raises(DataMissingError, match=r"Expected a folder at .* received no such folder"):
        load_image_folder(tmp_path / "none")
    with pytest.raises(InputError, match=r"Expected images .*received an empty folder"):
        load_image_folder(tmp_path)
    save(tmp_path / "a.png", pixels(5, 5, 3))
    with pytest.raises(DataMissingError, match=r"received a file"):
        load_image_folder(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"at least 2 images .* received 1"):
        load_image_folder(tmp_path)
    with pytest.raises(InputError, match=r"at least 2 pixels a side; received side=1"):
        load_image_folder(tmp_path, side=1)
    save(tmp_path / "b.png", pixels(5, 5))
    with pytest.raises(InputError, match=r"3 channels as in '.*a.png'; received 1 in '.*b.png'"):
        load_image_folder(tmp_path)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"received '.*b.png' \(damaged"):
        load_image_folder(tmp_path)


# --- tensorflow-datasets


@pytest.fixture
def tfds_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path / "tfds"))
    return tmp_path / "tfds"


def prepare(monkeypatch, folder, name, examples):
    """Let tensorflow-datasets write tiny parts in its own format, without a network."""
    builder = tfds.builder(name, data_dir=str(folder))

    def parts(self, manager, *args):
        return {split: iter(rows) for split, rows in examples.items()}

    monkeypatch.setattr(type(builder), "_split_generators", parts)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(try_download_gcs=False)
    )


def test_prepared_data_sets(tfds_folder, monkeypatch):
    images = pixels(5, 32, 32, 3)
    rows = [
        (i, {"id": str(i), "image": image, "label": 50 + i, "coarse_label": i})
        for i, image in enumerate(images)
    ]
    prepare(monkeypatch, tfds_folder, "cifar100", {"train": rows[:3], "test": rows[3:]})
    found = load_images(ImageSource("cifar100-20"))
    assert (found.name, len(found), found.class_names[1]) == ("cifar100-20", 5, "fish")
    # In an order of their own, but images keep their labels.
    assert sorted(found.labels[:3].tolist()) == [0, 1, 2]
    np.testing.assert_array_equal(found.images, images[found.labels])
    again = load_prepared("cifar100-20", tfds_folder)
    np.testing.assert_array_equal(again.images, found.images)
    for record in tfds_folder.glob("cifar100/*/*.tfrecord*"):
        record.write_bytes(record.read_bytes()[:-7])
    with pytest.raises(InputError, match=r"that cannot be read .* Delete that folder"):
        load_prepared("cifar100-20")


def test_prepared_stl10_has_its_unlabelled_part(tfds_folder, monkeypatch):
    images = pixels(6, 96, 96, 3)
    rows = [(i, {"image": image, "label": min(i, 3)}) for i, image in enumerate(images)]
    free = [(i, {**row, "label": -1}) for i, row in rows[4:]]
    parts = {"train": rows[:2], "test": rows[2:4], "unlabelled": free}
    prepare(monkeypatch, tfds_folder, "stl10", parts)
    found = load_prepared("stl10")
    assert (len(found), found.extra.shape) == (4, (2, 96, 96, 3))
    np.testing.assert_array_equal(found.images, images[found.labels])
    assert found.extra.sum() == images[4:].sum()


@pytest.mark.parametrize("name", sorted(set(IMAGE_ABOUT) - {"images"}))
def test_missing_data_are_told_at_once(tfds_folder, name, tmp_path):
    began = time.perf_counter()
    with pytest.raises(DataMissingError) as caught:
        load_images(ImageSource(name))
    for part in (f"'{name}'", str(tfds_folder), "--data", "Fetch ", "--download"):
        assert part in str(caught.value)
    with pytest.raises(DataMissingError, match=r"no such folder. Fetch "):
        load_images(ImageSource(name, str(tmp_path / "none")))
    assert time.perf_counter() - began < 1
    assert not tfds_folder.exists()


def test_a_download_that_cannot_be_is_told_at_once(tfds_folder, monkeypatch):
    def unreachable(request, timeout):
        raise OSError("no network in tests")

    monkeypatch.setattr(prepared.urllib.request, "urlopen", unreachable)
    with pytest.raises(DataMissingError, match=r"received: no network in tests\. Or: Fetch"):
        load_images(ImageSource("mnist", download=True))

    def silent(request, timeout):
        time.sleep(0.5)
        raise OSError("too late")

    monkeypatch.setattr(prepared.urllib.request, "urlopen", silent)
    began = time.perf_counter()
    assert prepared.answers("http://nowhere", 0.1) == "no answer within 0.1 s"
    assert time.perf_counter() - began < 0.4
    time.sleep(0.6)  # until the thread has ended, which would else do so in another test
    monkeypatch.setattr(prepared, "answers", lambda url: None)

    def failing(self, **options):
        raise RuntimeError("checksum")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", failing)
    with pytest.raises(DataMissingError, match=r"received: checksum"):
        load_prepared("cifar10", download=True)


def test_other_names():
    with pytest.raises(InputError, match=r"among cifar10, .* received dataset='imagenet'"):
        load_images(ImageSource("imagenet"))
    with pytest.raises(InputError, match=r"received name='images'"):
        load_prepared("images")
    with pytest.raises(InputError, match=r"--data with the folder of your images; received none"):
        load_images(ImageSource("images"))


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
        found = load_images(ImageSource(name, str(tmp_path / folder), side=8))
        assert found.images.shape == shape
        assert found.name == ("i" if name == "images" else name)
