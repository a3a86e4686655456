import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from real_data import shared_data

from iic_tf.data.image_set import ImageSet
from iic_tf.data.mnist import load_mnist
from iic_tf.errors import InputError
from iic_tf.models.turns import BOTH, MAIN, OVERCLUSTERING
from iic_tf.views.affine_sample import affine_sample
from iic_tf.views.central_views import central_views
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView
from iic_tf.views.photometry import Photometry, jitter

COLOURS = Photometry(0.4, 0.4, 0.4, 0.125)
COLOUR_X = ImageView((20,), 32)
COLOUR_GX = ImageView((20,), 32, flip=0.5, photometry=COLOURS)
MNIST_X = ImageView((20,), 24, centre=0.5)
MNIST_GX = ImageView((16, 20, 24), 24, rotate=25, photometry=COLOURS)


def some(count=11, height=32, width=32, channels=3, extra=0, seed=0):
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count + extra, height, width, channels)).astype(np.uint8)
    return ImageSet("some", images[:count], extra=images[count:] if extra else None)


def numbered(count, extra=0, side=6):
    """Images that hold their own number, so that views tell where they came from."""
    values = np.arange(count + extra, dtype=np.uint8)
    images = np.tile(values[:, None, None, None], (1, side, side, 1))
    return ImageSet("numbered", images[:count], extra=images[count:] if extra else None)


def whose(views):
    return np.rint(np.asarray(views)[:, 0, 0, 0] * 255).astype(int).tolist()


# --- a slow reference


def pixel(image, column, row, beyond):
    """A pixel of a float image; outside the edge goes on, with `beyond` for one pixel only."""
    height, width = image.shape[:2]
    if beyond and not (-1 <= column <= width and -1 <= row <= height):
        return np.zeros(image.shape[2])
    return image[min(max(row, 0), height - 1), min(max(column, 0), width - 1)]


def sampled(image, x, y, beyond):
    left, top = int(np.floor(x)), int(np.floor(y))
    total = np.zeros(image.shape[2])
    for row in (top, top + 1):
        for column in (left, left + 1):
            weight = (1 - abs(x - column)) * (1 - abs(y - row))
            total += weight * pixel(image, column, row, beyond)
    return total


def view_by_formula(image, crop, top, left, size, mirrored=False, degrees=0.0, beyond=False):
    """Rotate about the centre, crop, resize by half-pixel centres, flip; step by step."""
    image = image / 255.0
    height, width = image.shape[:2]
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    middle = np.array([width / 2, height / 2])  # of the image's area, from its corner
    out = np.zeros((size, size, image.shape[2]))
    for row, column in np.ndindex(size, size):
        seen = size - 1 - column if mirrored else column
        in_crop = (np.array([seen, row]) + 0.5) * crop / size
        place = turn @ (in_crop + np.array([left, top]) - middle) + middle
        out[row, column] = sampled(image, *(place - 0.5), beyond)
    return out


def placed(matrix, size):
    """(crop, left, top, mirrored) that a matrix without rotation stands for."""
    scale = abs(matrix[0, 0])
    first = matrix[0, 2] if matrix[0, 0] > 0 else matrix[0, 2] - (size - 1) * scale
    half = 0.5 - 0.5 * scale
    return scale * size, first + half, matrix[1, 2] + half, matrix[0, 0] < 0


# --- views


@pytest.mark.parametrize("shape", [(9, 9, 3), (8, 13, 1), (12, 7, 5)])
@pytest.mark.parametrize(
    "view", [ImageView((5, 7), 6, flip=0.5), ImageView((7,), 4), ImageView((6,), 11)]
)
def test_crops_against_loops(view, shape):
    image = some(2, *shape[:2], shape[2]).images[0]
    matrices = view.draw(np.random.default_rng(0), *shape[:2], 12)
    views = view.apply(np.tile(image, (12, 1, 1, 1)), matrices).numpy()
    for matrix, result in zip(matrices.astype(float), views, strict=True):
        crop, left, top, mirrored = placed(matrix, view.size)
        assert round(crop) in view.crops
        for value, reach in ((left, shape[1] - crop), (top, shape[0] - crop)):
            assert value == pytest.approx(round(value), abs=1e-5)
            assert -1e-5 <= value <= reach + 1e-5
        exact = view_by_formula(image, round(crop), round(top), round(left), view.size, mirrored)
        np.testing.assert_allclose(result, exact, atol=2e-6)


