"""Batches that go through the network in parts, against the same batches whole."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import replica_models as small
import replica_runs as runs
import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.models.micro_batches import MicroBatches


def made(kind, frozen=True, micro_batches=1, optimizer=None):
    """A small model; frozen, BatchNormalization uses its moving statistics in training, too."""
    model = small.clusterer() if kind == "clusterer" else small.segmenter()
    small.spread(model, 0.5 if kind == "clusterer" else 1.5)
    if frozen:
        small.freeze(model, batches(kind)[0])
    model.compile(optimizer or keras.optimizers.SGD(0.05), micro_batches=micro_batches)
    return model


def batches(kind, size=8):
    """A batch of each turn."""
    if kind == "clusterer":
        return small.batches_of((size,), small.EPOCHS)
    pairs = small.crop_pairs()
    found = []
    for epoch in range(small.EPOCHS):
        pairs.epoch = epoch
        found.append({k: v.numpy()[:size] for k, v in pairs[0].items()})
    return found


def stepped(model, data):
    """Losses and weights after fitting one epoch a batch."""
    losses = []
    for batch in data:
        dataset = tf.data.Dataset.from_tensors(batch)
        losses += model.fit(dataset, verbose=0).history["loss"]
    return losses, [np.array(w) for w in model.get_weights()]


@pytest.mark.parametrize(("kind", "parts"), [("clusterer", 4), ("segmenter", 2)])
def test_parts_equal_the_whole(kind, parts):
    """Without statistics of the batch, all else is a sum over pairs; every turn."""
    data = batches(kind)
    model = made(kind)
    before = model.get_weights()
    losses, weights = stepped(model, data)
    found_losses, found = stepped(made(kind, micro_batches=parts), data)
    np.testing.assert_allclose(found_losses, losses, rtol=0, atol=2e-6)
    for a, b in zip(found, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)
    assert min(np.abs(losses)) > 1e-3
    for i, v in enumerate(model.weights):
        if v.name.startswith("moving"):  # frozen indeed
            np.testing.assert_array_equal(weights[i], before[i])
    moved = [np.abs(a - b).max() for a, b in zip(weights, before, strict=True) if a.ndim == 4]
    assert min(moved) > 1e-4


def test_parts_have_statistics_of_their_own():
    """With BatchNormalization parts differ from the whole, but train."""
    data = batches("clusterer")
    _, whole = stepped(made("clusterer", frozen=False), data)
    model = made("clusterer", frozen=False, micro_batches=2)
    before = model.get_weights()
    losses, parts = stepped(model, data)
    assert np.isfinite(losses).all()
    assert max(np.abs(a - b).max() for a, b in zip(whole, parts, strict=True)) > 1e-3
    for a, b, v in zip(parts, before, model.weights, strict=True):
        assert np.isfinite(a).all()
        if v.name in ("kernel", "gamma", "moving_mean"):
            assert not np.array_equal(a, b), v.path


def test_training_in_parts_lowers_the_loss():
    model = made("clusterer", False, 2, keras.optimizers.Adam(3e-3))
    data = [batches("clusterer", 16)[-1]] * 12
    losses, _ = stepped(model, data)
    assert losses[-1] < losses[0] - 0.3


@pytest.mark.parametrize("eagerly", [True, False])
def test_a_batch_that_is_no_multiple_is_refused(eagerly):
    model = made("clusterer", micro_batches=3)
    model.run_eagerly = eagerly
    wanted = "a batch that is a multiple of 3 micro-batches; received batch=8"
    with pytest.raises(InputError, match=wanted):
        stepped(model, batches("clusterer")[:1])


def test_a_batch_of_unknown_size_is_refused_as_it_comes():
    model = made("clusterer", micro_batches=4)
    data = small.dataset_of(small.batches_of((8, 8, 5), 1))
    with pytest.raises(tf.errors.InvalidArgumentError, match="a multiple of 4 micro-batches"):
        model.fit(data, verbose=0)


def test_the_sum_is_over_all_parts():
    """Also in a graph, where parts come by a loop."""
    data = {"x": tf.range(12.0), "y": tf.reshape(tf.range(24.0), (12, 2))}

    def of(part):
        assert part["x"].shape[0] == 4
        return [tf.reduce_sum(part["x"] ** 2), part["y"][0]]

    for run in (MicroBatches(data, 3).sum, tf.function(lambda f: MicroBatches(data, 3).sum(f))):
        squares, firsts = run(of)
        assert float(squares) == sum(i * i for i in range(12))
        np.testing.assert_array_equal(firsts, [0 + 8 + 16, 1 + 9 + 17])


def test_the_number_of_parts_is_saved(tmp_path):
    model = made("clusterer", micro_batches=4)
    assert model.get_compile_config()["micro_batches"] == 4
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.micro_batches == 4
    with pytest.raises(InputError, match="at least 1 micro-batch; received micro_batches=0"):
        model.compile(micro_batches=0)


def test_two_replicas_in_parts_equal_one_device_whole(tmp_path):
    data = small.dataset_of(small.batches_of((8,), small.EPOCHS))
    alone = runs.trained(made("clusterer"), data)
    assert np.abs(alone["losses"]).max() > 1e-3
    assert np.max(alone["moved"]) > 1e-3
    file = tmp_path / "found.npz"
    command = [sys.executable, Path(runs.__file__), "2", file, "in_parts"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert ended.returncode == 0, ended.stderr[-3000:]
    with np.load(file) as kept:
        found = dict(kept)
    for key, value in alone.items():
        np.testing.assert_allclose(found[f"in_parts//{key}"], value, rtol=0, atol=1e-5)
    # BatchNormalization asks the other replica in every part.
    assert np.isfinite(found["in_parts/statistics/losses"]).all()
    assert np.abs(found["in_parts/statistics/losses"]).min() > 1e-3


@pytest.mark.parametrize(("parts", "eagerly"), [(1, True), (4, True), (2, False)])
def test_moving_statistics_move_once_a_step_however_many_parts(parts, eagerly):
    """0.9 of the old ones is left, and the new ones are the mean of the parts' own."""
    (batch,) = batches("clusterer")[:1]
    found = []
    trained = made("clusterer", frozen=False, micro_batches=parts)
    trained.run_eagerly = eagerly
    begun = trained.get_weights()
    moving = [v for v in trained.weights if v.name.startswith("moving")]
    for old in (0.0, 1e4):
        trained.set_weights(begun)
        for variable in moving:
            variable.assign(np.full(variable.shape, old, np.float32))
        stepped(trained, [batch])
        found.append([v.numpy() for v in moving])
    for nothing, kept in zip(*found, strict=True):
        np.testing.assert_allclose((kept - nothing) / 1e4, 0.9, rtol=1e-5)
    # The first layer's statistics are those of its inputs, whatever the parts.
    model = made("clusterer", frozen=False)
    norm = next(layer for layer in model._flatten_layers() if hasattr(layer, "moving_mean"))
    means = []
    for i in range(parts):
        one = {k: v[i * (8 // parts) : (i + 1) * (8 // parts)] for k, v in batch.items()}
        norm.moving_mean.assign(np.zeros(norm.moving_mean.shape))
        model.sums(one, ("main",), training=True)
        means.append(norm.moving_mean.numpy())
    mine = next(layer for layer in trained._flatten_layers() if hasattr(layer, "moving_mean"))
    trained.set_weights(begun)
    stepped(trained, [batch])
    np.testing.assert_allclose(mine.moving_mean, np.mean(means, 0), rtol=1e-4, atol=1e-6)
