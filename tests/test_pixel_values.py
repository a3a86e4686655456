"""What k-means is given: local statistics and a trunk's features, of parts as of the whole."""

from typing import Any

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

from iic_tf.data.scene import SceneSet
from iic_tf.data.scenes import load_scenes
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.training.kmeans_labeller import KMeansLabeller
from iic_tf.training.pixel_values import COMPONENTS, Colours, Statistics, TrunkFeatures


@pytest.fixture(scope="module")
def scenes() -> SceneSet:
    return load_scenes(2, 64)


@pytest.fixture(scope="module")
def model() -> IICSegmenter:
    keras.utils.set_random_seed(0)
    image = keras.Input((None, None, 4))
    fine = keras.layers.Conv2D(6, 3, 4, "same")(image)
    network = keras.Model(image, [fine, keras.layers.Conv2D(5, 3, 2, "same")(fine)])
    return IICSegmenter(3, 6, 4, radius=1, trunk=network)


def kinds(model: IICSegmenter) -> list[Any]:
    return [Colours(), Statistics(), TrunkFeatures(model)]


def image(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((96, 96, 4), np.float32)


def test_values_of_a_part_are_those_of_the_whole(model: IICSegmenter) -> None:
    for values in kinds(model):
        whole = values.of(image())
        begin = -(-32 // values.align) * values.align
        part = values.of(image()[begin:, begin:])
        reach = -(-values.radius // values.stride)
        assert whole.shape[:2] == (-(-96 // values.stride),) * 2
        offset = begin // values.stride
        np.testing.assert_allclose(
            part[reach:, reach:], whole[offset + reach :, offset + reach :], atol=2e-6
        )


def test_features_are_standardised_and_statistics_are_principal_components(
    model: IICSegmenter,
) -> None:
    features, statistics = TrunkFeatures(model), Statistics()
    rows = features.of(image()).reshape(-1, model.trunk.features)
    scaled = features.fit(rows)
    np.testing.assert_allclose(scaled.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(scaled.std(0), 1, atol=1e-4)
    found = statistics.fit(statistics.of(image()).reshape(-1, 28))
    assert found.shape[1] == COMPONENTS
    # Uncorrelated, the largest first.
    spread = np.cov(found.T)
    assert np.abs(spread - np.diag(np.diag(spread))).max() < 1e-3 * spread[0, 0]
    assert (np.diff(np.diag(spread)) <= 1e-5).all()


def test_labels_do_not_depend_on_the_windows(scenes: SceneSet, model: IICSegmenter) -> None:
    """Each kind labels the middle of a scene the same, shown alone with its margin or whole."""
    scene = scenes.scenes[0]
    raw = scene.read(0, 0, scene.height, scene.width)
    for values in kinds(model):
        labeller = KMeansLabeller(scenes, 1, {"main": 3}, 0, sample=500, values=values)
        whole = labeller.labels(raw, None)["main"][0]
        assert whole.shape == (scene.height, scene.width)
        assert len(np.unique(whole)) > 1
        margin = -(-labeller.margin // labeller.align) * labeller.align
        if margin + 8 >= 64:
            continue
        part = labeller.labels(raw[labeller.align :], None)["main"][0]
        np.testing.assert_array_equal(part[margin:], whole[labeller.align + margin :])


def test_masked_cells_are_not_drawn() -> None:
    """Near borders of classes nothing is known: with masks fewer cells are drawn there."""
    scenes = load_scenes(2, 64, border=6)
    counts = []
    for masks in (False, True):
        labeller = KMeansLabeller(scenes, 1, {"main": 2}, 0, masks, values=Statistics())
        # Far more than there are, so that all that is drawn stays.
        counts.append(len(labeller._sample(20_000, 0, masks)))
    assert 0 < counts[1] < 0.9 * counts[0]
    assert labeller.margin == 10
