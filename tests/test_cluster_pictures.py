"""Pictures of clustered images: sizes, colours where they must be, and odd input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import pixels_of, sure_of

from iic_tf.errors import InputError
from iic_tf.pictures import (
    circle_projection,
    confident_sheets,
    probability_bars,
)
from iic_tf.pictures.predictions import CHOSEN, OTHER, RIGHT, WRONG, thumbnail

GREY = 120


def _images(n: int, height: int = 8, width: int = 8, channels: int = 1) -> NDArray[np.uint8]:
    return np.full((n, height, width, channels), GREY, np.uint8)


# Thumbnails


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_thumbnail_of_any_number_of_channels(channels: int) -> None:
    image = np.zeros((5, 5, channels), np.uint8)
    image[..., 0] = 200
    shown = thumbnail(image, 40)
    assert (shown.mode, shown.size) == ("RGB", (40, 40))
    expected = (200, 200, 200) if channels < 3 else (200, 0, 0)
    assert shown.getpixel((20, 20)) == expected


@pytest.mark.parametrize("size", [(1, 1), (3, 300), (300, 3)])
def test_thumbnail_keeps_proportions(size: tuple[int, int]) -> None:
    shown = thumbnail(np.full((*size, 3), GREY, np.uint8), 40)
    assert shown.size == (40, 40)
    height, width = (max(1, round(40 * side / max(size))) for side in size)
    assert pixels_of(shown, (GREY,) * 3) == height * width


# The most confident images


def test_confident_sheet_shows_the_surest_first() -> None:
    images = _images(4)
    images[:, ..., 0] = np.array([10, 20, 30, 40])[:, None, None]
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    sheet = np.asarray(confident_sheets(images, p, most=2)[0])
    # The row of images runs through the middle of the first row's thumbnails.
    line = sheet[8 + 4 + 32]
    shown = [v for v in (10, 20, 30, 40) if (line == v).all(axis=-1).sum() >= 60]
    assert shown == [20, 40]
    first = {v: int((line == v).all(axis=-1).argmax()) for v in shown}
    assert first[20] < first[40]


def test_confident_sheet_frames_right_and_wrong() -> None:
    p = sure_of([0, 0, 1], 2)
    frame = 72**2 - 64**2
    (without,) = confident_sheets(_images(3), p)
    assert pixels_of(without, CHOSEN) >= 3 * frame
    assert not pixels_of(without, RIGHT) + pixels_of(without, WRONG)
    (matched,) = confident_sheets(_images(3), p, ["cat", "dog"], np.array([0, 1, 1]))
    # The legend has a swatch of each, smaller than a frame.
    assert 2 * frame < pixels_of(matched, RIGHT) < 3 * frame
    assert frame < pixels_of(matched, WRONG) < 2 * frame
    assert not pixels_of(matched, CHOSEN)
    (partly,) = confident_sheets(_images(3), p, ["cat", "dog"], np.array([0, -1, -1]))
    assert pixels_of(partly, RIGHT) >= frame
    assert pixels_of(partly, CHOSEN) >= 2 * frame
    assert pixels_of(partly, WRONG) < frame  # the legend's swatch alone


def test_confident_sheet_keeps_the_row_of_an_empty_cluster() -> None:
    (two,) = confident_sheets(_images(3), sure_of([0, 0, 0], 2))
    (three,) = confident_sheets(_images(3), sure_of([0, 0, 0], 3))
    assert three.width == two.width
    assert three.height > two.height


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("k", [1, 40])
def test_sheets_bear_odd_numbers(k: int, channels: int) -> None:
    images = _images(30, 5, 9, channels)
    p = sure_of([i % k for i in range(30)], k)
    names = [f"class with a $rather$ long\nname, number {i} " * 3 for i in range(k)]
    truth = np.array([(i + i // 7) % k for i in range(30)], np.int32)
    for given in (None, truth):
        sheets = confident_sheets(images, p, names, given)
        assert len(sheets) == (1 if k == 1 else 2)
        assert all(sheet.width < 1200 for sheet in sheets)
        assert sum(sheet.height for sheet in sheets) < 100 * k + 200
        assert probability_bars(images, p, names, given).width < 1300
        assert circle_projection(p, names, given, "a title " * 30).size == (320, 320)


# Bars


def test_probability_bars_colour_truth_and_prediction() -> None:
    p = sure_of([0, 0], 3)
    bare = probability_bars(_images(2), p)
    assert pixels_of(bare, CHOSEN) > 1000
    assert pixels_of(bare, OTHER) > 50
    assert not pixels_of(bare, RIGHT) + pixels_of(bare, WRONG)
    right = probability_bars(_images(2), p, ["a", "b", "c"], np.array([0, 0]))
    wrong = probability_bars(_images(2), p, ["a", "b", "c"], np.array([1, 1]))
    assert pixels_of(right, RIGHT) > pixels_of(wrong, WRONG) - 200 > 1000
    # A true class of next to no probability is marked all the same.
    assert pixels_of(wrong, RIGHT) > 200
    assert not pixels_of(wrong, CHOSEN)


def test_probability_bars_of_many_clusters_show_the_likeliest_and_the_true_one() -> None:
    p = sure_of([70], 100)
    picture = probability_bars(_images(1), p, truth=np.array([99]), most=5)
    assert picture.height < 200
    assert pixels_of(picture, WRONG) > 500
    assert pixels_of(picture, RIGHT) > 20


def test_probability_bars_stand_side_by_side() -> None:
    p = sure_of([0] * 4, 2)
    one = probability_bars(_images(4), p, columns=1)
    two = probability_bars(_images(4), p, columns=2)
    assert two.width > 1.8 * one.width
    assert two.height < 0.7 * one.height


# What all of them refuse


@pytest.mark.parametrize("draw", [confident_sheets, probability_bars])
def test_sheets_refuse_what_does_not_fit(draw: Any) -> None:
    p = sure_of([0, 1], 2)
    for images in (_images(3), _images(2)[..., 0], _images(2).astype(np.float32), _images(2)[:0]):
        with pytest.raises(InputError, match="images as uint8"):
            draw(images, p)
    with pytest.raises(InputError, match="2 names"):
        draw(_images(2), p, ["a"])
    with pytest.raises(InputError, match="a truth for each of 2"):
        draw(_images(2), p, None, np.array([0]))
    for wrong in (2, -2):
        with pytest.raises(InputError, match="a truth of 0 to 1"):
            draw(_images(2), p, None, np.array([0, wrong]))
    with pytest.raises(InputError, match=r"Expected [12] to"):
        draw(_images(2), p, most=0)
    for bad in (np.nan, -0.1, 0.2, np.inf):
        unfit = p.copy()
        unfit[1, 0] = bad
        with pytest.raises(InputError, match="in row 1"):
            draw(_images(2), unfit)
        with pytest.raises(InputError, match="in row 1"):
            circle_projection(unfit)
    with pytest.raises(InputError, match=r"probabilities \[n, k\]"):
        draw(_images(2), p[0])
    with pytest.raises(InputError, match="1 to 5 columns"):
        probability_bars(_images(2), p, columns=0)
