"""Dictionaries of patches: against plain NumPy, of what is valid, in models, files and runs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from contract_runs import make_data
from made_up import noise, noise_pairs

from iic_tf.cli import main
from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.models.dictionary_fitting import fit_dictionaries
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.kmeans import KMeansSegmenter
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.named_trunks import trunk_named
from iic_tf.networks.patch_dictionary import (
    COMPONENTS,
    LEAST_CONTRAST,
    SOFTENED,
    PatchDictionary,
    dictionaries_of,
    dictionary_network,
)
from iic_tf.training.run import Run
from iic_tf.views.pairs import Pairs

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def small_trunk(side: int = 3, words: int = 4, **options: Any) -> KerasTrunk:
    image = keras.Input((None, None, 3))
    found = PatchDictionary(side, words, (6, 2), 2, **options)(image)
    return KerasTrunk(keras.Model(image, found))


def fitted(side: int, bands: int, **options: Any) -> PatchDictionary:
    layer = PatchDictionary(side, 5, (2, 6), 2, **options)
    layer(noise(1, 8, 8, bands))
    layer.fit(noise(300, side, side, bands, seed=1) ** 2, seed=0)
    return layer


def normalised(patch: Any) -> Any:
    """Values of a patch from the middle of the range; of several pixels mean 0, deviation 1."""
    flat = np.asarray(patch, np.float64).reshape(-1) - 0.5
    if patch.shape[0] == 1:
        return flat
    flat = flat - flat.mean()
    return flat / np.sqrt(flat.var() + LEAST_CONTRAST)


def reference(x: Any, layer: PatchDictionary) -> Any:
    """Pixel by pixel, of images of even sides and cells of 2 pixels."""
    half = layer.side // 2
    wide = np.pad(x, ((half, half), (half, half), (0, 0)), mode="reflect")
    projection = np.asarray(layer.projection, np.float64)
    projection = projection.reshape(-1, projection.shape[-1])
    near = np.empty((*x.shape[:2], layer.words))
    for i, j in np.ndindex(*x.shape[:2]):
        z = normalised(wide[i : i + layer.side, j : j + layer.side]) @ projection
        distances = np.linalg.norm(z - np.asarray(layer.shift) - np.asarray(layer.centres), axis=1)
        near[i, j] = np.maximum(distances.mean() - distances, 0)
    cells = near.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, -1).mean((1, 3))
    found = []
    for wanted in layer.cells:
        reach, means = wanted // 2, np.empty_like(cells)
        for i, j in np.ndindex(*cells.shape[:2]):
            rows = slice(max(i - reach, 0), i + reach + 1)
            means[i, j] = cells[rows, max(j - reach, 0) : j + reach + 1].mean((0, 1))
        found.append(means)
    return np.concatenate(found, -1)


@pytest.mark.parametrize(
    ("side", "bands", "components"), [(1, 4, COMPONENTS), (3, 1, COMPONENTS), (5, 3, 6)]
)
def test_it_is_the_triangle_of_distances_averaged(side: int, bands: int, components: int) -> None:
    layer = fitted(side, bands, components=components)
    assert layer.fitted
    assert layer.cells == (1, 3)
    x = noise(2, 12, 16, bands, seed=2)
    x[0, :, :8] = 0.3  # no contrast at all
    found = np.asarray(layer(x))
    assert layer.compute_output_shape(x.shape) == found.shape == (2, 6, 8, 10)
    for one, own in zip(found, x, strict=True):
        np.testing.assert_allclose(one, reference(own, layer), atol=2e-4)
    assert found.std() > 0.01


def test_components_are_whitened_but_for_what_hardly_varies() -> None:
    """Of variance v they keep v / (v + a tenth of the mean): the softened whitening."""
    patches = noise(4000, 3, 3, 2, seed=1) * np.linspace(0.1, 1, 3)[:, None, None]
    layer = PatchDictionary(3, 4, (2,), 2)
    layer(noise(1, 8, 8, 2))
    layer.fit(patches, seed=0)
    rows = np.stack([normalised(one) for one in patches])
    z = rows @ np.asarray(layer.projection).reshape(18, -1) - np.asarray(layer.shift)
    np.testing.assert_allclose(z.mean(0), 0, atol=1e-4)
    covariance = np.cov(z.T)
    variances = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    wanted = variances / (variances + SOFTENED * rows.var(0).mean())
    np.testing.assert_allclose(covariance, np.diag(wanted), atol=2e-3)


def test_words_are_the_patches_that_there_are() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.random((4, 3, 3, 1))
    patches = kinds[rng.integers(0, 4, 400)] + rng.normal(0, 0.01, (400, 3, 3, 1))
    layer = PatchDictionary(3, 4, (3,), 3)
    layer(noise(1, 9, 9, 1))
    layer.fit(patches, seed=0)
    # What is all of one kind is nearest to one word, another one of each kind.
    inner = np.stack([np.tile(kind, (3, 3, 1)) for kind in kinds]).astype(np.float32)
    middle = PatchDictionary(3, 4, (1,), 1)
    middle(inner)
    middle.set_weights(layer.get_weights())
    near = np.asarray(middle(inner))[:, 4, 4]
    assert sorted(near.argmax(1)) == [0, 1, 2, 3]


def test_as_a_trunk_it_knows_how_far_it_sees() -> None:
    trunk = trunk_named("dictionary", channels=4)
    (level,) = trunk.levels
    # Three cells of 4 pixels of the largest window, and half of the largest patch.
    assert (trunk.stride, level.before, level.behind) == (4, 15, 15)
    assert [one.side for one in dictionaries_of(trunk.network)] == [1, 5, 7]
    with pytest.raises(InputError, match="no gradient trains"):
        trunk_named("textures,dictionary", frozen=False)
    with pytest.raises(InputError, match="no weights and no strides of dictionary"):
        trunk_named("dictionary", weights="none")
    with pytest.raises(InputError, match="at least 1 channel"):
        dictionary_network(0)


def test_fit_finds_words_once_by_the_pairs_seed() -> None:
    found = []
    for seed in (0, 0, 1):
        model = IICSegmenter(2, 4, 3, trunk=small_trunk(), radius=1, cells=True)
        model.compile(keras.optimizers.Adam(1e-3))
        (layer,) = dictionaries_of(model.trunk.network)
        assert not model.trunk.fitted
        pairs = noise_pairs(crop=8, steps=4, seed=seed)
        with pytest.raises(InputError, match="Expected a trunk that was fitted"):
            model.train_on_batch(pairs[0])
        model.fit(pairs, epochs=1, verbose=0)
        assert model.trunk.fitted
        begun = layer.get_weights()
        model.fit(noise_pairs(crop=8, steps=4, seed=seed + 5), epochs=1, verbose=0)
        for before, after in zip(begun, layer.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)
        found.append(np.asarray(layer.centres))
        assert not layer.trainable_weights
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3


def test_kmeans_has_words_before_it_has_centres() -> None:
    """And the scale of its features, which `fit` finds for models that take steps."""
    trunk, other = small_trunk(), small_trunk()
    pairs = noise_pairs(crop=8, steps=4)
    model = KMeansSegmenter(2, 3, 3, trunk=trunk)
    model.before_epoch(pairs, 0)
    fit_dictionaries(other, pairs)
    assert trunk.fitted
    assert model.has_centres
    for mine, theirs in zip(trunk.network.get_weights(), other.network.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    features = np.asarray(model.features(pairs[0]["x"]))
    # Of words that were found later, or of no scale, they would be far from 0 and 1.
    assert abs(features.mean()) < 0.2
    assert abs(features.std() - 1) < 0.2


def holed(inside: int) -> Pairs:
    """Images of noise whose lower halves are no data, of such values."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (20, 24, 3)).astype(np.uint8) for _ in range(2)]
    masks = [np.where(np.arange(20)[:, None] < 10, 0, -1).repeat(24, 1) for _ in range(2)]
    for image, mask in zip(images, masks, strict=True):
        image[mask < 0] = inside
    return Pairs(from_arrays(images, masks), 12, 3, steps=3, masks=True)


