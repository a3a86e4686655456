"""Pixels and histograms of gradients in place of a network: against loops, trained on, exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from contract_runs import arguments
from made_up import clustering_batch, noise, small_clusterer

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.networks.fixed_features import HOG, Pixels
from iic_tf.training.methods.iic import IICClustering
from iic_tf.training.methods.kmeans import KMeansSegmentation
from iic_tf.training.run import Run


def unit(block: Any) -> Any:
    return block / np.sqrt((block**2).sum() + 1e-10)


def hog_by_loops(image: Any, cell: int) -> Any:
    """Of one image `[height, width, channels]`, pixel by pixel."""
    height, width, channels = image.shape
    cells = np.zeros((height // cell, width // cell, 9))
    for y in range(height // cell * cell):
        for x in range(width // cell * cell):
            best = (0.0, 0.0)
            for c in range(channels):
                down = image[y + 1, x, c] - image[y - 1, x, c] if 0 < y < height - 1 else 0.0
                right = image[y, x + 1, c] - image[y, x - 1, c] if 0 < x < width - 1 else 0.0
                if np.hypot(down, right) > np.hypot(*best):
                    best = (down, right)
            # Orientations from 0 to 180 degrees, bins about 0 + 10, 20 + 10, ... of another start.
            angle = (np.degrees(np.arctan2(*best)) + 90) % 180
            place = angle / 20 - 0.5
            low = int(np.floor(place))
            for number, share in ((low, 1 - (place - low)), (low + 1, place - low)):
                cells[y // cell, x // cell, number % 9] += share * np.hypot(*best)
    found = []
    for y in range(len(cells) - 1):
        for x in range(cells.shape[1] - 1):
            block = np.concatenate([cells[y + i, x + j] for i in (0, 1) for j in (0, 1)])
            found.append(unit(np.minimum(unit(block), 0.2)))
    return np.concatenate(found)


@pytest.mark.parametrize(("shape", "cell"), [((13, 9, 1), 4), ((16, 16, 3), 4), ((40, 48, 2), 5)])
def test_hog_is_that_of_loops(shape: Any, cell: int) -> None:
    images = noise(2, *shape)
    layer = HOG()
    found = np.asarray(layer(images))
    assert found.shape == layer.compute_output_shape((2, *shape))
    for image, row in zip(images, found, strict=True):
        np.testing.assert_allclose(row, hog_by_loops(image.astype(np.float64), cell), atol=1e-4)


def test_an_image_of_one_colour_has_no_gradients() -> None:
    np.testing.assert_array_equal(HOG()(np.full((1, 12, 12, 3), 0.4, np.float32)), 0)
    with pytest.raises(InputError, match="at least 8 pixels for hog; received size='7×9'"):
        HOG()(np.zeros((1, 7, 9, 1), np.float32))


def test_pixels_are_themselves() -> None:
    x = noise(2, 3, 4, 5)
    np.testing.assert_array_equal(Pixels()(x), x.reshape(2, 60))


def test_heads_learn_on_what_learns_nothing() -> None:
    model = small_clusterer(size=16, trunk="hog")
    model.compile()
    assert set(model.parts()) == {"main", "overclustering"}
    before = [np.copy(v) for part in model.parts().values() for v in part]
    logs = model.train_step(clustering_batch(4, 2, size=16))
    assert tf.math.is_finite(logs["loss"])
    after = [np.copy(v) for part in model.parts().values() for v in part]
    assert any(np.any(a != b) for a, b in zip(before, after, strict=True))
    assert IICClustering(trunk="hog").taken_turns == ("both",)
    with pytest.raises(InputError, match="the trunk hog, which is never trained"):
        IICClustering(trunk="hog", fine_tune_trunk=True)
    with pytest.raises(InputError, match="a trunk, one of c, vgg11, patches"):
        KMeansSegmentation(trunk="hog").build(3)


def test_k_means_on_hog_is_trained_and_exported(tmp_path: Path, capsys: Any) -> None:
    run = Run(tmp_path / "run")
    given = arguments(tmp_path, "kmeans", "clustering", run.folder)
    assert main([*given, "--trunk", "hog"]) == 0
    assert "trunk hog, which learns nothing" in capsys.readouterr().out
    assert main(["export", str(run.folder), "--format", "onnx"]) == 0
    said = capsys.readouterr().out.partition("largest difference from the Keras model: ")[2]
    assert float(said.split()[0]) < 1e-4