@pytest.mark.parametrize("degrees", [-25.0, 10.0, 90.0])
@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("crop", "size"), [(9, 9), (5, 8), (7, 5)])
def test_rotations_against_loops(degrees, mirrored, crop, size):
    image = some(2, 11, 9, 2).images[0]
    view = ImageView((crop,), size, rotate=90)
    matrices = view._matrices(
        np.array([crop]), np.array([1]), np.array([0]), np.array([mirrored]),
        np.deg2rad([degrees]), 11, 9,
    )  # fmt: skip
    result = view.apply(image[None], matrices).numpy()[0]
    exact = view_by_formula(image, crop, 1, 0, size, mirrored, degrees, beyond=True)
    np.testing.assert_allclose(result, exact, atol=3e-6)


def test_views_of_the_images_own_pixels_are_exact():
    images = some(6).images
    for view in (ImageView((20,), 20, flip=0.5), ImageView((20,), 20, flip=0.5, rotate=30)):
        still = ImageView((20,), 20, flip=0.5)
        matrices = still.draw(np.random.default_rng(1), 32, 32, 6)
        views = view.apply(images, matrices).numpy()
        for image, matrix, result in zip(images, matrices, views, strict=True):
            _, left, top, mirrored = placed(matrix, 20)
            crop = image[int(top) : int(top) + 20, int(left) : int(left) + 20]
            crop = crop[:, ::-1] if mirrored else crop
            np.testing.assert_array_equal(result, crop.astype(np.float32) / np.float32(255))
    whole = ImageView((32,), 32)
    result = whole.apply(images, np.tile(whole.centred(32, 32), (6, 1, 1)))
    np.testing.assert_array_equal(result, images.astype(np.float32) / np.float32(255))


def test_edges_go_on_and_rotations_see_black_beyond():
    white = np.full((1, 8, 8, 1), 255, np.uint8)
    close = ImageView((8,), 13)
    np.testing.assert_array_equal(close.apply(white, close.centred(8, 8)[None]), 1)
    white = np.full((1, 16, 16, 1), 255, np.uint8)
    turned = ImageView((16,), 16, rotate=45)
    matrix = turned._matrices(
        np.array([16]), np.zeros(1), np.zeros(1), np.array([False]), np.deg2rad([45.0]), 16, 16
    )
    result = turned.apply(white, matrix).numpy()[0, ..., 0]
    assert result[0, 0] == result[-1, -1] == result[0, -1] == 0
    np.testing.assert_allclose(result[5:11, 5:11], 1, atol=1e-6)
    # A view that happens not to be rotated is that of a kind without rotation.
    images = some(4).images
    plain = ImageView((20,), 32)
    matrices = plain.draw(np.random.default_rng(0), 32, 32, 4)
    same = [v.apply(images, matrices) for v in (plain, ImageView((20,), 32, rotate=30))]
    np.testing.assert_allclose(*same, atol=1e-6)


def test_what_is_drawn_keeps_to_its_probabilities():
    view = ImageView((4, 6, 6), 8, centre=0.3, flip=0.2, rotate=40, rotate_share=0.25)
    rng = functools.partial(np.random.default_rng, 5)
    matrices = view.draw(rng(), 10, 12, 6000).astype(float)
    scale = np.hypot(matrices[:, 0, 1], matrices[:, 1, 1])
    assert np.mean(scale < 0.6) == pytest.approx(1 / 3, abs=0.02)
    assert set(np.round(scale * 8).astype(int)) == {4, 6}
    angle = np.rad2deg(np.arctan2(-matrices[:, 0, 1], matrices[:, 1, 1]))
    turned = np.abs(angle) > 1e-3
    assert turned.mean() == pytest.approx(0.25, abs=0.02)
    assert 39 < np.abs(angle).max() <= 40
    assert angle[turned].mean() == pytest.approx(0, abs=3)
    mirrored = np.linalg.det(matrices[:, :, :2]) < 0
    assert mirrored.mean() == pytest.approx(0.2, abs=0.02)
    # A setting changes nothing but its own draws.
    still = ImageView((4, 6, 6), 8, centre=0.3).draw(rng(), 10, 12, 6000).astype(float)
    np.testing.assert_allclose(matrices[~turned & ~mirrored], still[~turned & ~mirrored], atol=1e-5)
    places = np.array([placed(m, 8) for m in still])
    middle = (places[:, 1].round(3) == (12 - places[:, 0]) // 2) & (
        places[:, 2].round(3) == (10 - places[:, 0]) // 2
    )
    assert 0.3 < middle.mean() < 0.36  # some of the others happen to lie there
    large = places[places[:, 0] > 5]
    assert set(large[:, 1].round().astype(int)) == set(range(7))
    assert set(large[:, 2].round().astype(int)) == set(range(5))
    central = ImageView((6,), 8, centre=True).draw(rng(), 10, 12, 50)
    np.testing.assert_array_equal(central, np.tile(ImageView((6,), 8).centred(10, 12), (50, 1, 1)))


