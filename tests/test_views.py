"""Drawing g, applying it, undoing its geometry; and the batches of pairs made of it."""

import colorsys
import math

import numpy as np
import pytest
import tensorflow as tf
from golden import golden

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import box_mean
from iic_tf.data.scene import ClassTable
from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.views.draws import PURPOSES, generator
from iic_tf.views.geometry import Geometry, apply, flip, undo, warp
from iic_tf.views.inputs import INPUTS, check_inputs, input_channels, network_input
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry, jitter
from iic_tf.views.sobel import sobel

ALL_FLIPS = [np.diag(d).astype(np.float32) for d in ((1, 1), (-1, 1), (1, -1), (-1, -1))]
AFFINE = Geometry(rotation=30, shear=10, scale=(0.8, 1.2))
STILL = Photometry(0, 0, 0, 0)


def random_images(*shape, seed=0):
    return np.random.default_rng(seed).uniform(size=shape).astype(np.float32)


def smooth_images(height, width):
    """Slow waves, which bilinear sampling hardly changes."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 9) + np.cos(y / 11), np.cos((x + y) / 13)]
    return np.stack(waves, axis=-1)[None].astype(np.float32)


def rotation(degrees):
    """The matrix of `warp` that turns an image counter-clockwise."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, -s], [s, c]], np.float32)


# --- draws


def test_draws_depend_on_nothing_but_seed_epoch_index_and_purpose():
    def draw(*key):
        return generator(*key).uniform(size=3).tolist()

    keys = [
        (seed, epoch, index, purpose)
        for seed in (0, 1)
        for epoch in (0, 1)
        for index in (0, 1, 2)
        for purpose in PURPOSES
    ]
    first = {key: draw(*key) for key in keys}
    assert {key: draw(*key) for key in reversed(keys)} == first
    assert len({tuple(v) for v in first.values()}) == len(keys)


def test_draws_are_those_of_earlier_versions():
    # A run of an earlier version can be had again only while these numbers stay.
    values = generator(3, 2, 1, "crop").integers(1000, size=4).tolist()
    assert values == [219, 462, 710, 990]


# --- geometry


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
    images = random_images(4, *size, 2)
    g = np.stack(ALL_FLIPS)
    flipped = flip(tf.constant(images), tf.constant(g)).numpy()
    for i, (down, side) in enumerate([(1, 1), (1, -1), (-1, 1), (-1, -1)]):
        np.testing.assert_array_equal(flipped[i], images[i, ::down, ::side])
    np.testing.assert_array_equal(undo(flipped, {"flip": g}).numpy(), images)
    # The sampler agrees, up to the rounding of its coordinates (none: halves are exact).
    np.testing.assert_array_equal(warp(tf.constant(images), g).numpy(), flipped)


def test_quarter_turns_are_exact_and_undone_exactly():
    images = random_images(200, 6, 6, 2)
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
    images = random_images(2, 6, 9, 2)
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
    a, b = random_images(3, 11, 14, 2), random_images(3, 11, 14, 2, seed=1)
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
    images = random_images(2, 8, 9, 3)
    eager = warp(tf.constant(images), g).numpy()
    unknown = tf.TensorSpec((None, None, None, 3), tf.float32)
    matrices = tf.TensorSpec((None, 2, 2), tf.float32)
    graph = tf.function(warp, input_signature=[unknown, matrices])
    np.testing.assert_allclose(graph(images, g), eager, atol=1e-6)
    compiled = tf.function(warp, jit_compile=True)
    # Fused arithmetic rounds coordinates otherwise.
    np.testing.assert_allclose(compiled(tf.constant(images), tf.constant(g)), eager, atol=1e-5)


def test_geometry_and_colours_inside_tf_data():
    images = random_images(6, 8, 9, 4)
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
    ],
)
def test_geometry_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        Geometry(**wrong)


# --- photometry


def luma(image):
    return image @ np.array([0.299, 0.587, 0.114])


def jitter_by_formula(image, brightness, contrast, saturation, hue):
    """What torchvision's ColorJitter does, in that order, of one image in float64."""
    image = np.clip(np.asarray(image, np.float64) * brightness, 0, 1)
    image = np.clip(contrast * image + (1 - contrast) * luma(image).mean(), 0, 1)
    image = np.clip(saturation * image + (1 - saturation) * luma(image)[..., None], 0, 1)
    turned = np.empty_like(image)
    for at in np.ndindex(image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*image[at])
        turned[at] = colorsys.hsv_to_rgb((h + hue) % 1.0, s, v)
    return turned


