"""Drawing a geometry, applying it to images and undoing it."""

import math

import numpy as np
import pytest
import tensorflow as tf
from golden import golden
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.views.geometry import Geometry, apply, flip, undo, warp
from iic_tf.views.photometry import Photometry, jitter

ALL_FLIPS = [np.diag(d).astype(np.float32) for d in ((1, 1), (-1, 1), (1, -1), (-1, -1))]
AFFINE = Geometry(rotation=30, shear=10, scale=(0.8, 1.2))


def smooth_images(height, width):
    """Slow waves, which bilinear sampling hardly changes."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 9) + np.cos(y / 11), np.cos((x + y) / 13)]
    return np.stack(waves, axis=-1)[None].astype(np.float32)


def rotation(degrees):
    """The matrix of `warp` that turns an image counter-clockwise."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]], np.float32)


def test_a_geometry_keeps_within_its_bounds():
    drawn = [Geometry(0.5, 0.5).draw(np.random.default_rng(i)) for i in range(200)]
    kinds = {tuple(np.diag(m)) for m in drawn}
    assert kinds == {(1, 1), (-1, 1), (1, -1), (-1, -1)}
    assert all(m[0, 1] == m[1, 0] == 0 for m in drawn)
    assert np.mean([m[0, 0] < 0 for m in drawn]) == pytest.approx(0.5, abs=0.12)
    for i in range(200):
        m = Geometry(flip=0, rotation=30, scale=(0.8, 1.2)).draw(np.random.default_rng(i))
        scale = 1 / math.sqrt(np.linalg.det(m))
        assert 0.8 - 1e-6 <= scale <= 1.2 + 1e-6
        assert abs(math.degrees(math.atan2(m[1, 0], m[0, 0]))) <= 30 + 1e-4
    assert Geometry(flip=0).draw(np.random.default_rng(0)).tolist() == [[1, 0], [0, 1]]
    assert not Geometry(upside_down=0.5).affine
    assert AFFINE.affine


@pytest.mark.parametrize("size", [(4, 6), (5, 7), (1, 3)])
def test_a_flip_is_exact_and_its_own_inverse(size):
    images = noise(4, *size, 2)
    g = np.stack(ALL_FLIPS)
    flipped = flip(tf.constant(images), tf.constant(g)).numpy()
    for i, (down, side) in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        np.testing.assert_array_equal(flipped[i], images[i, ::down, ::side])
    np.testing.assert_array_equal(undo(flipped, {"flip": g}).numpy(), images)
    # The sampler agrees, up to the rounding of its coordinates (none: halves are exact).
    np.testing.assert_array_equal(warp(tf.constant(images), g).numpy(), flipped)


def test_quarter_turns_are_exact_and_undone_exactly():
    images = noise(200, 6, 6, 2)
    geometry = Geometry(0.5, 0.5, quarter_turns=True)
    assert not geometry.affine
    g = np.stack([geometry.draw(np.random.default_rng(i)) for i in range(200)])
    kinds = {m.tobytes() for m in np.abs(g)}
    assert len(kinds) == 2
    assert len({(m + 0.0).tobytes() for m in g}) == 8
    turned = flip(tf.constant(images), g)
    np.testing.assert_array_equal(turned, warp(tf.constant(images), g))
    np.testing.assert_array_equal(undo(turned, {"flip": g}), images)
    quarter = np.array([[[0, -1], [1, 0]]], np.float32)
    np.testing.assert_array_equal(
        flip(tf.constant(images[:1]), quarter), np.rot90(images[:1], axes=(1, 2))
    )


@pytest.mark.parametrize("degrees", [30, 90])
def test_warp_rotates_as_tensorflow_addons_did(degrees):
    values = golden("tfa_golden.npz")
    g = np.stack([rotation(degrees)] * 2)
    warped = warp(tf.constant(values["image"]), g).numpy()
    np.testing.assert_allclose(warped, values[f"rotate_{degrees}_bilinear"], atol=5e-6)


def test_warp_by_a_quarter_turn_is_rot90():
    values = golden("tfa_golden.npz")
    square = values["image"][:, :, :9]
    turned = warp(tf.constant(square), np.stack([np.array([[0, -1], [1, 0]], np.float32)] * 2))
    np.testing.assert_array_equal(turned, np.rot90(square, axes=(1, 2)))
    np.testing.assert_allclose(turned, values["rotate_square90"], atol=1e-6)


def test_matrices_are_those_of_tensorflow_addons():
    a0, a1, a2, b0, b1, b2 = golden("tfa_golden.npz")["angles_matrix_30"][0, :6]
    np.testing.assert_allclose([[a0, a1], [b0, b1]], rotation(30), atol=1e-6)
    # Theirs is about pixel (0, 0), ours about the centre: a centre that stays in place.
    centre = np.array([(12 - 1) / 2, (9 - 1) / 2])
    np.testing.assert_allclose([a2, b2], centre - rotation(30) @ centre, atol=1e-5)