def test_colours_are_those_of_photometry():
    rng, same = np.random.default_rng(3), np.random.default_rng(3)
    draws = COLOUR_GX.draw_colours(rng, 5)
    np.testing.assert_array_equal(draws, np.stack([COLOURS.draw(same) for _ in range(5)]))
    assert COLOUR_X.draw_colours(rng, 2).tolist() == [[1, 1, 1, 0]] * 2
    images = some(5).images
    matrices = COLOUR_GX.draw(rng, 32, 32, 5)
    plain = COLOUR_GX.apply(images, matrices)
    np.testing.assert_array_equal(
        COLOUR_GX.apply(images, matrices, draws), jitter(plain, tf.constant(draws))
    )


def test_views_of_plain_values():
    plain = {"crops": [16, 20], "size": 24, "rotate": 25, "photometry": {"hue": 0.2}}
    assert ImageView.of(plain) == ImageView((16, 20), 24, rotate=25, photometry=Photometry(hue=0.2))
    assert ImageView.of({"crops": 20}) == ImageView()
    assert ImageView.of({"photometry": None}).photometry is None
    for wrong, message in (
        ({"crop": [3]}, r"view with some of crops, size, .* received view=\{'crop'"),
        ({"photometry": {"gamma": 1}}, r"photometry with some of brightness, .*gamma"),
        ({"photometry": 3}, r"a Photometry or None; received photometry=3"),
        ({"crops": []}, r"received crops=\(\)"),
        ({"crops": ["a"]}, r"received crops=\('a',\)"),
        ({"crops": [0]}, r"1 or more; received crops=\(0,\)"),
        ({"size": 0}, r"at least 1 pixel; received size=0"),
        ({"size": 2.5}, r"received size=2.5"),
        ({"flip": 1.1}, r"probability from 0 to 1; received flip=1.1"),
        ({"centre": -1}, r"received centre=-1"),
        ({"rotate_share": "half"}, r"received rotate_share='half'"),
        ({"rotate": -3}, r"degrees from 0 to 180; received rotate=-3"),
    ):
        with pytest.raises(InputError, match=message):
            ImageView.of(wrong)


def test_central_views():
    images = some(7, 10, 13, 2)
    view = ImageView((6, 8), 6, flip=1.0, rotate=20, photometry=COLOURS)
    batches = [b.numpy() for b in central_views(images, view, 3)]
    assert [len(b) for b in batches] == [3, 3, 1]
    crops = images.images[:, 2:8, 3:9].astype(np.float32) / np.float32(255)
    np.testing.assert_array_equal(np.concatenate(batches), crops)
    with pytest.raises(InputError, match=r"10 x 13 pixels of the images of 'some'; .*\(11,\)"):
        central_views(images, ImageView((11,), 6))
    with pytest.raises(InputError, match=r"received batch=0"):
        central_views(images, view, 0)


# --- pairs


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


def test_sampling_takes_places_from_the_first_pixels_centre():
    ramp = np.arange(5, dtype=np.float32)[None, None, :, None] * np.ones((1, 4, 1, 1), np.float32)
    matrix = np.array([[[0.5, 0, 1.25], [0, 1, 0]]], np.float32)
    result = affine_sample(tf.constant(ramp), tf.constant(matrix), 4).numpy()
    np.testing.assert_allclose(result[0, ..., 0], [[1.25, 1.75, 2.25, 2.75]] * 4)


def test_views_of_the_real_mnist():
    images = load_mnist(shared_data("mnist"))
    pairs = ImagePairs(images, 64, 1, MNIST_X, MNIST_GX, seed=1)
    batch = {k: v.numpy() for k, v in pairs[5].items()}
    assert len(pairs) == 1094
    # Digits stay in sight, and the two views of one are more alike than those of two.
    assert (batch["x"].reshape(64, -1).max(axis=1) > 0.5).all()
    x, gx = (batch[k].reshape(64, -1) for k in ("x", "gx"))
    alike = np.corrcoef(x, gx)[:64, 64:]
    assert np.diag(alike).mean() > alike.mean() + 0.05
