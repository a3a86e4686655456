"""No picture is 2,000 pixels or more on a side, whatever there is to show; and pages are files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from pictured import sure_of
from PIL import Image

from iic_tf.errors import InputError
from iic_tf.metrics.cluster_tree import cluster_tree
from iic_tf.pictures import (
    circle_projection,
    confidence_image,
    confident_sheets,
    confusion_picture,
    joint_picture,
    loss_curves,
    palette,
    probability_bars,
    share_curves,
    triplet_sheets,
)
from iic_tf.pictures.label_curves import Panel, Series, label_curves
from iic_tf.pictures.size import MOST, pages_of
from iic_tf.pictures.tree_picture import tree_picture
from iic_tf.training.picture_pages import page_paths, write_pages

MANY = 250
NAMES = [f"a class whose name is long, number {i}, " * 3 for i in range(MANY)]


def _rows(count: int, height: int, width: int) -> list:
    labels = np.arange(height * width).reshape(height, width) % MANY
    rgb = np.zeros((height, width, 3), np.uint8)
    return [(f"scene {i} " * 40, rgb, labels, labels) for i in range(count)]


def _tree() -> Image.Image:
    joint = np.random.default_rng(0).random((MANY, MANY))
    return tree_picture(cluster_tree(joint + joint.T), NAMES)


def _series(count: int) -> dict[str, list[float]]:
    return {f"sub-head {i}": [-1.0, -2.0] for i in range(count)}


PICTURES: dict[str, Callable[[], Image.Image | Sequence[Image.Image]]] = {
    "tall scenes": lambda: triplet_sheets(_rows(12, 900, 30), NAMES, palette(MANY)),
    "wide scenes": lambda: triplet_sheets(_rows(30, 30, 900), NAMES, palette(MANY), MOST),
    "many images": lambda: confident_sheets(
        np.zeros((300, 8, 8, 3), np.uint8), sure_of([i % MANY for i in range(300)], MANY), NAMES
    ),
    "long rows": lambda: confident_sheets(
        np.zeros((300, 8, 8, 3), np.uint8), sure_of([0] * 300, 2), most=23
    ),
    "confusion": lambda: confusion_picture(np.eye(MANY, dtype=int), NAMES, "a title " * 50),
    "confusion of 60": lambda: confusion_picture(np.eye(60, dtype=int), NAMES[:60], ""),
    "tree": _tree,
    "losses": lambda: loss_curves([1, 2], _series(40), {}),
    "shares": lambda: share_curves(range(500), np.ones((500, MANY)), "a title " * 50),
    "joint": lambda: joint_picture(np.eye(MANY), "a title " * 50),
    "bars": lambda: probability_bars(
        np.zeros((24, 8, 8, 3), np.uint8), sure_of([0] * 24, MANY), NAMES, most=12
    ),
    "circle": lambda: circle_projection(sure_of([0] * 9, 40), NAMES[:40], side=MOST),
    "wide map": lambda: confidence_image(np.full((30, 5000), 0.7), 2),
    "tall map": lambda: confidence_image(np.full((5000, 30), 0.7), MANY),
    "square map": lambda: confidence_image(np.full((2500, 2500), 0.7), 2),
    "label counts": lambda: label_curves(
        *[Panel("share", [Series("one " * 50, [0.1, 1.0], [0.5, 0.6])]) for _ in range(6)]
    ),
}


@pytest.mark.parametrize("name", PICTURES)
def test_no_side_reaches_2000_pixels(name: str) -> None:
    found = PICTURES[name]()
    for picture in [found] if isinstance(found, Image.Image) else found:
        assert max(picture.size) < 2000, picture.size


def test_all_rows_are_on_some_page() -> None:
    rows = _rows(12, 30, 30)
    for index, (_, rgb, _, _) in enumerate(rows):
        rows[index] = (f"{index}", np.full_like(rgb, 10 * index + 5), *rows[index][2:])
    pages = triplet_sheets(rows, NAMES, palette(MANY))
    # The middle of the first panel, from the top down.
    seen = [v for page in pages for v in np.asarray(page)[:, 200, 0].tolist()]
    assert [seen.count(10 * index + 5) > 100 for index in range(12)] == [True] * 12
    assert len(pages) > 1


def test_a_legend_without_room_says_how_many_are_left_out() -> None:
    small = [(name, rgb, labels % 8, None) for name, rgb, labels, _ in _rows(1, 8, 8)]
    few = triplet_sheets(small, NAMES[:8], palette(8))[0]
    many = triplet_sheets(_rows(1, 8, 8), NAMES, palette(MANY))[0]
    assert few.height < many.height < 2000
    # What occurs is named, although there are more than can be.
    labels = np.full((8, 8), MANY - 1)
    shown = triplet_sheets(
        [("", np.zeros((8, 8, 3), np.uint8), labels, None)], NAMES, palette(MANY)
    )[0]
    legend = np.asarray(shown)[700:]
    assert (legend == palette(MANY)[-1]).all(-1).sum() > 100


@pytest.mark.parametrize(
    ("heights", "pages"),
    [([], 1), ([10], 1), ([10, 10, 10, 10], 2), ([10, 10, 10, 10, 10], 2), ([99], 1), ([5, 99], 2)],
)
def test_pages_are_as_few_and_even_as_they_can_be(heights: list[int], pages: int) -> None:
    found = pages_of(heights, 30)
    assert len(found) == pages
    assert [h for page in found for h in heights[page]] == heights
    if heights == [10, 10, 10, 10]:
        assert [len(heights[page]) for page in found] == [2, 2]


def test_too_many_images_for_bars_are_refused() -> None:
    with pytest.raises(InputError, match="at most 42 images in 3 columns"):
        probability_bars(np.zeros((60, 8, 8, 3), np.uint8), sure_of([0] * 60, 2))


def test_pages_of_before_go(tmp_path: Path) -> None:
    pages = [Image.new("RGB", (4, 4), colour) for colour in ("red", "green", "blue")]
    path = tmp_path / "sheet.png"
    (tmp_path / "sheet-9.png").write_bytes(b"the user's")
    assert [p.name for p in write_pages(path, pages)] == ["sheet.png", "sheet-2.png", "sheet-3.png"]
    assert write_pages(path, pages[:1]) == [path] == page_paths(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["sheet-9.png", "sheet.png"]
