"""Crops of scenes, scaled down: against loops and slices."""

import pickle

import numpy as np
import pytest

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import Crops, box_mean
from iic_tf.data.scene import IGNORE, ClassTable
from iic_tf.errors import InputError

SIZES = ((23, 31), (9, 14), (30, 22))


def scenes(masks=True):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in SIZES]
    table = ClassTable(("a", "b"), np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    labels = [rng.integers(-1, 2, size) for size in SIZES]
    return from_arrays(images, labels if masks else None, table if masks else None)


def box_mean_by_loops(values, factor):
    rows, columns = (-(-s // factor) for s in values.shape[:2])
    means = np.zeros((rows, columns, *values.shape[2:]))
    for y, x in np.ndindex(rows, columns):
        box = values[y * factor : (y + 1) * factor, x * factor : (x + 1) * factor]
        means[y, x] = box.astype(np.float64).mean(axis=(0, 1))
    return means


@pytest.mark.parametrize("factor", [1, 2, 3, 5, 40])
@pytest.mark.parametrize("shape", [(7, 9, 4), (8, 12, 1), (1, 11, 3), (13, 6)])
def test_box_mean_against_loops(shape, factor):
    values = np.random.default_rng(0).uniform(size=shape).astype(np.float32)
    means = box_mean(values, factor)
    assert means.dtype == np.float32
    np.testing.assert_allclose(means, box_mean_by_loops(values, factor), atol=1e-6)


@pytest.mark.parametrize("cache_bytes", [0, 1 << 30])
@pytest.mark.parametrize("downscale", [1, 2, 3])
def test_a_crop_is_a_slice_of_the_scaled_scene(downscale, cache_bytes):
    source = scenes()
    crops = Crops(source, 6, downscale, masks=True, cache_bytes=cache_bytes)
    for scene, whole in enumerate(source.scenes):
        image = box_mean_by_loops(whole.image / 255, downscale)
        valid = box_mean_by_loops((whole.mask != IGNORE).astype(float), downscale)
        assert crops.shapes[scene].tolist() == list(image.shape[:2])
        last = [max(0, s - 6) for s in image.shape[:2]]
        for top, left in ((0, 0), (last[0] // 2, last[1]), tuple(last)):
            pixels, share = crops.read(scene, top, left)
            assert pixels.shape == (6, 6, 3)
            assert share.shape == (6, 6)
            there = np.s_[top : top + 6, left : left + 6]
            inside = np.s_[: image[there].shape[0], : image[there].shape[1]]
            np.testing.assert_allclose(pixels[inside], image[there], atol=1e-6)
            np.testing.assert_allclose(share[inside], valid[there], atol=1e-6)
            outside = np.ones((6, 6), bool)
            outside[inside] = False
            assert not share[outside].any()
            assert not pixels[outside].any()


def test_reading_leaves_what_is_kept_as_it_was():
    crops = Crops(scenes(), 6)
    first = crops.read(0, 2, 3)[0].copy()
    crops.read(0, 2, 4)
    np.testing.assert_array_equal(crops.read(0, 2, 3)[0], first)


def test_values_are_brought_to_0_to_1_and_clipped():
    image = np.array([[[-5.0], [0], [50], [100], [300]]], np.float32).repeat(5, axis=0)
    crops = Crops(from_arrays([image], high=100.0), 5)
    np.testing.assert_allclose(crops.read(0, 0, 0)[0][0, :, 0], [0, 0, 0.5, 1, 1])


def test_the_grid_lies_edge_to_edge_inside_the_scenes():
    assert list(Crops(scenes(), 10).grid()) == [
        *((0, 0, 0), (0, 0, 10), (0, 0, 20), (0, 10, 0), (0, 10, 10), (0, 10, 20)),
        (1, 0, 0),  # 9 × 14: smaller than a crop, hence padded
        *((2, 0, 0), (2, 0, 10), (2, 10, 0), (2, 10, 10), (2, 20, 0), (2, 20, 10)),
    ]
    assert Crops(scenes(), 10).padded
    assert not Crops(scenes(), 9).padded
    assert Crops(scenes(), 9, downscale=2).padded


def test_random_places_lie_inside_and_reach_every_corner():
    crops = Crops(scenes(), 10)
    rng = np.random.default_rng(0)
    drawn = np.array([crops.draw(rng) for _ in range(4000)])
    for scene, (height, width) in enumerate(SIZES):
        places = drawn[drawn[:, 0] == scene, 1:]
        assert places.min(axis=0).tolist() == [0, 0]
        assert places.max(axis=0).tolist() == [max(0, height - 10), max(0, width - 10)]
    areas = np.array([h * w for h, w in SIZES])
    shares = np.bincount(drawn[:, 0]) / len(drawn)
    np.testing.assert_allclose(shares, areas / areas.sum(), atol=0.03)


def test_crops_are_kept_only_where_they_fit():
    bytes_needed = sum(h * w for h, w in SIZES) * 4 * 4  # 3 bands and the mask
    for cache_bytes, kept in ((bytes_needed, 3), (bytes_needed - 1, 0)):
        crops = Crops(scenes(), 5, masks=True, cache_bytes=cache_bytes)
        for scene in range(3):
            crops.read(scene, 0, 0)
        assert len(crops._kept) == kept


def test_crops_travel_to_other_processes_without_their_pixels():
    crops = Crops(scenes(), 5)
    pixels = crops.read(0, 3, 4)[0]
    again = pickle.loads(pickle.dumps(crops))
    assert not again._kept
    np.testing.assert_array_equal(again.read(0, 3, 4)[0], pixels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 1}, "at least 2 pixels; received crop=1"),
        ({"size": 4, "downscale": 0}, "downscale >= 1; received downscale=0"),
        (
            {"size": 4, "downscale": 10**9},
            "downscale of at most 23, the shorter side of the largest",
        ),
    ],
)
def test_crops_messages(arguments, message):
    with pytest.raises(InputError, match=message):
        Crops(scenes(), **arguments)


def test_masks_are_asked_of_a_set_that_has_some():
    with pytest.raises(InputError, match="masks in data set 'arrays'"):
        Crops(scenes(masks=False), 4, masks=True)
