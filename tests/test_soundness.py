"""A number that is not finite ends a training at its step, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import clustering_batch, noise_pairs, same, small_clusterer, small_infoseg
from made_up import small_segmenter as segmenter
from test_deepcluster import clusterer as deepcluster

from iic_tf.errors import InputError
from iic_tf.models import soundness
from iic_tf.models.adam import Adam

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def pair_batches(count: int = 4) -> list[dict[str, Any]]:
    pairs = noise_pairs(steps=count)
    return [{name: v.numpy() for name, v in pairs[i].items()} for i in range(count)]


def image_batches(count: int = 4) -> list[dict[str, Any]]:
    made = [clustering_batch(images=3, seed=i) for i in range(count)]
    return [{name: v.numpy() for name, v in one.items()} for one in made]


def dataset(batches: list[dict[str, Any]]) -> tf.data.Dataset:
    spec = {n: tf.TensorSpec((None, *v.shape[1:]), v.dtype) for n, v in batches[0].items()}
    made = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    return made.apply(tf.data.experimental.assert_cardinality(len(batches)))


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "iic": (lambda: segmenter(turns=("both",)), pair_batches),
    "slopes": (lambda: segmenter(turns=("both",), inputs="bands+sobel"), pair_batches),
    "collapsed": (lambda: segmenter(turns=("both",), collapsed=True), pair_batches),
    "jsd": (lambda: small_infoseg(objective="jsd"), pair_batches),
    "dv": (lambda: small_infoseg(objective="dv"), pair_batches),
    "infoseg of iic": (lambda: small_infoseg(objective="iic", radius=1), pair_batches),
    "clustering": (lambda: small_clusterer(turns=("both",)), image_batches),
}


def before_and_after(model: Any, batches: list[Any], at: int) -> tuple[list[Any], list[Any], str]:
    """The state where step `at` begins, that where a fit has stopped, and what it said."""
    start = model.get_weights()
    optimizers = [model.optimizer, *model.other_optimizers.values()]
    moments = [np.array(v) for one in optimizers for v in one.variables]
    if at:
        model.fit(dataset(batches[:at]), verbose=0)
    wanted = [*model.get_weights(), *(np.array(v) for one in optimizers for v in one.variables)]
    model.set_weights(start)
    for variable, value in zip((v for o in optimizers for v in o.variables), moments, strict=True):
        variable.assign(value)
    with pytest.raises(InputError) as told:
        model.fit(dataset(batches), verbose=0)
    found = [*model.get_weights(), *(np.array(v) for one in optimizers for v in one.variables)]
    return wanted, found, str(told.value)


@pytest.mark.parametrize("name", MODELS)
def test_one_nan_pixel_stops_the_step_names_the_image_and_changes_nothing(name: str) -> None:
    make, made = MODELS[name]
    model, batches = make(), made()
    model.compile(Adam(1e-2))
    key = "scene" if "scene" in batches[2] else "image"
    batches[2][key] = np.array([5, 6, 7], np.int32)
    batches[2]["x"][1, 3, 2, 0] = np.nan
    wanted, found, said = before_and_after(model, batches, at=2)
    assert same(wanted, found)
    assert "received NaN or infinity in the images" in said
    assert f"at epoch 1, step 3 ({key}s 6). The model is as it was before that step." in said
    # And a training goes on from there.
    model.fit(dataset(batches[:2]), verbose=0)
    assert not same(found, model.get_weights())
    assert all(np.isfinite(w).all() for w in model.get_weights())


def test_a_loss_that_hides_it_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients alone are NaN: the loss is 0 whatever comes, as behind a fused ReLU."""
    model, batches = segmenter(turns=("both",)), pair_batches(2)

    @tf.custom_gradient
    def blind(x: Any) -> Any:
        return tf.zeros_like(x), lambda up: up * np.nan

    monkeypatch.setattr(model, "loss_of", lambda sums, name: tf.reduce_sum(blind(sums)))
    model.compile(Adam(1e-2))
    before = model.get_weights()
    with pytest.raises(InputError, match=r"the gradients at epoch 1, step 1 \(scenes [01, ]+\)"):
        model.fit(dataset(batches), verbose=0)
    assert same(before, model.get_weights())


def test_the_fused_kernels_that_hide_it() -> None:
    """Why the loss cannot tell; if this fails, the module's first words are out of date."""
    x = np.ones((1, 6, 6, 1), np.float32)
    x[0, 2, 2, 0] = np.nan
    kernel, bias = tf.ones((3, 3, 1, 2)), tf.zeros(2)

    def brick(x: Any) -> Any:
        return tf.nn.relu(tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias))

    assert np.isnan(brick(tf.constant(x))).any()
    if not tf.config.list_physical_devices("GPU"):
        assert not np.isnan(tf.function(brick)(tf.constant(x))).any()


