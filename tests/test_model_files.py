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
every_kind = pytest.mark.parametrize(
    "kind",
    [
        pytest.param(Kind(segmenter, scenes, "maps_of_images", (2, 9, 12, 3)), id="segmenter"),
        pytest.param(Kind(infoseg, scenes, "maps_of_images", (2, 9, 12, 3)), id="infoseg"),
        pytest.param(clusterer("A"), id="clusterer of network A"),
        pytest.param(clusterer("B"), id="clusterer of network B"),
    ],
)

FRESH = """
import sys
import keras
import numpy as np
import iic_tf

model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
assert type(model).__name__ == sys.argv[4]
answers = {head: np.stack(getattr(model, sys.argv[5])(images, head)) for head in model.heads}
np.savez(sys.argv[3], out=model(images), chosen=int(getattr(model, "chosen", 0)),
         rate=float(model.optimizer.learning_rate), steps=int(model.optimizer.iterations),
         **answers)
"""


@every_kind
def test_a_saved_model_is_the_same_in_a_fresh_interpreter(kind, tmp_path):
    model = kind.make()
    model.compile(keras.optimizers.Adam(2e-3), run_eagerly=kind.eagerly)
    model.fit(kind.data(0), verbose=0)
    model.fit(kind.data(1), verbose=0)
    # The last one, where there are several.
    last = getattr(model, "sub_heads", 1) - 1
    if hasattr(model, "chosen"):
        model.chosen.assign(last)
    seen = noise(*kind.shape)
    files = [tmp_path / file for file in ("model.keras", "images.npy", "found.npz")]
    model.save(files[0])
    np.save(files[1], seen)
    command = [sys.executable, "-c", FRESH, *files, type(model).__name__, kind.answers]
    subprocess.run(command, check=True, capture_output=True)
    found = np.load(files[2])
    np.testing.assert_array_equal(found["out"], model(seen))
    for head in model.heads:
        every = getattr(model, kind.answers)(seen, head)
        np.testing.assert_array_equal(found[head], every)
    np.testing.assert_array_equal(found["out"], found["main"][last])
    assert found["chosen"] == last
    assert found["rate"] == pytest.approx(2e-3)
    assert found["steps"] == 4


@every_kind
def test_training_goes_on_from_a_saved_model_as_if_never_stopped(kind, tmp_path):
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
