"""Pictures have the promised sizes and colours and bear odd input; no warning may leak."""

from __future__ import annotations

from math import log

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError
from iic_tf.pictures import (
    TripletRow,
    confidence_image,
    confusion_picture,
    label_image,
    loss_curves,
    overlay,
    palette,
    share_curves,
    to_rgb,
    triplet_sheets,
)
from iic_tf.pictures.text import shorten


def _row(height: int, width: int, masked: bool = True, k: int = 3) -> TripletRow:
    rng = np.random.default_rng(height * 1000 + width)
    rgb = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    prediction = rng.integers(0, k, (height, width))
    return f"{height} by {width}", rgb, prediction, prediction if masked else None


def _has(picture: Image.Image, colour: tuple[int, int, int], least: int = 30) -> bool:
    """Whether so many pixels are of the colour; a few may be from the edges of letters."""
    return int((np.asarray(picture) == colour).all(axis=-1).sum()) >= least


# Palette


def test_palette_colours_are_all_different() -> None:
    colours = palette(256)
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    assert len(np.unique(colours, axis=0)) == 256


def test_palette_starts_the_same_and_stands_apart() -> None:
    colours = palette(27).astype(int)
    assert np.array_equal(palette(1)[0], colours[0])
    distances = np.abs(colours[:, None] - colours[None]).sum(axis=-1)
    assert distances[np.triu_indices(27, 1)].min() >= 60
    # None reads as ignored, as paper or as grey.
    assert np.ptp(colours, axis=1).min() > 10


def test_palette_is_a_copy() -> None:
    palette(2)[:] = 0
    assert palette(2).any()


@pytest.mark.parametrize("k", [0, 257])
def test_palette_refuses(k: int) -> None:
    with pytest.raises(InputError, match="1 to 256"):
        palette(k)


# Labels


def test_label_image_by_hand() -> None:
    colours = palette(2)
    picture = label_image(np.array([[0, 1, IGNORE]]), colours)
    assert (picture.mode, picture.size) == ("RGB", (3, 1))
    assert np.asarray(picture)[0].tolist() == [*colours.tolist(), [0, 0, 0]]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.array([[2]]), "0 to 1, or -1; received 2"),
        (np.array([[-2]]), "received -2"),
        (np.array([0]), r"\[h, w\]"),
        (np.empty((0, 2), np.int64), r"\[h, w\]"),
    ],
)
def test_label_image_refuses(labels: NDArray[np.integer], message: str) -> None:
    with pytest.raises(InputError, match=message):
        label_image(labels, palette(2))


def test_overlay_mixes_and_stresses_borders() -> None:
    rgb = np.full((5, 8, 3), 100, np.uint8)
    labels = np.zeros((5, 8), np.int64)
    labels[:, 4:] = 1
    colours = np.array([[200, 0, 100], [0, 200, 100]], np.uint8)
    shown = np.asarray(overlay(rgb, labels, colours, 0.5))
    assert shown[2, 1].tolist() == [150, 50, 100]
    assert shown[2, 6].tolist() == [50, 150, 100]
    assert shown[2, 3].tolist() == [175, 25, 100]
    assert shown[2, 4].tolist() == [25, 175, 100]


def test_overlay_ends_of_strength_and_ignored() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (3, 4, 3), dtype=np.uint8)
    labels = np.array([[0, 1, 0, IGNORE]] * 3)
    colours = palette(2)
    assert np.array_equal(np.asarray(overlay(rgb, labels, colours, 0.0)), rgb)
    full = np.asarray(overlay(rgb, labels, colours, 1.0))
    assert np.array_equal(full[:, :3], colours[labels[:, :3]])
    assert np.array_equal(full[:, 3], rgb[:, 3])


def test_overlay_refuses() -> None:
    rgb, labels = np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.int64)
    with pytest.raises(InputError, match="0 to 1"):
        overlay(rgb, labels, palette(1), 1.5)
    with pytest.raises(InputError, match="RGB image of shape"):
        overlay(rgb[:1], labels, palette(1))


