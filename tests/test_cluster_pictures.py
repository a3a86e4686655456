"""Pictures of clustered images: sizes, colours where they must be, and odd input."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.image_set import ImageSet
from iic_tf.errors import InputError
from iic_tf.pictures import (
    animation,
    circle_projection,
    confident_sheet,
    joint_picture,
    palette,
    probability_bars,
)
from iic_tf.pictures.predictions import CHOSEN, OTHER, RIGHT, WRONG, thumbnail
from iic_tf.training import circle
from iic_tf.training.cluster_sample import cluster_sample
from iic_tf.training.run import Run
from iic_tf.views.image_view import ImageView

GREY = 120


def _images(n: int, height: int = 8, width: int = 8, channels: int = 1) -> NDArray[np.uint8]:
    return np.full((n, height, width, channels), GREY, np.uint8)


def _sure(clusters: list[int], k: int, sure: float = 0.9) -> NDArray[np.float64]:
    """Probabilities of images that are each so sure of one of k clusters."""
    if k == 1:
        return np.ones((len(clusters), 1))
    p = np.full((len(clusters), k), (1 - sure) / (k - 1))
    p[np.arange(len(clusters)), clusters] = sure
    return p


def _count(picture: Image.Image, colour: tuple[int, ...]) -> int:
    return int((np.asarray(picture) == colour).all(axis=-1).sum())


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
    assert _count(shown, (GREY,) * 3) == height * width


# The most confident images


def test_confident_sheet_shows_the_surest_first() -> None:
    images = _images(4)
    images[:, ..., 0] = np.array([10, 20, 30, 40])[:, None, None]
    p = np.array([[0.6, 0.4], [0.9, 0.1], [0.2, 0.8], [0.7, 0.3]])
    sheet = np.asarray(confident_sheet(images, p, most=2))
    # The row of images runs through the middle of the first row's thumbnails.
    line = sheet[8 + 4 + 32]
    shown = [v for v in (10, 20, 30, 40) if (line == v).all(axis=-1).sum() >= 60]
    assert shown == [20, 40]
    first = {v: int((line == v).all(axis=-1).argmax()) for v in shown}
    assert first[20] < first[40]


def test_confident_sheet_frames_right_and_wrong() -> None:
    p = _sure([0, 0, 1], 2)
    frame = 72**2 - 64**2
    without = confident_sheet(_images(3), p)
    assert _count(without, CHOSEN) >= 3 * frame
    assert not _count(without, RIGHT) + _count(without, WRONG)
    matched = confident_sheet(_images(3), p, ["cat", "dog"], np.array([0, 1, 1]))
    # The legend has a swatch of each, smaller than a frame.
    assert 2 * frame < _count(matched, RIGHT) < 3 * frame
    assert frame < _count(matched, WRONG) < 2 * frame
    assert not _count(matched, CHOSEN)
    partly = confident_sheet(_images(3), p, ["cat", "dog"], np.array([0, -1, -1]))
    assert _count(partly, RIGHT) >= frame
    assert _count(partly, CHOSEN) >= 2 * frame
    assert _count(partly, WRONG) < frame  # the legend's swatch alone


def test_confident_sheet_keeps_the_row_of_an_empty_cluster() -> None:
    two = confident_sheet(_images(3), _sure([0, 0, 0], 2))
    three = confident_sheet(_images(3), _sure([0, 0, 0], 3))
    assert three.width == two.width
    assert three.height > two.height


@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("k", [1, 40])
def test_sheets_bear_odd_numbers(k: int, channels: int) -> None:
    images = _images(30, 5, 9, channels)
    p = _sure([i % k for i in range(30)], k)
    names = [f"class with a $rather$ long\nname, number {i} " * 3 for i in range(k)]
    truth = np.array([(i + i // 7) % k for i in range(30)], np.int32)
    for given in (None, truth):
        sheet = confident_sheet(images, p, names, given)
        assert sheet.width < 1200
        assert sheet.height < 100 * k + 100
        assert probability_bars(images, p, names, given).width < 1300
        assert circle_projection(p, names, given, "a title " * 30).size == (320, 320)


# Bars


def test_probability_bars_colour_truth_and_prediction() -> None:
    p = _sure([0, 0], 3)
    bare = probability_bars(_images(2), p)
    assert _count(bare, CHOSEN) > 1000
    assert _count(bare, OTHER) > 50
    assert not _count(bare, RIGHT) + _count(bare, WRONG)
    right = probability_bars(_images(2), p, ["a", "b", "c"], np.array([0, 0]))
    wrong = probability_bars(_images(2), p, ["a", "b", "c"], np.array([1, 1]))
    assert _count(right, RIGHT) > _count(wrong, WRONG) - 200 > 1000
    # A true class of next to no probability is marked all the same.
    assert _count(wrong, RIGHT) > 200
    assert not _count(wrong, CHOSEN)


def test_probability_bars_of_many_clusters_show_the_likeliest_and_the_true_one() -> None:
    p = _sure([70], 100)
    picture = probability_bars(_images(1), p, truth=np.array([99]), most=5)
    assert picture.height < 200
    assert _count(picture, WRONG) > 500
    assert _count(picture, RIGHT) > 20


def test_probability_bars_stand_side_by_side() -> None:
    p = _sure([0] * 4, 2)
    one = probability_bars(_images(4), p, columns=1)
    two = probability_bars(_images(4), p, columns=2)
    assert two.width > 1.8 * one.width
    assert two.height < 0.7 * one.height


# The circle


def test_circle_projection_puts_points_where_they_belong() -> None:
    colours = [tuple(c) for c in palette(4).tolist()]
    sure = np.asarray(circle_projection(_sure([0, 1, 2, 3] * 5, 4, 1.0), side=300))
    ring = [np.argwhere((sure == c).all(axis=-1)).mean(axis=0) - 150 for c in colours]
    for (down, right), (x, y) in zip(ring, [(0, 1), (1, 0), (0, -1), (-1, 0)], strict=True):
        assert np.allclose([right, -down], 120 * np.array([x, y]), atol=25)
    undecided = np.asarray(circle_projection(np.full((3, 4), 0.25), side=300))
    assert tuple(undecided[150, 150]) == colours[0]


def test_circle_projection_is_coloured_by_truth() -> None:
    first, second = (tuple(c) for c in palette(2).tolist())
    p = np.full((1, 2), 0.5)
    for truth, colour in ((0, first), (1, second), (-1, (128, 128, 128))):
        shown = circle_projection(p, truth=np.array([truth]), side=300)
        assert shown.getpixel((150, 150)) == colour


@pytest.mark.parametrize("k", [1, 2, 70, 256])
def test_circle_projection_of_any_number_of_clusters(k: int) -> None:
    assert circle_projection(_sure(list(range(k)), k), side=160).size == (160, 160)


def test_circle_projection_refuses() -> None:
    with pytest.raises(InputError, match="160 pixels"):
        circle_projection(np.ones((1, 1)), side=159)
    with pytest.raises(InputError, match="1 to 256"):
        circle_projection(_sure([0], 257))


def test_animation_runs_and_is_small() -> None:
    rng = np.random.default_rng(0)
    found = rng.dirichlet(np.ones(10), (10, 500))
    frames = [circle_projection(p, title=f"epoch {i}") for i, p in enumerate(found)]
    content = animation(frames, 100)
    assert len(content) < 10 * 20_000
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, film.n_frames, film.size) == ("GIF", 10, (320, 320))
        assert film.info["loop"] == 0
        assert film.info["duration"] == 100
        film.seek(9)
        assert film.info["duration"] == 2000
        last = np.asarray(film.convert("RGB")).astype(int)
    # Colours are close to those of the frame, though few, and paper stays white.
    assert np.abs(last - np.asarray(frames[-1])).mean() < 1
    assert last[0, -1].tolist() == [255] * 3


def test_animation_of_equal_frames_and_of_one() -> None:
    frame = circle_projection(np.ones((1, 1)))
    for frames in ([frame], [frame] * 3):
        with Image.open(io.BytesIO(animation(frames))) as film:
            assert film.size == frame.size


def test_animation_refuses() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        animation([])
    with pytest.raises(InputError, match="one size"):
        animation([Image.new("RGB", (2, 2)), Image.new("RGB", (3, 2))])
    with pytest.raises(InputError, match="20 milliseconds"):
        animation([Image.new("RGB", (2, 2))], 19)


# What all of them refuse


@pytest.mark.parametrize("draw", [confident_sheet, probability_bars])
def test_sheets_refuse_what_does_not_fit(draw: Any) -> None:
    p = _sure([0, 1], 2)
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
    with pytest.raises(InputError, match="at least"):
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
    with pytest.raises(InputError, match="at least 1 column"):
        probability_bars(_images(2), p, columns=0)


# The joint


@pytest.mark.parametrize("k", [1, 2, 10, 70])
def test_joint_picture_of_any_number_of_clusters(k: int) -> None:
    picture = joint_picture(np.eye(k) * 7, "a _long_ $title$ " * 20)
    assert picture.mode == "RGB"
    assert 700 < picture.width < 1200
    assert 300 < picture.height < 800


def test_joint_picture_is_bright_on_the_diagonal_and_even_beside_it() -> None:
    bright, dark = (253, 231, 36), (68, 1, 84)
    shown = joint_picture(np.eye(4))
    cells = np.asarray(shown)[:, : shown.width // 2]
    lit, unlit = ((cells == c).all(axis=-1).sum() for c in (bright, dark))
    assert 0.8 < 3 * lit / unlit < 1.2
    # Of independent clusters both maps are one and the same colour.
    even = joint_picture(np.ones((4, 4)))
    assert _count(even, bright) > 1.8 * (lit + unlit)


@pytest.mark.parametrize(
    "joint",
    [np.ones((2, 3)), np.ones(2), np.zeros((2, 2)), np.array([[1.0, np.nan], [0, 1]]), -np.eye(2)],
)
def test_joint_picture_refuses(joint: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="a joint"):
        joint_picture(joint)


# The sample and its film


def _set(n: int) -> ImageSet:
    images = np.zeros((n, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return ImageSet("made up", images, np.arange(n, dtype=np.int32))


def test_sample_is_the_same_each_time_and_begins_alike() -> None:
    large, small = cluster_sample(_set(50), 20, 3), cluster_sample(_set(50), 5, 3)
    assert (len(large), len(small)) == (20, 5)
    assert np.array_equal(large.images[:5], small.images)
    assert large.labels is not None
    assert np.array_equal(large.images[:, 0, 0, 0], large.labels)
    assert len(np.unique(large.labels)) == 20
    assert len(cluster_sample(_set(3), 20, 3)) == 3


@pytest.mark.parametrize(("start", "epochs"), [(0, 3), (7, 2), (0, 21)])
def test_film_grows_by_an_epoch_and_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, epochs: int
) -> None:
    monkeypatch.setattr(circle, "FRAMES", 8)
    draws = np.random.default_rng(0)
    monkeypatch.setattr(
        circle,
        "predictor",
        lambda model: lambda images, view: draws.dirichlet(np.ones(3), (2, len(images))),
    )
    titles: list[str] = []
    draw = circle.circle_projection

    def noted(p: NDArray[np.floating], title: str) -> Image.Image:
        titles.append(title)
        return draw(p, title=title)

    monkeypatch.setattr(circle, "circle_projection", noted)
    film = circle.DrawCircle(Run(tmp_path), _set(10), ImageView(crops=(8,), size=8), 0)
    model = SimpleNamespace(chosen=0)
    film.set_model(model)
    film.on_train_begin()
    for epoch in range(start, start + epochs):
        film.on_epoch_begin(epoch)
        film.on_epoch_end(epoch)
        with Image.open(tmp_path / "pictures" / "circle.gif") as shown:
            assert shown.n_frames <= 8
            if epochs < 8:
                assert shown.n_frames == epoch - start + 2
    assert titles == [f"epoch {at}" for at in range(start, start + epochs + 1)]
    assert [at for at, _ in film.frames][-1] == start + epochs
    # Once another sub-head is chosen all frames are of that one.
    model.chosen = 1
    film.on_epoch_begin(start + epochs)
    film.on_epoch_end(start + epochs)
    assert {chosen for _, chosen in film.frames} == {1}
