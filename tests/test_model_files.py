"""Models as `.keras` files: the same in a fresh interpreter, and trained on from there."""

import functools
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import (
    clustering_batch,
    decided,
    noise,
    noise_pairs,
    small_clusterer,
    small_infoseg,
    small_segmenter,
)

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def scenes(epoch):
    return noise_pairs(crop=8, steps=2, epoch=epoch)


def images(epoch):
    return tf.data.Dataset.from_tensor_slices(
        {
            name: tf.stack([value, value])
            for name, value in clustering_batch(4, 2, epoch=epoch).items()
        }
    )


@dataclass(frozen=True)
class Kind:
    """A model, its data of an epoch, its method by which all sub-heads answer, and images for it.

    Trained `eagerly` where the graph takes long to make.
    """

    make: Callable[[], Any]
    data: Callable[[int], Any]
    answers: str
    shape: tuple[int, ...]
    eagerly: bool = False


def clusterer(network):
    make = functools.partial(small_clusterer, sub_heads=3, network=network)
    return Kind(lambda: decided(make()), images, "probabilities", (3, 8, 8, 1), eagerly=True)


segmenter = functools.partial(
    small_segmenter, sub_heads=3, inputs="bands+sobel", turns=("main", "both")
)
infoseg = functools.partial(small_infoseg, inputs="bands+sobel", tau=0.5)
KINDS = {
    "segmenter": Kind(segmenter, scenes, "maps_of_images", (2, 9, 12, 3)),
    "infoseg": Kind(infoseg, scenes, "maps_of_images", (2, 9, 12, 3)),
    "clusterer of network A": clusterer("A"),
    "clusterer of network B": clusterer("B"),
}

FRESH = """
import sys
from pathlib import Path
import keras
import numpy as np
import iic_tf

for folder, answers in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
    model = keras.models.load_model(Path(folder, "model.keras"))
    images = np.load(Path(folder, "images.npy"))
    found = {head: np.stack(getattr(model, answers)(images, head)) for head in model.heads}
    np.savez(Path(folder, "found.npz"), out=model(images), kind=type(model).__name__,
             chosen=int(getattr(model, "chosen", 0)), steps=int(model.optimizer.iterations),
             rate=float(model.optimizer.learning_rate), **found)
"""


@pytest.fixture(scope="module")
def read_afresh(tmp_path_factory):
    """A trained model of each kind, and what a fresh interpreter found of all."""
    place = tmp_path_factory.mktemp("models")
    models, given = {}, []
    for name, kind in KINDS.items():
        keras.utils.set_random_seed(0)
        models[name] = trained_and_saved(kind, place / name)
        given += [place / name, kind.answers]
    subprocess.run([sys.executable, "-c", FRESH, *given], check=True, capture_output=True)
    return {name: (model, np.load(place / name / "found.npz")) for name, model in models.items()}


def trained_and_saved(kind, folder):
    model = kind.make()
    model.compile(keras.optimizers.Adam(2e-3), run_eagerly=kind.eagerly)
    model.fit(kind.data(0), verbose=0)
    model.fit(kind.data(1), verbose=0)
    # The last one, where there are several.
    last = getattr(model, "sub_heads", 1) - 1
    if hasattr(model, "chosen"):
        model.chosen.assign(last)
    folder.mkdir()
    model.save(folder / "model.keras")
    np.save(folder / "images.npy", noise(*kind.shape))
    return model


@pytest.mark.parametrize("name", KINDS)
def test_a_saved_model_is_the_same_in_a_fresh_interpreter(name, read_afresh):
    kind, (model, found) = KINDS[name], read_afresh[name]
    seen, last = noise(*kind.shape), getattr(model, "sub_heads", 1) - 1
    assert found["kind"] == type(model).__name__
    np.testing.assert_array_equal(found["out"], model(seen))
    for head in model.heads:
        every = getattr(model, kind.answers)(seen, head)
        np.testing.assert_array_equal(found[head], every)
    np.testing.assert_array_equal(found["out"], found["main"][last])
    assert found["chosen"] == last
    assert found["rate"] == pytest.approx(2e-3)
    assert found["steps"] == 4


@pytest.mark.parametrize("name", KINDS)
def test_training_goes_on_from_a_saved_model_as_if_never_stopped(name, tmp_path):
    kind = KINDS[name]
    model = kind.make()
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=kind.eagerly)
    model.fit(kind.data(0), verbose=0)
    model.save(tmp_path / "model.keras")
    before = [v.numpy() for v in model.trainable_variables]
    again = keras.models.load_model(tmp_path / "model.keras")
    again.run_eagerly = kind.eagerly
    for one in (model, again):
        one.fit(kind.data(1), verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    pairs = zip(before, again.trainable_variables, strict=True)
    assert max(np.abs(new.numpy() - old).max() for old, new in pairs) > 1e-4
