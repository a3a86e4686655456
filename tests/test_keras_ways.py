"""Keras' own ways: honoured, or refused with a word on what to do instead."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch, noise, noise_pairs, same, small_segmenter

from iic_tf.errors import InputError
from iic_tf.models.iic_clusterer import IICClusterer

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

ARGUMENTS: dict[str, Any] = {"network": "B", "width": 0.06, "sub_heads": 1, "turns": ("both",)}


def clusterer(kind: Any = IICClusterer, **arguments: Any) -> Any:
    return kind(2, 3, 1, 8, **{**ARGUMENTS, **arguments})


def epochs_of(batches: int, epochs: int) -> tf.data.Dataset:
    """Batches of so many epochs, one after another."""
    every = [clustering_batch(epoch=e, seed=i) for e in range(epochs) for i in range(batches)]
    made = {n: tf.stack([one[n] for one in every]) for n in every[0]}
    return tf.data.Dataset.from_tensor_slices(made)


class Own(IICClusterer):
    """Steps of its own."""

    def train_step(self, data: Any) -> Any:
        logs = super().train_step(data)
        return {**logs, "own": tf.constant(3.0)}

    def test_step(self, data: Any) -> Any:
        return {**super().test_step(data), "tested": tf.constant(4.0)}


def test_overridden_steps_are_taken() -> None:
    model = clusterer(Own, turns=("overclustering", "main"))
    model.compile()
    history = model.fit(epochs_of(2, 2), epochs=2, steps_per_epoch=2, verbose=0)
    assert history.history["own"] == [3.0, 3.0]
    assert model.evaluate(epochs_of(2, 1), verbose=0, return_dict=True)["tested"] == 4.0


class Adding(IICClusterer):
    """A loss more: 5 times the mean of the features."""

    def features(self, x: Any, training: bool = False) -> Any:
        found = super().features(x, training)
        self.add_loss(5.0 * keras.ops.mean(found))
        return found


def moved(model: Any, **options: Any) -> tuple[float, list[Any]]:
    """The loss of a step, and how far it moved the weights."""
    before = [v.numpy() for v in model.trainable_variables]
    model.compile(keras.optimizers.SGD(1.0), **options)
    loss = model.train_on_batch(clustering_batch())
    after = [v.numpy() for v in model.trainable_variables]
    return float(loss), [a - b for a, b in zip(after, before, strict=True)]


def test_added_losses_are_trained() -> None:
    keras.utils.set_random_seed(0)
    plain, steps = moved(clusterer())
    keras.utils.set_random_seed(0)
    model = clusterer(Adding)
    start = model.get_weights()
    batch = clustering_batch()
    with tf.GradientTape() as tape:
        copies = tf.concat([batch["x"], batch["gx"][:, 0]], 0)
        loss = 5.0 * tf.reduce_mean(IICClusterer.features(model, copies, True))
    wanted = tape.gradient(loss, [v.value for v in model.trunk.trainable_variables])
    model.set_weights(start)
    added, found = moved(model)
    # The objective is the sum over the two heads, of which the mean is told.
    assert added - plain == pytest.approx(float(loss) / 2, abs=1e-5)
    for a, b, w in zip(found, steps, wanted, strict=False):
        np.testing.assert_allclose(b - a, w, rtol=0, atol=1e-4)


@pytest.mark.parametrize("parts", [1, 2])
def test_regularisers_count_once(parts: int) -> None:
    class Regular(IICClusterer):
        pass

    def made(factor: float) -> Any:
        keras.utils.set_random_seed(0)
        model = clusterer(Regular)
        model.heads["main"].linear.kernel.regularizer = keras.regularizers.L2(factor)
        return model

    plain, steps = moved(made(0.0), micro_batches=parts)
    model = made(0.5)
    kernel = model.heads["main"].linear.kernel.numpy()
    loss, found = moved(model, micro_batches=parts)
    assert loss - plain == pytest.approx(0.25 * float((kernel**2).sum()), abs=1e-5)
    index = [v.path for v in model.trainable_variables].index(
        model.heads["main"].linear.kernel.path
    )
    np.testing.assert_allclose(steps[index] - found[index], kernel, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    "given",
    [
        {"loss": "mse"},
        {"metrics": ["accuracy"]},
        {"weighted_metrics": ["accuracy"]},
        {"loss_weights": [1.0]},
    ],
    ids=str,
)
def test_objectives_of_others_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="objective is its own"):
        clusterer().compile("adam", **given)


def test_a_loss_in_the_place_of_micro_batches_is_refused() -> None:
    with pytest.raises(InputError, match="micro_batches='mse'"):
        clusterer().compile("adam", "mse")


def test_options_of_compile_are_kept_in_files(tmp_path: Any) -> None:
    model = clusterer()
    model.compile("sgd", run_eagerly=True, steps_per_execution=2, jit_compile=False)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (again.run_eagerly, again.steps_per_execution, again.jit_compile) == (True, 2, False)


def test_several_steps_an_execution_are_the_same_steps() -> None:
    found = []
    for steps in (1, 2):
        keras.utils.set_random_seed(0)
        model = small_segmenter()
        model.compile(keras.optimizers.SGD(0.1), steps_per_execution=steps)
        history = model.fit(noise_pairs(steps=3), epochs=2, verbose=0)
        found.append((history.history["loss"], model.get_weights()))
    with pytest.raises(InputError, match="multiple of steps_per_execution=2"):
        model.fit(noise_pairs(steps=3).dataset(0, 6), epochs=2, steps_per_epoch=3, verbose=0)
    assert found[0][0] == found[1][0]
    assert same(found[0][1], found[1][1])


def test_batches_in_tuples_and_single_batches() -> None:
    model = clusterer()
    model.compile()
    data = epochs_of(2, 1)
    wrapped = data.map(lambda batch: (batch,))
    start = model.get_weights()
    plain = model.fit(data, verbose=0).history["loss"]
    model.set_weights(start)
    model.compile()
    assert model.fit(wrapped, verbose=0).history["loss"] == plain
    assert model.evaluate(wrapped, verbose=0) == model.evaluate(data, verbose=0)
    batch = {name: value.numpy() for name, value in clustering_batch().items()}
    assert np.isfinite(model.train_on_batch(batch))
    tested = model.test_on_batch(batch, return_dict=True)
    assert set(tested) == {"loss", "overclustering_loss"}
    images = noise(3, 8, 8, 1)
    np.testing.assert_allclose(model.predict_on_batch(images), model(images), atol=1e-6)
    np.testing.assert_allclose(model.predict_on_batch(batch), model(batch["x"]), atol=1e-6)
    np.testing.assert_allclose(model.predict(images, verbose=0), model(images), atol=1e-6)


@pytest.mark.parametrize(
    "given",
    [
        {"y": np.zeros(4)},
        {"sample_weight": np.ones(4)},
        {"class_weight": {0: 1.0}},
        {"validation_split": 0.5},
    ],
    ids=lambda given: next(iter(given)),
)
def test_targets_and_weights_are_refused(given: dict[str, Any]) -> None:
    model = clusterer()
    model.compile()
    with pytest.raises(InputError, match=f"without {next(iter(given))}"):
        model.fit(epochs_of(1, 1), verbose=0, **given)
    with pytest.raises(InputError, match="pairs alone"):
        model.fit(epochs_of(1, 1).map(lambda batch: (batch, batch["epoch"])), verbose=0)
    for method in (model.evaluate, model.train_on_batch, model.test_on_batch):
        with pytest.raises(InputError, match="without y"):
            method(clustering_batch(), y=np.zeros(4))


@pytest.mark.parametrize("kind", ["segmenter", "clusterer"])
def test_export_right_after_fit(kind: str, tmp_path: Any) -> None:
    model = small_segmenter(turns=("both",)) if kind == "segmenter" else clusterer()
    data = noise_pairs(steps=1).dataset(0, 1) if kind == "segmenter" else epochs_of(1, 1)
    model.compile(keras.optimizers.SGD(0.1))
    model.fit(data, verbose=0)
    model.export(tmp_path / "saved", verbose=False)
    served = tf.saved_model.load(tmp_path / "saved")
    images = noise(2, 9, 12, 3) if kind == "segmenter" else noise(2, 8, 8, 1)
    np.testing.assert_allclose(served.serve(images), model(images), atol=1e-5)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert same(model.get_weights(), again.get_weights())
