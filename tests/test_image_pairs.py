"""Batches of views of whole images."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from published_views import COLOUR_GX, COLOUR_X, MNIST_GX, MNIST_X, some

from iic_tf.data.image_set import ImageSet
from iic_tf.errors import InputError
from iic_tf.turns import BOTH, MAIN, OVERCLUSTERING
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView


def numbered(count, extra=0, side=6):
    """Images that hold their own number, so that views tell where they came from."""
    values = np.arange(count + extra, dtype=np.uint8)
    images = np.tile(values[:, None, None, None], (1, side, side, 1))
    return ImageSet("numbered", images[:count], extra=images[count:] if extra else None)


def whose(views):
    return np.rint(np.asarray(views)[:, 0, 0, 0] * 255).astype(int).tolist()


def test_shapes_types_and_ranges_of_a_batch():
    pairs = ImagePairs(some(), 4, 3, COLOUR_X, COLOUR_GX)
    batch = pairs[0]
    assert {k: (tuple(v.shape), v.dtype.name) for k, v in batch.items()} == {
        "x": ((4, 32, 32, 3), "float32"),
        "gx": ((4, 3, 32, 32, 3), "float32"),
        "epoch": ((4,), "int32"),
        "image": ((4,), "int32"),
    }
    for name in ("x", "gx"):
        assert float(tf.reduce_min(batch[name])) >= 0
        assert float(tf.reduce_max(batch[name])) <= 1
    assert len(pairs) == 3
    with pytest.raises(IndexError):
        pairs[3]
    assert pairs.dataset(0, 1).element_spec["gx"].shape == (4, 3, 32, 32, 3)


def test_copies_of_an_image_stand_behind_it():
    pairs = ImagePairs(numbered(9), 4, 3, ImageView((4,), 4), ImageView((4,), 4, flip=0.5))
    for step in range(len(pairs)):
        batch = pairs[step]
        assert whose(batch["x"]) == batch["image"].numpy().tolist()
        for copy in range(3):
            assert whose(batch["gx"][:, copy]) == whose(batch["x"])


def test_copies_and_views_are_drawn_apart():
    pairs = ImagePairs(some(), 4, 3, COLOUR_X, ImageView((20,), 32), seed=2)
    drawn = pairs.drawn(0, 0)
    everything = [drawn["x"], drawn["gx"], pairs.drawn(0, 1)["x"]]
    rows = np.concatenate([matrices.reshape(-1, 6) for matrices in everything])
    assert len(np.unique(rows, axis=0)) > 16


VIEWS = {"colour": (COLOUR_X, COLOUR_GX, 3), "mnist": (MNIST_X, MNIST_GX, 1)}


@pytest.mark.parametrize("name", VIEWS)
def test_batches_are_those_of_the_dataset_bit_for_bit(name):
    x, gx, channels = VIEWS[name]
    options = (some(11, channels=channels, extra=4), 4, 2, x, gx, 7)
    turns = (OVERCLUSTERING, MAIN)
    pairs = ImagePairs(*options, turns=turns)
    again = ImagePairs(*options, turns=turns)
    stream = list(again.dataset(0, 9).as_numpy_iterator())
    assert int(again.dataset(2, 9).cardinality()) == 7
    for epoch in range(3):
        pairs.on_epoch_begin()
        for step in range(len(pairs)):
            batch, other = pairs[step], stream[epoch * len(pairs) + step]
            assert set(batch) == set(other)
            assert (other["epoch"] == epoch).all()
            for key in batch:
                np.testing.assert_array_equal(batch[key], other[key], err_msg=key)
        pairs.on_epoch_end()
    late = next(iter(list(again.dataset(7, 8).as_numpy_iterator())))
    later = ImagePairs(*options, turns=turns, epoch=2)[1]
    for key in late:
        np.testing.assert_array_equal(late[key], later[key])
        np.testing.assert_array_equal(late[key], stream[7][key])


def test_batches_differ_by_seed_epoch_and_step():
    options = (some(), 4, 1, COLOUR_X, COLOUR_GX)
    first = ImagePairs(*options, seed=3)
    same = ImagePairs(*options, seed=3)
    np.testing.assert_array_equal(first[0]["gx"], same[0]["gx"])
    for other in (ImagePairs(*options, seed=4)[0], ImagePairs(*options, 3, epoch=1)[0], first[1]):
        assert np.abs(other["x"] - first[0]["x"]).max() > 0.1
        assert np.abs(other["gx"] - first[0]["gx"]).max() > 0.1


@pytest.mark.parametrize("steps", [None, 2, 5])
def test_each_image_comes_once_before_any_comes_again(steps):
    pairs = ImagePairs(numbered(11), 4, 1, ImageView((4,), 4), ImageView((4,), 4), steps=steps)
    assert len(pairs) == (steps or 3)
    sequence = [i for e in range(11) for s in range(len(pairs)) for i in pairs.indices(e, s)]
    assert len(sequence) == 44 * len(pairs)
    rounds = np.reshape(sequence, (-1, 11))
    assert (np.sort(rounds, axis=1) == np.arange(11)).all()
    assert len(np.unique(rounds, axis=0)) > 3


def test_a_batch_may_be_larger_than_the_set():
    pairs = ImagePairs(numbered(3), 10, 1, ImageView((4,), 4), ImageView((4,), 4))
    assert len(pairs) == 1
    counts = np.bincount(pairs.indices(0, 0), minlength=3)
    assert sorted(counts) == [3, 3, 4]


def test_extra_images_are_for_the_overclustering_heads_own_epochs():
    images = numbered(8, extra=12)
    views = ImageView((4,), 4), ImageView((4,), 4)
    turns = (OVERCLUSTERING, MAIN, MAIN, BOTH)
    pairs = ImagePairs(images, 4, 1, *views, turns=turns, steps=2)
    seen = {e: [i for s in range(2) for i in pairs.indices(e, s).tolist()] for e in range(20)}
    for epoch, indices in seen.items():
        if epoch % 4:
            assert max(indices) < 8
    for start in (0, 1, 3, 5):  # main epochs go through the ordinary images as if alone
        main = [e for e in range(20) if e % 4][start]
        assert sorted(seen[main]) == list(range(8))
    widely = [i for e in range(0, 20, 4) for i in seen[e]]
    assert sorted(widely[:20]) == list(range(20))
    assert sorted(widely[20:]) == list(range(20))
    assert widely[20:] != widely[:20]
    pairs.epoch = 0
    batch = pairs[0]
    assert whose(batch["x"]) == batch["image"].numpy().tolist() == seen[0][:4]
    assert any(i >= 8 for i in seen[0])
    without = ImagePairs(images, 4, 1, *views, turns=turns, extra=False)
    assert max(i for e in range(8) for s in range(2) for i in without.indices(e, s)) < 8
    none = ImagePairs(numbered(8), 4, 1, *views, turns=turns)
    assert max(i for e in range(8) for s in range(2) for i in none.indices(e, s)) < 8


class Recorder(keras.Model):
    def train_step(self, data):
        self.given.append({k: v.numpy() for k, v in data.items()})
        return {"loss": tf.constant(0.0)}


def test_fit_sees_the_epochs_in_turn_and_their_batches_in_order():
    pairs = ImagePairs(some(), 4, 3, COLOUR_X, COLOUR_GX, epoch=2)
    model = Recorder()
    model.compile(run_eagerly=True)
    model.given = []
    model.fit(pairs, epochs=2, verbose=0, shuffle=False)
    batches = list(pairs.dataset(6, 12).as_numpy_iterator())
    assert len(model.given) == len(batches)
    for given, batch in zip(model.given, batches, strict=True):
        assert set(given) == set(batch)
        for key in batch:
            np.testing.assert_array_equal(given[key], batch[key])
    assert [int(g["epoch"][0]) for g in model.given] == [2] * 3 + [3] * 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, r"at least 1 image; received batch=0"),
        ({"repeats": 0}, r"at least 1 copy of each image; received repeats=0"),
        ({"steps": 0}, r"at least 1 step"),
        ({"seed": -1}, r"seed >= 0; received seed=-1"),
        ({"turns": ("sideways",)}, r"turns made of main, .*received turns=\('sideways',\)"),
        ({"x": ImageView((33,), 32)}, r"within the 32 x 32 pixels .* received crops=\(33,\)"),
        ({"gx": ImageView((20, 40), 32)}, r"of 'some'; received crops=\(20, 40\)"),
        ({"gx": ImageView((20,), 24)}, r"one size, x's 32 pixels; received gx.size=24"),
    ],
)
def test_image_pairs_messages(wrong, message):
    options = {"batch": 4, "repeats": 2, "x": COLOUR_X, "gx": COLOUR_GX, **wrong}
    with pytest.raises(InputError, match=message):
        ImagePairs(some(), **options)
