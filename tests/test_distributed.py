"""Batches made part by part, as several devices and machines make them."""

import numpy as np
import pytest
import tensorflow as tf
from replica_models import crop_pairs, patterns

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.image_set import ImageSet
from iic_tf.errors import InputError
from iic_tf.views.distributed import distributed
from iic_tf.views.geometry import Geometry
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView
from iic_tf.views.numbered_batches import rows_of
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

COLOURS = Photometry(0.4, 0.4, 0.4, 0.125)


def images(rotate=0.0):
    """Epochs of 2 batches of 7 images with 3 copies each."""
    found = (patterns(11, 1, 12, 1, 3)[:, 0] * 255).astype(np.uint8)
    gx = ImageView((8, 10), 8, flip=0.5, rotate=rotate, photometry=COLOURS)
    return ImagePairs(ImageSet("some", found[:8], extra=found[8:]), 7, 3, ImageView((8,), 8), gx)


def crops(steps=None, **options):
    """Epochs of a grid of 8 crops, in batches of 5 and 3, or of random ones."""
    rng = np.random.default_rng(0)
    scenes = [rng.integers(0, 256, (16, 20, 3)).astype(np.uint8) for _ in range(2)]
    masks = [rng.integers(-1, 2, (16, 20)) for _ in range(2)]
    return Pairs(from_arrays(scenes, masks), 8, 5, steps, photometry=COLOURS, **options)


KINDS = {
    "images": images,
    "rotated": lambda: images(rotate=20.0),
    "grid": crops,
    "random": lambda: crops(2, masks=True, jitter_x=True),
    "affine": lambda: crops(geometry=Geometry(rotation=30, scale=(0.8, 1.2))),
}


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("kind", KINDS)
def test_all_parts_are_the_batch_bit_for_bit(kind, count):
    pairs = KINDS[kind]()
    whole = list(pairs.dataset(1, 4).as_numpy_iterator())
    parts = [list(pairs.dataset(1, 4, [(i, count)]).as_numpy_iterator()) for i in range(count)]
    together = pairs.dataset(1, 4, [(i, count) for i in range(count)])
    assert int(together.cardinality()) == 3 * count
    together = list(together.as_numpy_iterator())
    for step, batch in enumerate(whole):
        of_step = [part[step] for part in parts]
        sizes = [len(part["x"]) for part in of_step]
        assert max(sizes) - min(sizes) <= 1
        for name, value in batch.items():
            np.testing.assert_array_equal(np.concatenate([p[name] for p in of_step]), value, name)
            for i, part in enumerate(of_step):
                np.testing.assert_array_equal(together[step * count + i][name], part[name], name)
    assert not np.array_equal(whole[0]["x"][:3], whole[1]["x"][:3])


@pytest.mark.parametrize("kind", KINDS)
def test_a_part_reads_its_own_images_only(kind, monkeypatch):
    pairs = KINDS[kind]()
    read = []
    if kind in ("images", "rotated"):
        plain = ImageSet.read
        monkeypatch.setattr(ImageSet, "read", lambda s, n: (read.extend(n), plain(s, n))[1])
    else:
        plain = pairs.crops.read
        monkeypatch.setattr(pairs.crops, "read", lambda *a: (read.append(a), plain(*a))[1])
    assert len(pairs.drawn(0, 0, (1, 3))["epoch"]) == len(read)
    assert len(read) in (1, 2)


@pytest.mark.parametrize("kind", ["images", "grid", "random"])
def test_a_part_may_hold_nothing(kind):
    batch = next(KINDS[kind]().dataset(0, 2, [(0, 9)]).as_numpy_iterator())
    whole = next(KINDS[kind]().dataset(0, 1).as_numpy_iterator())
    for name, value in whole.items():
        assert batch[name].shape == (0, *value.shape[1:])
        assert batch[name].dtype == value.dtype


def test_rows_of_parts():
    for count in range(12):
        for n in range(1, 6):
            rows = [list(range(count))[rows_of((i, n), count)] for i in range(n)]
            assert [row for part in rows for row in part] == list(range(count))
            assert {len(r) for r in rows} <= {count // n, count // n + 1}


class Replicas:
    """A strategy of that many replicas, as far as `distributed` asks."""

    def __init__(self, count, machines=1):
        self.num_replicas_in_sync = count
        self.machines = machines

    def distribute_datasets_from_function(self, function, options):
        assert not options.experimental_fetch_to_device or tf.config.list_physical_devices("GPU")
        contexts = [
            tf.distribute.InputContext(self.machines, i, self.num_replicas_in_sync)
            for i in range(self.machines)
        ]
        return [list(function(context).as_numpy_iterator()) for context in contexts]


def test_each_machine_makes_the_parts_of_its_replicas():
    pairs = crop_pairs()
    found = distributed(pairs, Replicas(4, machines=2), 0, 2)
    assert [[len(b["x"]) for b in machine] for machine in found] == [[2, 2, 1, 1], [2, 2, 1, 2]]
    for step, whole in enumerate(pairs.dataset(0, 2).as_numpy_iterator()):
        parts = [b for machine in found for b in machine[2 * step : 2 * step + 2]]
        np.testing.assert_array_equal(np.concatenate([p["gx"] for p in parts]), whole["gx"])


def test_one_device_gets_a_plain_dataset():
    found = distributed(crop_pairs(), tf.distribute.get_strategy(), 0, 2)
    assert isinstance(found, tf.data.Dataset)
    assert int(found.cardinality()) == 2


def test_fewer_pairs_than_replicas_are_refused():
    with pytest.raises(InputError, match=r"at least 9 images.*each replica; received batch=8"):
        distributed(crop_pairs(), Replicas(9), 0, 1)