@pytest.mark.parametrize("k", [1, 2, 27])
@pytest.mark.parametrize("size", [(1, 1), (3, 500), (700, 2)])
def test_confidence_image_has_map_and_legend(size: tuple[int, int], k: int) -> None:
    shown = np.asarray(confidence_image(np.full(size, 1.0 / k, np.float32), k))
    assert shown.shape[0] > size[0]
    assert shown.shape[1] >= max(size[1], 200)
    if k > 1:
        # The darkest colour of viridis, in the middle of the first line.
        assert shown[0, (shown.shape[1] - 1) // 2].tolist() == [68, 1, 84]


def test_confidence_image_is_bright_where_certain() -> None:
    values = np.array([[0.5, 1.0, np.nan, 7.0, 0.0]] * 300).repeat(99, 1)
    shown = np.asarray(confidence_image(values, 2))
    assert shown[10, 10].tolist() == [68, 1, 84]
    assert shown[10, 150].tolist() == shown[10, 390].tolist() == [253, 231, 36]
    # No data.
    assert shown[10, 250].tolist() == shown[10, 450].tolist() == [150, 150, 150]


def test_the_scale_of_confidence_follows_what_is_there() -> None:
    # Between 0.90 and 0.98 of 1/2 to 1: on a fixed scale all of it was one yellow.
    values = np.linspace(0.90, 0.98, 500)[None].repeat(300, 0)
    shown = np.asarray(confidence_image(values, 2)).astype(int)
    assert np.abs(shown[10, 5] - shown[10, 494]).sum() > 300
    # A map without differences is one colour.
    even = np.asarray(confidence_image(np.full((300, 500), 0.9), 2))
    assert (even[:300] == even[0, 0]).all()


def test_confidence_image_refuses() -> None:
    with pytest.raises(InputError, match="at least 1 cluster"):
        confidence_image(np.ones((1, 1)), 0)
    with pytest.raises(InputError, match=r"\[h, w\]"):
        confidence_image(np.ones((1, 1, 3)), 2)


# RGB


def test_to_rgb_picks_bands_and_clips() -> None:
    image = np.array([[[0.0, 0.2, 1.0, 2.0], [np.nan, -1.0, 0.5, 1.0]]], np.float32)
    shown = to_rgb(image, (3, 1, 0))
    assert shown.dtype == np.uint8
    assert shown.tolist() == [[[255, 51, 0], [255, 0, 0]]]
    assert to_rgb(image[..., :1], (0, 0, 0)).shape == (1, 2, 3)


def test_to_rgb_stretches_gently() -> None:
    ramp = np.linspace(0.1, 0.5, 1000).reshape(10, 100, 1).repeat(3, -1)
    shown = to_rgb(ramp, stretch=True)
    assert shown.min() == 0
    assert shown.max() == 255
    # Noise in an even image stays small.
    noise = 0.5 + np.random.default_rng(0).uniform(-0.005, 0.005, (20, 20, 3))
    assert np.ptp(to_rgb(noise, stretch=True)) < 20
    for value in (0.0, 1.0):
        even = to_rgb(np.full((1, 1, 3), value), stretch=True)
        assert even.shape == (1, 1, 3)


@pytest.mark.parametrize("bands", [(0, 1, 3), (-1, 0, 1)])
def test_to_rgb_refuses(bands: tuple[int, int, int]) -> None:
    with pytest.raises(InputError, match="three bands of 0 to 2"):
        to_rgb(np.zeros((2, 2, 3)), bands)
    with pytest.raises(InputError, match="an image"):
        to_rgb(np.zeros((2, 2)))


# Sheets


def test_triplet_sheet_shows_every_part() -> None:
    colours = palette(3)
    name, rgb, prediction, truth = _row(40, 60)
    assert truth is not None
    truth = truth.copy()
    truth[:20] = IGNORE
    (sheet,) = triplet_sheets([(name, rgb, prediction, truth)], ["a", "b", "c"], colours)
    assert (sheet.mode, sheet.width) == ("RGB", 1200)
    pixels = np.asarray(sheet)
    panel = (1200 - 4 * 12) // 3
    top = 12 + 28 + 28
    height = int(panel * 40 / 60)
    # The middles of corner pixels of the three panels.
    assert pixels[top + 3, 12 + panel + 12 + 3].tolist() == colours[prediction[0, 0]].tolist()
    assert pixels[top + 3, 3 * 12 + 2 * panel + 3].tolist() == [0, 0, 0]
    low = top + height - 3
    assert pixels[low, 3 * 12 + 2 * panel + 3].tolist() == colours[truth[-1, 0]].tolist()
    assert pixels[low, 12 + 3].tolist() == rgb[-1, 0].tolist()


def test_triplet_sheet_says_where_there_is_no_mask() -> None:
    names = ["a", "b", "c"]
    (mixed,) = triplet_sheets([_row(30, 30), _row(30, 30, masked=False)], names, palette(3))
    assert _has(mixed, (205, 205, 205), 10_000)
    assert not _has(triplet_sheets([_row(30, 30)], names, palette(3))[0], (205, 205, 205), 10_000)


def test_triplet_sheet_leaves_the_truth_out_where_no_image_has_one() -> None:
    names = ["a", "b", "c"]
    (with_truth,) = triplet_sheets([_row(30, 30)], names, palette(3))
    (without,) = triplet_sheets([_row(30, 30, masked=False)], names, palette(3))
    assert not _has(without, (205, 205, 205), 10_000)
    assert without.width == with_truth.width
    assert without.height > with_truth.height  # two larger panels instead of three


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (900, 1), (7, 13), (333, 1001)])
@pytest.mark.parametrize("width", [300, 1201])
def test_triplet_sheet_bears_odd_sizes(size: tuple[int, int], width: int) -> None:
    rows = [_row(*size, k=27), _row(*size, masked=False, k=27)]
    names = [f"class with a rather long name, number {index} " * 3 for index in range(27)]
    for sheet in triplet_sheets(rows, names, palette(27), width):
        assert sheet.width == width
        assert sheet.height < min(2000, 6 * width)


