"""Examples come from all over the data and from where the model is least sure."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from iic_tf.data.scene import IGNORE
from iic_tf.export.sheet import WINDOW, Panels, make_rows, windows_each
from iic_tf.training.examples import certainty, example_rows, seen_in
from iic_tf.training.picked import picked
from iic_tf.training.survey import NOTHING, View


def view(sure: float, label: int = 0, name: str = "a") -> View:
    labels = np.full((10, 10), label, np.uint8)
    rgb = np.zeros((10, 10, 3), np.uint8)
    truth = np.ones((10, 10), np.int64)
    return View(name, 40, 80, 1, rgb, labels, np.full((10, 10), sure, np.float32), truth)


def labelling(height: int, width: int) -> Any:
    """A scene reduced to a third, less sure from the left to the right but for its first column."""
    confidence = np.linspace(0.9, 0.5, width, dtype=np.float32)[None].repeat(height, 0)
    return SimpleNamespace(
        scene=SimpleNamespace(name="scene"),
        factor=3,
        rgb=np.zeros((height, width, 3), np.uint8),
        labels=np.zeros((height, width), np.int16),
        confidence=confidence,
        truth=np.zeros((height, width), np.int32),
    )


def test_picked_are_spread_and_then_the_least_sure_of_the_others() -> None:
    sure = [0.9, 0.2, 0.8, 0.7, 0.1, 0.95, float("nan"), 0.3, 0.99]
    # Evenly from those with data, 0 1 2 3 4 5 7 8.
    assert picked(sure, spread=3, unsure=2) == ([0, 4, 8], [1, 7])
    assert picked([0.5], 5, 3) == ([0], [])
    assert picked([float("nan")] * 2, 2, 1) == ([0, 1], [])


def test_rows_say_where_windows_lie_and_how_sure_the_model_is() -> None:
    views = [view(0.9, name=f"s{i}") for i in range(5)] + [view(0.5, 1, name="unsure")]
    views[1] = view(0.6, 1, name="s1")
    rows = example_rows(views, np.array([3, 2]))
    assert [name for name, *_ in rows][:2] == [
        "s0, from row 40, column 80",
        "s1, from row 40, column 80",
    ]
    assert rows[-1][0].endswith("s3, from row 40, column 80; among the least sure, 0.90 on average")
    assert (rows[0][2] == 3).all()
    assert (rows[1][2] == 2).all()
    assert rows[0][3] is not None
    # Clusters by number, and no data.
    (row,) = example_rows([view(0.9, NOTHING)])
    assert (row[2] == IGNORE).all()


def test_no_data_is_counted_and_not_taken_for_unsure() -> None:
    half = view(0.8)
    half.labels[:5] = NOTHING
    half.confidence[:5] = 0
    assert certainty(half) == pytest.approx(0.8)
    assert np.isnan(certainty(view(0.0, NOTHING)))
    seen = seen_in([half, view(0.6)])
    assert seen["windows"] == 2
    assert seen["no_data"] == 0.25
    assert seen["certainty"] == pytest.approx((50 * 0.8 + 100 * 0.6) / 150)
    assert seen_in([view(0.0, NOTHING)])["certainty"] is None


def test_a_large_scene_has_windows_from_all_over_and_of_the_least_sure() -> None:
    scene = labelling(1600, 1900)
    rows = make_rows(scene, Panels(seed=3, windows=7).of(scene))
    assert len(rows) == 8
    assert rows[0][0] == "scene"
    for _, rgb, found, truth in rows[1:]:
        assert truth is not None
        assert rgb.shape[:2] == found.shape == truth.shape == (WINDOW, WINDOW)
    corners = [
        tuple(map(int, name.split("row ")[1].split(";")[0].split(", column ")))
        for name, *_ in rows[1:]
    ]
    assert len(set(corners)) == 7
    # In the scene's own pixels: from its top to its bottom; the least sure lie at the right.
    tops = [top for top, _ in corners[:4]]
    assert min(tops) < 3 * 1600 // 4
    assert max(tops) > 3 * 1600 // 2
    assert all(left > 3 * 1900 * 0.6 for _, left in corners[4:])
    assert all("least sure" in name for name, *_ in rows[5:])
    assert [panel.told for panel in Panels(3, 7).of(scene)] == [r[0] for r in rows[1:]]
    assert [panel.told for panel in Panels(4, 7).of(scene)] != [r[0] for r in rows[1:]]


def test_a_small_scene_is_one_row() -> None:
    scene = labelling(500, 400)
    assert Panels(0, 7).of(scene) == ()
    assert len(make_rows(scene, ())) == 1
    assert [windows_each(n) for n in (1, 2, 8)] == [7, 3, 1]
