"""Data sets that tensorflow-datasets has prepared, or can."""

import time

import numpy as np
import pytest
import tensorflow_datasets as tfds
from image_files import pixels

from iic_tf.data import prepared
from iic_tf.data.prepared import load_prepared
from iic_tf.data.registry import IMAGES, dataset_names, source_class
from iic_tf.errors import DataMissingError, InputError


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
    found = source_class("cifar100-20")().load()
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


@pytest.mark.parametrize("name", sorted(set(dataset_names(IMAGES)) - {"images"}))
def test_missing_data_are_told_at_once(tfds_folder, name, tmp_path):
    began = time.perf_counter()
    with pytest.raises(DataMissingError) as caught:
        source_class(name)().load()
    for part in (f"'{name}'", str(tfds_folder), "--data", "Fetch ", "--download"):
        assert part in str(caught.value)
    with pytest.raises(DataMissingError, match=r"no such folder. Fetch "):
        source_class(name)(data=str(tmp_path / "none")).load()
    assert time.perf_counter() - began < 1
    assert not tfds_folder.exists()


def test_a_download_that_cannot_be_is_told_at_once(tfds_folder, monkeypatch):
    def unreachable(request, timeout):
        raise OSError("no network in tests")

    monkeypatch.setattr(prepared.urllib.request, "urlopen", unreachable)
    with pytest.raises(DataMissingError, match=r"received: no network in tests\. Or: Fetch"):
        source_class("mnist")(download=True).load()

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
