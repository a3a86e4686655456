"""k-means of what nobody learned: pixels, statistics, dense SIFT; and SIFT against plain loops."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from contract_runs import arguments
from made_up import noise, noise_pairs

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.models.dense_sift import dense_sift, oriented, sift_normalise
from iic_tf.models.kmeans import KMeansSegmenter
from iic_tf.models.local_statistics import local_statistics
from iic_tf.training.methods.kmeans import KMeansSegmentation
from iic_tf.training.run import Run


def test_normalising_by_hand() -> None:
    vector = np.array([6.0, 1, 1, 1], np.float32)
    unit = vector / np.sqrt(39)
    np.testing.assert_allclose(unit, [0.96076892, *[0.16012815] * 3], atol=1e-7)
    expected = [0.58489765, 0.46829291, 0.46829291, 0.46829291]
    np.testing.assert_allclose(sift_normalise(vector), expected, atol=1e-6)
    np.testing.assert_array_equal(sift_normalise(np.zeros(4, np.float32)), np.zeros(4))


def plain_sift(grey: Any, cell: int, row: int, column: int) -> Any:
    """One descriptor, pixel by pixel."""
    height, width = grey.shape
    bins = np.zeros((4, 4, 8))
    # The middle of the place, between pixels where the cell is even.
    y, x = cell * row + (cell - 1) / 2, cell * column + (cell - 1) / 2
    for r in range(height):
        for c in range(width):
            down = (grey[min(r + 1, height - 1), c] - grey[max(r - 1, 0), c]) / 2
            right = (grey[r, min(c + 1, width - 1)] - grey[r, max(c - 1, 0)]) / 2
            turn = (math.atan2(down, right) / (math.pi / 4)) % 8
            first = int(turn) % 8
            for i in range(4):
                for j in range(4):
                    off_y = abs(r - (y + (i - 1.5) * cell)) / cell
                    off_x = abs(c - (x + (j - 1.5) * cell)) / cell
                    weight = max(0, 1 - off_y) * max(0, 1 - off_x) * math.hypot(down, right)
                    bins[i, j, first] += weight * (1 - (turn - int(turn)))
                    bins[i, j, (first + 1) % 8] += weight * (turn - int(turn))
    steps = np.arange(4) - 1.5
    window = np.exp(-(steps[:, None] ** 2 + steps**2) / 8)
    found = (bins * window[..., None]).ravel()
    found = np.minimum(found / max(np.linalg.norm(found), 1e-3), 0.2)
    return found / max(np.linalg.norm(found), 1e-6)


@pytest.mark.parametrize("cell", [3, 4])
def test_descriptors_are_those_of_plain_loops(cell: int) -> None:
    x = noise(1, 14, 21, 4)
    found = np.asarray(dense_sift(x, cell))[0]
    rows, columns = -(-14 // cell), -(-21 // cell)
    assert found.shape == (rows, columns, 128)
    for row, column in ((0, 0), (1, 2), (rows - 1, columns - 1)):
        expected = plain_sift(x[0, ..., :3].mean(-1, dtype=np.float64), cell, row, column)
        np.testing.assert_allclose(found[row, column], expected, atol=2e-4)


def test_orientations_turn_clockwise_from_the_right_and_even_places_are_zero() -> None:
    y, x = np.mgrid[0:9, 0:9] / 20.0
    for number in range(8):
        turn = number * math.pi / 4
        ramp = (0.5 + x * math.cos(turn) + y * math.sin(turn)).astype(np.float32)
        sizes = np.asarray(oriented(ramp[None]))[0, 4, 4]
        assert sizes.argmax() == number
        np.testing.assert_allclose(sizes.sum(), 1 / 20, rtol=1e-3)
        np.testing.assert_allclose(sizes[number], 1 / 20, rtol=1e-2)
    assert not np.asarray(dense_sift(np.full((1, 8, 8, 3), 0.4, np.float32), 4)).any()


@pytest.mark.parametrize("kind", ["pixels", "statistics", "sift"])
def test_centres_are_of_the_features_asked_for(kind: str) -> None:
    model = KMeansSegmenter(2, 4, channels=3, sample=400, starts=1, crops=6, kind=kind)
    pairs = noise_pairs(batch=3, steps=1)
    model.compile()
    model.before_epoch(pairs, 0)
    x = pairs[0]["x"]
    wanted = {"pixels": lambda v: v, "statistics": local_statistics}.get(
        kind, lambda v: dense_sift(v, 4)
    )
    features = np.asarray(wanted(x))
    np.testing.assert_allclose(model.features(x), features, atol=1e-6)
    z = np.asarray(model.scaled(features))
    if kind != "statistics":
        # Proportions are kept: one factor for all.
        spread = features.reshape(-1, features.shape[-1])
        apart = np.linalg.norm(spread[0] - spread[1:9], axis=1)
        ours = np.linalg.norm(z.reshape(spread.shape)[0] - z.reshape(spread.shape)[1:9], axis=1)
        np.testing.assert_allclose(ours / apart, (ours / apart)[0], rtol=1e-3)
    centres = np.asarray(model.heads["main"].centres)
    nearest = ((z[..., None, :] - centres) ** 2).sum(-1).argmin(-1)
    small = np.asarray(model.small_maps(features, "main", False)[0])
    np.testing.assert_array_equal(small.argmax(-1), nearest)
    again = KMeansSegmenter.from_config(model.get_config())
    assert (again.kind, again.trunk.stride) == (kind, 4 if kind == "sift" else 1)


@pytest.mark.parametrize("features", ["sift", "statistics"])
def test_runs_export_what_keras_computes(features: str, tmp_path: Path, capsys: Any) -> None:
    given = arguments(tmp_path, "kmeans", "segmentation", tmp_path / "run")
    assert main([*given, "--set", f"features={features}"]) == 0
    assert main(["export", str(Run.open(tmp_path / "run").folder), "--format", "onnx"]) == 0
    shown = capsys.readouterr().out
    assert f"features of {features}" in shown
    difference = shown.partition("largest difference from the Keras model: ")[2]
    assert float(difference.split()[0]) < 1e-4


def test_what_does_not_go_together_is_refused() -> None:
    with pytest.raises(InputError, match="no --trunk with features sift; received trunk='vgg11'"):
        KMeansSegmentation().replaced(features="sift", trunk="vgg11")
    with pytest.raises(InputError, match="inputs bands of features pixels"):
        KMeansSegmenter(2, 4, channels=3, kind="pixels", inputs="sobel")
    with pytest.raises(InputError, match="one of pixels, statistics, sift"):
        KMeansSegmenter(2, 4, channels=3, kind="magic")
    assert KMeansSegmentation().replaced(features="pixels", inputs="sobel").seen == "bands"