def test_triplet_sheet_refuses() -> None:
    name, rgb, prediction, _ = _row(4, 5)
    with pytest.raises(InputError, match="at least one row"):
        triplet_sheets([], ["a"], palette(1))
    with pytest.raises(InputError, match="300 to 1999"):
        triplet_sheets([_row(4, 5)], ["a", "b", "c"], palette(3), 299)
    with pytest.raises(InputError, match="colours of shape"):
        triplet_sheets([_row(4, 5)], ["a", "b"], palette(3))
    with pytest.raises(InputError, match="pixels of '4 by 5'"):
        triplet_sheets([(name, rgb, prediction[:2], None)], ["a", "b", "c"], palette(3))


def test_shorten() -> None:
    assert shorten("a  b\nc", 5) == "a b c"
    assert shorten("abcdef", 4) == "abc…"
    assert shorten("abc def", 5) == "abc…"
    assert shorten("abc", 0) == "…"


# Charts


@pytest.mark.parametrize("k", [1, 2, 6, 12, 27])
def test_confusion_picture_of_any_number_of_classes(k: int) -> None:
    matrix = np.random.default_rng(k).integers(0, 10**9, (k, k))
    matrix[0] = 0
    names = [f"a ${'long ' * index}$ _name_ {index}" for index in range(k)]
    picture = confusion_picture(matrix, names, "50 % of $x^2$ " * 30)
    assert picture.mode == "RGB"
    assert 400 < picture.width < 2000
    assert 200 < picture.height < 2000


def test_confusion_picture_is_dark_on_the_diagonal() -> None:
    picture = confusion_picture(np.diag([3, 5]), ["a", "b"], "perfect")
    assert _has(picture, (8, 48, 107))
    assert not _has(confusion_picture(np.zeros((2, 2), int), ["a", "b"], "empty"), (8, 48, 107))


def test_confusion_picture_refuses() -> None:
    with pytest.raises(InputError, match=r"shape \(2, 2\)"):
        confusion_picture(np.ones((2, 3), int), ["a", "b"], "")


@pytest.mark.parametrize("count", [1, 2, 100])
def test_loss_curves(count: int) -> None:
    values = np.linspace(-0.1, -1.5, count).tolist()
    series = {
        "head A": values,
        "head B": [*values[:-1], float("nan")],
        "_$c": [v - 0.3 for v in values],
    }
    bounds = {"head A": -log(24), "head B": -log(6)}
    picture = loss_curves(range(count), series, bounds)
    assert picture.mode == "RGB"
    first = palette(1)[0].tolist()
    assert _has(picture, (first[0], first[1], first[2]))
    # Again from the same numbers: nothing global has changed.
    assert loss_curves(range(count), series, bounds).tobytes() == picture.tobytes()


def test_loss_curves_bear_odd_values() -> None:
    loss_curves([3], {"a": [float("inf")]}, {})
    loss_curves([0, 1], {"a": [0.0, 0.0]}, {"a": -0.0})
    loss_curves([0, 1], {"a": [-1e-9, 40.0]}, {"a": -1.2345})
    loss_curves([0, 1], {f"sub-head {i}": [-1.0, -2.0] for i in range(12)}, {})


def test_loss_curves_refuse() -> None:
    with pytest.raises(InputError, match="at least one epoch"):
        loss_curves([], {"a": []}, {})
    with pytest.raises(InputError, match="2 values of head 'a'"):
        loss_curves([0, 1], {"a": [0.0]}, {})
    with pytest.raises(InputError, match="bounds of the heads"):
        loss_curves([0], {"a": [0.0]}, {"b": -1.0})


@pytest.mark.parametrize("k", [1, 2, 27, 100])
@pytest.mark.parametrize("count", [1, 2, 30])
def test_share_curves(count: int, k: int) -> None:
    shares = np.random.default_rng(k).random((count, k)) + 0.01
    picture = share_curves(range(5, 5 + count), shares, "shares of $k$")
    assert picture.mode == "RGB"
    if k < 27:
        first = palette(1)[0].tolist()
        assert _has(picture, (first[0], first[1], first[2]))


@pytest.mark.parametrize(
    "shares",
    [np.ones((3, 2)), np.ones(2), np.array([[1.0, -1.0], [1.0, 1.0]]), np.zeros((2, 2))],
)
def test_share_curves_refuse(shares: NDArray[np.float64]) -> None:
    with pytest.raises(InputError):
        share_curves([0, 1], shares, "")