@pytest.mark.parametrize(
    "draw",
    [
        (1.1, 1, 1, 0),
        (0.6, 1, 1, 0),
        (1, 1.3, 1, 0),
        (1, 0.7, 1, 0),
        (1, 1, 0.5, 0),
        (1, 1, 1.4, 0),
        (1, 1, 1, 0.1),
        (1, 1, 1, -0.4),
        (1.4, 0.8, 1.2, 0.125),
    ],
)
def test_jitter_agrees_with_the_formulas(draw):
    images = random_images(2, 5, 6, 3)
    draws = np.array([draw, (1, 1, 1, 0.05)], np.float32)
    coloured = jitter(tf.constant(images), tf.constant(draws)).numpy()
    for image, result, values in zip(images, coloured, draws, strict=True):
        np.testing.assert_allclose(result, jitter_by_formula(image, *values), atol=1e-5)


def test_infrared_stays_bit_for_bit():
    images = random_images(3, 6, 7, 5)
    draws = np.stack([Photometry(1, 1, 1, 0.5).draw(np.random.default_rng(i)) for i in range(3)])
    coloured = jitter(tf.constant(images), draws).numpy()
    np.testing.assert_array_equal(coloured[..., 3:], images[..., 3:])
    assert (np.abs(coloured - images)[..., :3].max(axis=(1, 2, 3)) > 0.05).all()
    assert coloured.min() >= 0
    assert coloured.max() <= 1


def test_no_hue_leaves_colours_untouched():
    images = random_images(2, 5, 6, 3)
    still = jitter(tf.constant(images), tf.constant([[1.0, 1, 1, 0]] * 2)).numpy()
    np.testing.assert_allclose(still, images, atol=2e-7)


@pytest.mark.parametrize("bands", [1, 2])
def test_one_or_two_bands_get_brightness_and_contrast_on_all(bands):
    images = random_images(1, 5, 6, bands)
    coloured = jitter(tf.constant(images), tf.constant([[1.2, 0.7, 0.2, 0.3]])).numpy()
    brighter = np.clip(images.astype(np.float64) * np.float32(1.2), 0, 1)
    exact = np.clip(brighter.mean() + (brighter - brighter.mean()) * np.float32(0.7), 0, 1)
    np.testing.assert_allclose(coloured, exact, atol=1e-6)


def test_colour_draws_keep_within_their_bounds():
    draws = np.stack(
        [Photometry(0.4, 0.3, 0.2, 0.1).draw(np.random.default_rng(i)) for i in range(300)]
    )
    middle, reach = np.array([1, 1, 1, 0]), np.array([0.4, 0.3, 0.2, 0.1])
    moved = np.abs(draws - middle) / reach
    assert moved.max() <= 1 + 1e-5
    assert (moved.max(axis=0) > 0.95).all()
    assert STILL.draw(np.random.default_rng(0)).tolist() == [1, 1, 1, 0]
    for wrong in ({"brightness": -0.1}, {"contrast": 2}, {"saturation": 1.01}, {"hue": 0.6}):
        with pytest.raises(InputError, match=f"received {next(iter(wrong))}="):
            Photometry(**wrong)


# --- Sobel


def test_sobel_of_a_ramp():
    y, x = np.mgrid[:7, :9].astype(np.float32)
    ramp = np.stack([0.1 * x + 0.02 * y] * 3 + [x * y], axis=-1)[None]  # a fourth band is ignored
    slopes = sobel(tf.constant(ramp)).numpy()
    assert slopes.shape == (1, 7, 9, 2)
    np.testing.assert_allclose(slopes[0, 1:-1, 1:-1, 0], 8 * 0.1, atol=1e-5)
    np.testing.assert_allclose(slopes[0, 1:-1, 1:-1, 1], 8 * 0.02, atol=1e-5)
    # Mirrored at the border: no slope across it.
    np.testing.assert_allclose(slopes[0, :, [0, -1], 0], 0, atol=1e-5)
    np.testing.assert_allclose(slopes[0, [0, -1], :, 1], 0, atol=1e-5)