def test_what_is_not_valid_says_nothing() -> None:
    found = []
    for inside in (0, 250):
        trunk = small_trunk()
        fit_dictionaries(trunk, holed(inside))
        (layer,) = dictionaries_of(trunk.network)
        found.append(layer.get_weights())
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


def test_where_there_are_too_few_patches_is_said() -> None:
    few = Pairs(from_arrays([noise(8, 8, 3)]), 2, 3, steps=2)
    with pytest.raises(InputError, match=r"at least 4 patches of 3×3 valid pixels.* received 0\."):
        fit_dictionaries(small_trunk(), few)


def test_fewer_kinds_of_patches_than_words_are_words_twice() -> None:
    layer = PatchDictionary(1, 6, (2,), 2)
    layer(noise(1, 8, 8, 1))
    layer.fit(np.repeat([0.2, 0.8], 20).reshape(-1, 1, 1, 1), seed=0)
    assert len(np.unique(np.asarray(layer.centres), axis=0)) == 2
    assert np.isfinite(np.asarray(layer(noise(1, 8, 8, 1)))).all()


@pytest.mark.parametrize(
    "wrong",
    [
        *({"side": 2}, {"side": 0}, {"words": 1}, {"windows": ()}, {"windows": (0,)}),
        *({"stride": 0}, {"components": 0}),
    ],
)
def test_wrong_values_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="Expected"):
        PatchDictionary(**{"side": 3, "words": 4, "windows": (4,), **wrong})