def test_warp_against_loops():
    images = noise(2, 6, 9, 2)
    g = np.stack([AFFINE.draw(np.random.default_rng(i)) for i in range(2)])
    exact = np.zeros(images.shape)
    centre = np.array([4.0, 2.5])
    for n, y, x in np.ndindex(2, 6, 9):
        across, down = g[n].astype(np.float64) @ (np.array([x, y]) - centre) + centre
        for row in range(6):
            for column in range(9):
                share = max(0, 1 - abs(across - column)) * max(0, 1 - abs(down - row))
                exact[n, y, x] += share * images[n, row, column]
    np.testing.assert_allclose(warp(tf.constant(images), g), exact, atol=1e-5)


def test_undo_brings_a_warped_image_back():
    image = smooth_images(60, 71)
    y, x = np.mgrid[:60, :71]
    inside = np.hypot(y - 29.5, x - 35) < 22
    g = np.stack([AFFINE.draw(np.random.default_rng(i)) for i in range(6)])
    there = warp(tf.constant(np.repeat(image, 6, axis=0)), g)
    assert np.abs(there.numpy() - image)[:, inside].max() > 0.2
    back = undo(there, {"affine": g}).numpy()
    assert np.abs(back - image)[:, inside].max() < 0.01
    # Zero where g left the image.
    assert (back == 0).all(axis=-1).any()


def test_the_gradient_of_warp_is_its_exact_adjoint():
    g = np.stack([AFFINE.draw(np.random.default_rng(i)) for i in range(3)])
    a, b = noise(3, 11, 14, 2), noise(3, 11, 14, 2, seed=1)
    images = tf.constant(a)
    with tf.GradientTape() as tape:
        tape.watch(images)
        product = tf.reduce_sum(warp(images, g) * b)
    adjoint = tape.gradient(product, images)
    assert float(tf.reduce_sum(images * adjoint)) == pytest.approx(float(product), rel=1e-5)
    # Row by row: what a single pixel gives is what the adjoint takes from there.
    one = np.zeros_like(a)
    one[1, 4, 6, 1] = 1
    given = float(tf.reduce_sum(warp(tf.constant(one), g) * b))
    assert float(adjoint[1, 4, 6, 1]) == pytest.approx(given, rel=1e-5)


def test_warp_in_a_graph_of_unknown_sizes_and_under_xla():
    g = np.stack([AFFINE.draw(np.random.default_rng(i)) for i in range(2)])
    images = noise(2, 8, 9, 3)
    eager = warp(tf.constant(images), g).numpy()
    unknown = tf.TensorSpec((None, None, None, 3), tf.float32)
    matrices = tf.TensorSpec((None, 2, 2), tf.float32)
    graph = tf.function(warp, input_signature=[unknown, matrices])
    np.testing.assert_allclose(graph(images, g), eager, atol=1e-6)
    compiled = tf.function(warp, jit_compile=True)
    # Fused arithmetic rounds coordinates otherwise.
    np.testing.assert_allclose(compiled(tf.constant(images), tf.constant(g)), eager, atol=1e-5)


def test_geometry_and_colours_inside_tf_data():
    images = noise(6, 8, 9, 4)
    g = np.stack([AFFINE.draw(np.random.default_rng(i)) for i in range(6)])
    flips = np.stack([ALL_FLIPS[i % 4] for i in range(6)])
    colours = np.stack([Photometry().draw(np.random.default_rng(i)) for i in range(6)])
    data = tf.data.Dataset.from_tensor_slices((images, g, flips, colours)).batch(4)
    data = data.map(lambda x, g, f, c: (apply(x, g, True), apply(x, f, False), jitter(x, c)))
    warped, flipped, coloured = (np.concatenate(v) for v in zip(*data, strict=True))
    np.testing.assert_allclose(warped, apply(tf.constant(images), g, True), atol=1e-6)
    np.testing.assert_array_equal(flipped, apply(tf.constant(images), flips, False))
    np.testing.assert_allclose(coloured, jitter(tf.constant(images), colours), atol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"flip": 1.5}, "probability from 0 to 1; received flip=1.5"),
        ({"upside_down": -1}, "upside_down=-1"),
        ({"scale": (1.2, 0.8)}, "smallest <= largest"),
        ({"scale": (0.0, 1.0)}, "0 < smallest"),
        ({"scale": 1.0}, "received scale=1.0"),
        ({"scale": (1.0,)}, "received scale="),
        ({"scale": (float("nan"), 1.0)}, "received scale=nan"),
        ({"scale": (1.0, float("inf"))}, "received scale=inf"),
        ({"flip": "often"}, "received flip='often'"),
        ({"flip": float("nan")}, "received flip=nan"),
        ({"flip": [1]}, "received flip="),
        ({"rotation": float("inf")}, "degrees from 0 to 360; received rotation=inf"),
        ({"rotation": -1}, "received rotation=-1"),
        ({"shear": 90}, "degrees from 0 to 89; received shear=90"),
        ({"quarter_turns": 7}, "received quarter_turns=7"),
    ],
)
def test_geometry_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        Geometry(**wrong)
