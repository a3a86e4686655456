"""Models as `.keras` files: the same in a fresh interpreter, and trained on from there."""

import subprocess
import sys

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


MODELS = {
    "IICSegmenter": (
        *(lambda: small_segmenter(sub_heads=3, inputs="bands+sobel", turns=("main", "both")),),
        *(scenes, "maps", (2, 9, 12, 3)),
    ),
    "InfoSeg": (
        *(lambda: small_infoseg(inputs="bands+sobel", tau=0.5),),
        *(scenes, "maps", (2, 9, 12, 3)),
    ),
    "IICClusterer of network A": (
        *(lambda: decided(small_clusterer(sub_heads=3, network="A")),),
        *(images, "probabilities", (3, 8, 8, 1)),
    ),
    "IICClusterer of network B": (
        *(lambda: decided(small_clusterer(sub_heads=3, network="B")),),
        *(images, "probabilities", (3, 8, 8, 1)),
    ),
}
"""By the beginning of its class: a model, its data of an epoch, how sub-heads answer, images."""
every_model = pytest.mark.parametrize("name", MODELS)


def eagerly(name):
    """Whether to train without a graph: those of the clusterers take long to make."""
    return name.startswith("IICClusterer")


FRESH = """
import sys
import keras
import numpy as np
import iic_tf

model = keras.models.load_model(sys.argv[1])
images = np.load(sys.argv[2])
assert type(model).__name__ == sys.argv[4]
answers = {head: np.stack(getattr(model, sys.argv[5])(images, head)) for head in model.heads}
np.savez(sys.argv[3], out=model(images), chosen=int(model.chosen),
         rate=float(model.optimizer.learning_rate), steps=int(model.optimizer.iterations),
         **answers)
"""


@every_model
def test_a_saved_model_is_the_same_in_a_fresh_interpreter(name, tmp_path):
    make, data, answers, shape = MODELS[name]
    model = make()
    model.compile(keras.optimizers.Adam(2e-3), run_eagerly=eagerly(name))
    model.fit(data(0), verbose=0)
    model.fit(data(1), verbose=0)
    # The last one, where there are several.
    last = model.sub_heads - 1
    model.chosen.assign(last)
    seen = noise(*shape)
    files = [tmp_path / file for file in ("model.keras", "images.npy", "found.npz")]
    model.save(files[0])
    np.save(files[1], seen)
    command = [sys.executable, "-c", FRESH, *files, name.split()[0], answers]
    subprocess.run(command, check=True, capture_output=True)
    found = np.load(files[2])
    np.testing.assert_array_equal(found["out"], model(seen))
    for head in model.heads:
        every = getattr(model, answers)(seen, head)
        np.testing.assert_array_equal(found[head], every)
    np.testing.assert_array_equal(found["out"], found["main"][last])
    assert found["chosen"] == last
    assert found["rate"] == pytest.approx(2e-3)
    assert found["steps"] == 4


@every_model
def test_training_goes_on_from_a_saved_model_as_if_never_stopped(name, tmp_path):
    make, data, _, _ = MODELS[name]
    model = make()
    model.compile(keras.optimizers.Adam(1e-3), run_eagerly=eagerly(name))
    model.fit(data(0), verbose=0)
    model.save(tmp_path / "model.keras")
    before = [v.numpy() for v in model.trainable_variables]
    again = keras.models.load_model(tmp_path / "model.keras")
    again.run_eagerly = eagerly(name)
    for one in (model, again):
        one.fit(data(1), verbose=0)
    for a, b in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    pairs = zip(before, again.trainable_variables, strict=True)
    assert max(np.abs(new.numpy() - old).max() for old, new in pairs) > 1e-4