def test_in_half_precision_features_are_those_of_float32() -> None:
    layer = fitted(3, 3)
    config = {**layer.get_config(), "dtype": "mixed_float16"}
    half = PatchDictionary.from_config(config)
    half(noise(1, 8, 8, 3))
    half.set_weights(layer.get_weights())
    x = noise(1, 12, 12, 3)
    assert half(x).dtype == "float32"
    np.testing.assert_array_equal(half(x), layer(x))


@pytest.fixture(scope="module")
def run(tmp_path_factory: Any) -> Run:
    """By the command, of the recipe, small."""
    place = Path(tmp_path_factory.mktemp("dictionary"))
    data = make_data(place)["segmentation"]
    own = ["--data", str(data), "--masks", str(data.parent / "masks"), "--classes", "2"]
    few = ["--crop", "16", "--batch", "8", "--steps", "30", "--epochs", "2", "--downscale", "1"]
    out = ["--set", "evaluation_steps=1", "--out", str(place / "run")]
    assert main(["train", *own, "--recipe", "dictionary", *few, *out]) == 0
    return Run.open(place / "run")


def test_a_run_keeps_its_words(run: Run) -> None:
    model = keras.models.load_model(run.best, compile=False)
    assert model.trunk.fitted
    first = keras.models.load_model(run.checkpoints / "epoch-0001" / "model.keras", compile=False)
    for mine, theirs in zip(
        model.trunk.network.get_weights(), first.trunk.network.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)
    # As a trunk of another run they are as they were.
    again = trunk_named(str(run.best), stride=4)
    assert all(one.fitted for one in dictionaries_of(again.network))
    x = noise(1, 32, 32, 3)
    for mine, theirs in zip(again.network(x), model.trunk.network(x), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_run_is_exported(run: Run) -> None:
    """The command compares what ONNX Runtime makes of it with Keras."""
    assert main(["export", str(run.folder), "--format", "onnx"]) == 0


def test_a_run_that_was_stopped_goes_on_with_the_same_words(run: Run, tmp_path: Path) -> None:
    stopped = Run(tmp_path / "run")
    shutil.copytree(run.folder, stopped.folder)
    shutil.rmtree(stopped.checkpoints / "epoch-0002")
    assert main(["train", "--resume", "--out", str(stopped.folder)]) == 0
    for mine, theirs in zip(
        keras.models.load_model(stopped.best, compile=False).get_weights(),
        keras.models.load_model(run.best, compile=False).get_weights(),
        strict=True,
    ):
        np.testing.assert_array_equal(mine, theirs)