def test_what_a_network_sees():
    images = tf.constant(random_images(2, 5, 6, 4))
    seen = {inputs: network_input(images, inputs).numpy() for inputs in INPUTS}
    np.testing.assert_array_equal(seen["bands"], images)
    np.testing.assert_array_equal(seen["sobel"], sobel(images))
    np.testing.assert_array_equal(
        seen["bands+sobel"], np.concatenate([images, sobel(images)], axis=-1)
    )
    for inputs, values in seen.items():
        check_inputs(inputs)
        assert input_channels(4, inputs) == values.shape[-1]
    with pytest.raises(InputError, match=r"bands, bands\+sobel, sobel; received inputs='rgb'"):
        check_inputs("rgb")


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_sobel_against_loops(bands):
    image = random_images(1, 5, 6, bands)
    grey = np.pad(image[0, ..., :3].mean(axis=-1), 1, mode="reflect")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slopes = sobel(tf.constant(image)).numpy()[0]
    for y, x in np.ndindex(5, 6):
        patch = grey[y : y + 3, x : x + 3]
        np.testing.assert_allclose(
            slopes[y, x], [(patch * kernel).sum(), (patch * kernel.T).sum()], atol=1e-5
        )


# --- pairs


def scenes(sizes=((23, 31), (20, 20), (30, 22)), bands=4, masks=True, seed=0):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*size, bands)).astype(np.uint8) for size in sizes]
    table = ClassTable(("a", "b"), np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    labels = [rng.integers(-1, 2, size) for size in sizes] if masks else None
    return from_arrays(images, labels, table if masks else None)


def assert_same(batch, other):
    assert set(batch) == set(other)
    for name in batch:
        np.testing.assert_array_equal(batch[name], other[name], err_msg=name)


def assert_differ(batch, other):
    assert np.abs(batch["x"] - other["x"]).max() > 0.1


OPTIONS = {
    "grid": {"crop": 10, "batch": 5},
    "random places": {"crop": 8, "batch": 3, "steps": 3},
    "quarter turns": {"crop": 9, "batch": 5, "geometry": Geometry(0.5, 0.5, quarter_turns=True)},
    "affine": {"crop": 10, "batch": 4, "geometry": AFFINE},
    "both views jittered": {"crop": 10, "batch": 4, "jitter_x": True},
    "masks": {"crop": 10, "batch": 4, "masks": True},
    "halved": {"crop": 6, "batch": 4, "downscale": 2, "masks": True},
    "larger than some scenes": {"crop": 22, "batch": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_batches_are_those_of_the_dataset_bit_for_bit(name):
    pairs = Pairs(scenes(), seed=3, **OPTIONS[name])
    again = Pairs(scenes(), seed=3, **OPTIONS[name])
    number = 0
    dataset = again.dataset(0, 2 * len(pairs))
    assert int(dataset.cardinality()) == 2 * len(pairs)
    stream = iter(dataset.as_numpy_iterator())
    for epoch in (0, 1):
        pairs.on_epoch_begin()
        for step in range(len(pairs)):
            batch = {k: v.numpy() for k, v in pairs[step].items()}
            assert_same(batch, next(stream))
            assert (batch["epoch"] == epoch).all()
            number += 1
        pairs.on_epoch_end()
    middle = again.dataset(len(pairs), len(pairs) + 1).as_numpy_iterator()
    assert_same(
        next(middle),
        {k: v.numpy() for k, v in Pairs(scenes(), seed=3, epoch=1, **OPTIONS[name])[0].items()},
    )


@pytest.mark.parametrize("name", ["grid", "random places"])
def test_batches_differ_by_seed_and_epoch(name):
    first = Pairs(scenes(), seed=3, **OPTIONS[name])[0]
    assert_differ(first, Pairs(scenes(), seed=4, **OPTIONS[name])[0])
    assert_differ(first, Pairs(scenes(), seed=3, epoch=1, **OPTIONS[name])[0])
    assert_differ(first, Pairs(scenes(), seed=3, **OPTIONS[name])[1])


def test_shapes_types_and_ranges_of_a_batch():
    batch = Pairs(scenes(), crop=10, batch=5, masks=True)[0]
    assert {k: (tuple(v.shape), v.dtype.name) for k, v in batch.items()} == {
        "x": ((5, 10, 10, 4), "float32"),
        "gx": ((5, 10, 10, 4), "float32"),
        "flip": ((5, 2, 2), "float32"),
        "valid": ((5, 10, 10), "float32"),
        "epoch": ((5,), "int32"),
        "scene": ((5,), "int32"),
    }
    for name in ("x", "gx", "valid"):
        assert float(tf.reduce_min(batch[name])) >= 0
        assert float(tf.reduce_max(batch[name])) <= 1
    assert "valid" not in Pairs(scenes(), crop=10, batch=5)[0]


def test_a_grid_gives_every_crop_once_an_epoch_in_an_order_of_its_own():
    source = scenes()
    pairs = Pairs(source, crop=10, batch=5, photometry=STILL)
    places = [(0, t, x) for t in (0, 10) for x in (0, 10, 20)]
    places += [(1, t, x) for t in (0, 10) for x in (0, 10)]
    places += [(2, t, x) for t in (0, 10, 20) for x in (0, 10)]
    assert len(pairs) == 4
    assert [len(pairs[i]["x"]) for i in range(4)] == [5, 5, 5, 1]
    known = {
        source.normalise(source.scenes[s].read(t, x, 10, 10)).tobytes(): (s, t, x)
        for s, t, x in places
    }
    orders = []
    for epoch in (0, 1):
        pairs.epoch = epoch
        batches = [pairs[i] for i in range(4)]
        orders.append([known[x.numpy().tobytes()] for b in batches for x in b["x"]])
        assert [int(s) for b in batches for s in b["scene"]] == [s for s, _, _ in orders[-1]]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(places)
    assert orders[0] != orders[1]
    with pytest.raises(IndexError):
        pairs[4]


def test_the_second_view_is_the_first_one_flipped():
    pairs = Pairs(scenes(), crop=10, batch=16, geometry=Geometry(0.5, 0.5), photometry=STILL)
    batch = {k: v.numpy() for k, v in pairs[0].items()}
    assert len({tuple(np.diag(m)) for m in batch["flip"]}) == 4
    for x, gx, m in zip(batch["x"], batch["gx"], batch["flip"], strict=True):
        np.testing.assert_allclose(gx, x[:: int(m[1, 1]), :: int(m[0, 0])], atol=2e-7)
    np.testing.assert_allclose(undo(batch["gx"], batch), batch["x"], atol=2e-7)


def test_the_first_view_stays_as_it_is_unless_told_else():
    source = scenes()
    plain, both = (Pairs(source, crop=10, batch=16, jitter_x=v)[0] for v in (False, True))
    # The second view's draws are the same either way.
    np.testing.assert_array_equal(plain["gx"], both["gx"])
    assert_differ(plain, both)
    np.testing.assert_array_equal(plain["x"][..., 3], both["x"][..., 3])


def test_masks_follow_their_crops():
    rng = np.random.default_rng(0)
    labels = [rng.integers(-1, 2, size) for size in ((23, 31), (30, 22))]
    images = [np.repeat((m != -1)[..., None] * 255, 3, axis=-1).astype(np.uint8) for m in labels]
    table = ClassTable(("a", "b"), np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    source = from_arrays(images, labels, table)
    for options in ({"steps": 2}, {}, {"downscale": 2}, {"downscale": 3, "steps": 2}):
        batch = Pairs(source, crop=7, batch=6, masks=True, **options)[0]
        np.testing.assert_allclose(batch["valid"], batch["x"][..., 0], atol=1e-6)
        assert 0.2 < float(tf.reduce_mean(batch["valid"])) < 0.9


def test_scenes_without_a_mask_are_valid_everywhere():
    source = scenes(((20, 20), (20, 20)))
    images = [s.image for s in source.scenes]
    labels = [np.full((20, 20), -1), None]
    batch = Pairs(from_arrays(images, labels, source.classes), crop=10, batch=8, masks=True)[0]
    for scene, valid in zip(batch["scene"], batch["valid"], strict=True):
        assert (valid.numpy() == int(scene)).all()


def test_crops_larger_than_a_scene_are_padded_and_not_valid_there():
    source = scenes(((9, 14), (20, 20)), masks=False)
    for options in ({}, {"steps": 3}):
        pairs = Pairs(source, crop=12, batch=8, **options)
        seen = set()
        for i in range(len(pairs)):
            for scene, x, valid in zip(
                *(pairs[i][k].numpy() for k in ("scene", "x", "valid")), strict=True
            ):
                height = (9, 12)[scene]
                assert (valid[:height] == 1).all()
                assert (valid[height:] == 0).all()
                assert (x[height:] == 0).all()
                assert (x[:height] > 0).mean() > 0.9
                seen.add(int(scene))
        assert seen == {0, 1}


@pytest.mark.parametrize("downscale", [1, 2, 3])
@pytest.mark.parametrize("steps", [None, 2])
def test_kept_scenes_give_the_pixels_of_windows_read_anew(downscale, steps):
    options = {"crop": 6, "batch": 5, "downscale": downscale, "steps": steps, "masks": True}
    kept = Pairs(scenes(), cache_bytes=1 << 30, **options)
    anew = Pairs(scenes(), cache_bytes=0, **options)
    assert kept.crops._keep
    assert not anew.crops._keep
    for i in range(len(kept)):
        assert_same(kept[i], anew[i])
    assert kept.crops._kept
    assert not anew.crops._kept


@pytest.mark.parametrize("downscale", [2, 3])
def test_scaling_down_takes_means_of_boxes(downscale):
    source = scenes()
    pairs = Pairs(source, crop=6, batch=50, downscale=downscale, photometry=STILL)
    whole = [box_mean(source.normalise(s.image), downscale) for s in source.scenes]
    batch = pairs[0]
    for scene, x in zip(batch["scene"], batch["x"], strict=True):
        grid = whole[int(scene)]
        crops = [
            grid[t : t + 6, left : left + 6]
            for t in range(0, grid.shape[0] - 5, 6)
            for left in range(0, grid.shape[1] - 5, 6)
        ]
        assert any(np.array_equal(x, crop) for crop in crops)


class Recorder(IICSegmenter):
    """A model that takes no step, but notes what it was given."""

    def train_turn(self, data, turn):
        self.given.append({k: v.numpy() for k, v in data.items()} | {"turn": turn})
        return {"loss": tf.constant(0.0)}


def recorder(**compiled):
    model = Recorder(2, 3, channels=4, width=0.05, radius=1)
    model.compile(run_eagerly=True, **compiled)
    model.given = []
    return model


@pytest.mark.parametrize("name", ["grid", "random places"])
@pytest.mark.parametrize("first", [0, 5])
def test_fit_sees_the_epochs_in_turn_and_their_batches_in_order(name, first):
    pairs = Pairs(scenes(), epoch=first, **OPTIONS[name])
    model = recorder()
    model.fit(pairs, epochs=3, verbose=0)
    expected = list(pairs.dataset(first * len(pairs), (first + 3) * len(pairs)).as_numpy_iterator())
    assert len(model.given) == len(expected)
    for number, (given, batch) in enumerate(zip(model.given, expected, strict=True)):
        epoch = first + number // len(pairs)
        assert given.pop("turn") == ("overclustering", "main")[epoch % 2]
        assert (given["epoch"] == epoch).all()
        assert_same(given, batch)
    # A second call goes on where the first one stopped.
    model.given.clear()
    model.fit(pairs, epochs=1, verbose=0)
    assert {int(e) for given in model.given for e in given["epoch"]} == {first + 3}


def test_fit_sees_the_epochs_in_turn_from_a_dataset():
    pairs = Pairs(scenes(), **OPTIONS["grid"])
    model = recorder()
    steps = len(pairs)
    model.fit(pairs.dataset(0, 3 * steps), steps_per_epoch=steps, epochs=3, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * steps + [1] * steps + [2] * steps


def test_fit_with_several_steps_an_execution_takes_every_batch():
    pairs = Pairs(scenes(), **OPTIONS["grid"])
    model = recorder(steps_per_execution=3)  # 4 batches an epoch
    model.fit(pairs, epochs=2, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * 4 + [1] * 4


def test_evaluation_between_epochs_does_not_move_the_training_pairs_on():
    pairs, held_out = (Pairs(scenes(seed=s), **OPTIONS["grid"]) for s in (0, 1))
    model = recorder()
    model.fit(pairs, validation_data=held_out, epochs=2, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "at least 1 pair; received batch=0"),
        ({"steps": 0}, "at least 1 step"),
        ({"steps": -2}, "at least 1 step"),
        ({"seed": -1}, "seed >= 0"),
        ({"crop": 1}, "at least 2 pixels; received crop=1"),
        ({"downscale": 0}, "downscale >= 1"),
    ],
)
def test_pairs_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        Pairs(scenes(), **wrong)


def test_masks_of_a_set_without_masks_are_refused():
    with pytest.raises(InputError, match="masks in data set 'arrays'; received images only"):
        Pairs(scenes(masks=False), masks=True)
