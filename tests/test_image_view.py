"""Views of whole images against loops."""

import functools

import numpy as np
import pytest
import tensorflow as tf
from published_views import COLOUR_GX, COLOUR_X, COLOURS, MNIST_GX, MNIST_X, some
from real_data import shared_data

from iic_tf.data.mnist import load_mnist
from iic_tf.errors import InputError
from iic_tf.views.affine_sample import affine_sample
from iic_tf.views.central_views import central_views
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView
from iic_tf.views.photometry import Photometry, jitter


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
        ({"size": 0}, r"at least 1 pixel .*; received size=0"),
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