def test_deepcluster_stops_too() -> None:
    model = deepcluster()
    batch = {n: v.numpy() for n, v in clustering_batch(6, size=model.size).items()}
    model._learn(np.zeros(6, np.int32), np.zeros(6, np.int32))
    model.compile(Adam(1e-2))
    before = model.get_weights()
    batch["gx"][4, 0, 1, 1] = np.inf
    with pytest.raises(InputError, match=r"in the images.* at epoch 1, step 1 \(images 4\)"):
        model.fit(dataset([batch]), verbose=0)
    assert same(before, model.get_weights())


def test_images_stop_scaled_losses_as_well() -> None:
    model, batches = segmenter(turns=("both",)), pair_batches(1)
    model.compile(keras.optimizers.LossScaleOptimizer(Adam(1e-2)))
    batches[0]["x"][0, 0, 0, 0] = np.nan
    before, scale = model.get_weights(), float(model.optimizer.dynamic_scale)
    with pytest.raises(InputError, match="in the images"):
        model.fit(dataset(batches), verbose=0)
    assert same(before, model.get_weights())
    assert float(model.optimizer.dynamic_scale) == scale


def test_gradients_that_overflow_at_any_scale_stop_it(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = segmenter(turns=("both",)), pair_batches(4)
    model.compile(keras.optimizers.LossScaleOptimizer(Adam(1e-2), initial_scale=4.0))
    loss_of = model.loss_of
    monkeypatch.setattr(model, "loss_of", lambda sums, name: loss_of(sums, name) + steep(sums))

    @tf.custom_gradient
    def steep(x: Any) -> Any:
        return tf.constant(0.0), lambda up: tf.fill(tf.shape(x), np.float32(np.inf))

    before = [v.numpy() for v in model.trainable_variables]
    # At scales of 4 and 2 a step is skipped, no more.
    with pytest.raises(InputError, match="in the gradients at epoch 1, step 3"):
        model.fit(dataset(batches), verbose=0)
    assert same(before, [v.numpy() for v in model.trainable_variables])
    assert float(model.optimizer.dynamic_scale) == 1.0


@pytest.mark.parametrize(
    "options",
    [
        {"micro_batches": 3},
        {"steps_per_execution": 3},
        {"run_eagerly": True},
        {"jit_compile": True},
    ],
    ids=str,
)
def test_however_steps_are_taken(options: dict[str, Any]) -> None:
    model, batches = segmenter(radius=0, turns=("main",)), pair_batches(5)
    model.compile(Adam(1e-2), **options)
    batches[3]["gx"][2, 1, 1, 1] = -np.inf
    wanted, found, said = before_and_after(model, batches, at=3)
    assert same(wanted, found)
    assert "at epoch 1, step 4" in said


def test_the_device_is_asked_once_an_epoch_or_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    model, batches = segmenter(turns=("both",)), pair_batches(4)
    model.compile(Adam(1e-2))
    looked = []
    look = soundness.Soundness.look
    monkeypatch.setattr(soundness.Soundness, "look", lambda self: (looked.append(1), look(self)))
    monkeypatch.setattr(soundness, "LOOK_SECONDS", 1e9)
    model.fit(dataset(batches), epochs=2, verbose=0)
    assert len(looked) == 2
    monkeypatch.setattr(soundness, "LOOK_SECONDS", -1.0)
    batches[1]["x"][:] = np.nan
    with pytest.raises(InputError, match="epoch 1, step 2"):
        model.fit(dataset(batches), epochs=2, verbose=0)
    assert len(looked) == 2 + 2


def test_steps_by_hand_and_single_batches_tell_at_once() -> None:
    model, batches = segmenter(turns=("both",)), pair_batches(2)
    model.compile(Adam(1e-2))
    before = model.get_weights()
    batches[0]["x"][0, 0, 0, 0] = np.nan
    for step in (model.train_step, model.train_on_batch):
        for _ in range(2):
            with pytest.raises(InputError, match="in the images"):
                step(batches[0])
    assert same(before, model.get_weights())
    assert np.isfinite(model.train_on_batch(batches[1]))
    compiled = tf.function(lambda data: model.train_phase(data, "both"))
    assert np.isnan(compiled({n: tf.constant(v) for n, v in batches[0].items()})["loss"])
