"""k-means on features: its scale and loss against plain NumPy, what is looked at, and when."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from made_up import same, weights

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import Crops
from iic_tf.data.scene import IGNORE, ClassTable
from iic_tf.errors import InputError
from iic_tf.metrics.pixel_kmeans import PixelKMeans
from iic_tf.models.fitting import Fit
from iic_tf.models.kmeans import KMeansSegmenter
from iic_tf.models.scaled_features import ScaledFeatures
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.training.methods.kmeans import KMeansSegmentation
from iic_tf.training.recipe_files import load_recipe, recipe_for
from iic_tf.views.pairs import Pairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def scaled(x: Any, **arguments: Any) -> Any:
    layer = ScaledFeatures(**arguments)
    layer.build((None, x.shape[1]))
    return layer.fit(x)


def correlated(features: int = 4) -> Any:
    rng = np.random.default_rng(0)
    mixed = rng.normal(size=(200, features)) @ rng.normal(size=(features, features)) + 3
    return mixed.astype(np.float32)


def test_features_count_alike_and_are_of_length_1_in_all() -> None:
    x = correlated()
    x[:, 2] = 7  # says nothing
    rows = scaled(x)
    np.testing.assert_allclose(rows.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(rows.var(0), [1 / 3, 1 / 3, 0, 1 / 3], atol=1e-5)


def test_components_are_turned_features_unless_they_are_whitened() -> None:
    x = correlated()
    standard = (x - x.mean(0)) / x.std(0)
    # All components are a turn: products stay.
    rows = scaled(x, components=4)
    np.testing.assert_allclose(rows @ rows.T, standard @ standard.T / 4, atol=1e-4)
    variances = scaled(x, components=2).var(0)
    found = np.linalg.eigvalsh(np.corrcoef(x.T))[::-1][:2]
    np.testing.assert_allclose(np.sort(variances)[::-1], found / found.sum(), atol=1e-4)
    np.testing.assert_allclose(scaled(x, components=2, whiten=True).var(0), 0.5, atol=1e-4)


def test_every_scene_is_looked_at_the_large_ones_more() -> None:
    scenes = from_arrays([np.zeros((s, s, 1), np.uint8) for s in (80, 8, 12, 40)])
    places = Crops(scenes, 8).spread(20, np.random.default_rng(0))
    counts = np.bincount([scene for scene, _, _ in places], minlength=4)
    np.testing.assert_array_equal(counts, [16, 1, 1, 4])
    assert all(top <= 72 and left <= 72 for scene, top, left in places if scene == 0)
    assert len(set(places)) > 15


def pixel_trunk() -> KerasTrunk:
    """Features are the pixels themselves."""
    image = keras.Input((None, None, 1))
    same = keras.layers.Conv2D(1, 1, use_bias=False, kernel_initializer="ones")(image)
    return KerasTrunk(keras.Model(image, same))


def segmenter(**arguments: Any) -> KMeansSegmenter:
    small = {"crops": 30, "sample": 10_000, "trunk": pixel_trunk()}
    model = KMeansSegmenter(2, 4, 1, **{**small, **arguments})
    model.compile()
    return model


def stripes(masks: bool = False) -> Pairs:
    """Dark and bright halves; with masks what is unlike both has no class."""
    rng = np.random.default_rng(0)
    image = rng.integers(40, 60, (24, 24, 1))
    image[:, 12:] += 100
    image[:4] = 255
    mask = np.zeros((24, 24), np.int32)
    mask[:4] = IGNORE
    given = (
        {"masks": [mask] * 3, "classes": ClassTable(("all",), np.zeros((1, 3), np.uint8))}
        if masks
        else {}
    )
    scenes = from_arrays([np.roll(image, i, 1).astype(np.uint8) for i in range(3)], **given)
    return Pairs(scenes, crop=8, batch=4, steps=2, seed=1, masks=masks)


def test_centres_are_those_of_k_means_and_steps_change_nothing() -> None:
    model, pairs = segmenter(), stripes()
    model.before_epoch(pairs, 0)
    before = weights(model)
    history = model.fit(pairs, epochs=2, callbacks=[Fit(pairs)], verbose=0)
    assert same(before, weights(model))
    views = [np.asarray(x) for x, _ in pairs.views_at(pairs.spread_places(30))]
    values = np.concatenate(views).reshape(-1, 1).astype(np.float64)
    z = (values - values.mean()) / values.std()
    for name, k in model.clusters.items():
        theirs = PixelKMeans(k, seed=5, restarts=10).fit(z)
        assert theirs.centres is not None
        ours = np.sort(np.asarray(model.heads[name].centres).ravel())
        np.testing.assert_allclose(ours, np.sort(theirs.centres.ravel()), atol=1e-3)
    # The loss is the share of the variance that is left.
    assert 0 < history.history["loss"][0] / len(model.clusters) < 0.5


def test_what_has_no_class_is_no_matter() -> None:
    model, pairs = segmenter(), stripes(masks=True)
    model.before_epoch(pairs, 0)
    # In the values that the trunk itself has standardised: no pixel of 255.
    assert float(model.trunk.mean[0]) == pytest.approx(99.5 / 255, abs=0.03)
    shares = model.shares_of_cells(pairs[0]["x"], pairs[0]["valid"])
    sums = model.sums(pairs[0], ["main"], training=True)["main"]
    assert float(np.sum(sums[1:])) == float(np.sum(np.asarray(shares) > 0.5))
    assert float(sums[0] / np.sum(sums[1:])) < 0.05


def test_half_precision_finds_nothing_to_scale() -> None:
    """There are optimisers of no weights, which scale losses all the same."""
    model, pairs = segmenter(dtype="mixed_float16"), stripes()
    model.fit(pairs, callbacks=[Fit(pairs)], verbose=0)
    assert int(model.soundness.state[0]) == pairs.steps
    with pytest.raises(InputError, match="no parts: nothing is trained"):
        model.compile({"trunk": "adam"})


def test_steps_before_there_are_centres_are_refused() -> None:
    model, pairs = segmenter(), stripes()
    model.trunk.fit(np.ones(1), np.ones(1), 1.0)
    with pytest.raises(InputError, match=r"Expected centres.*callbacks="):
        model.evaluate(pairs, verbose=0)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"trunk": "keras:MobileNetV2", "fine_tune_trunk": True, "epochs": 5}, "trains nothing"),
        ({"trunk": "keras:MobileNetV2", "trunk_bands": "learned"}, "learns no map"),
        ({"whiten": True}, "components of at least 1"),
    ],
)
def test_what_would_be_trained_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        KMeansSegmentation(**values)


def test_steps_and_epochs_of_other_recipes_are_not_taken_over() -> None:
    theirs, ours = load_recipe("folder"), recipe_for("folder", "kmeans")
    assert (ours.crop, ours.downscale, ours.batch) == (theirs.crop, theirs.downscale, theirs.batch)
    assert (ours.steps, ours.epochs) == (1, 1)
