"""Draws and turns follow Keras' epoch, whichever way `fit` comes to it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from made_up import clustering_batch, noise_pairs, same, small_clusterer, small_segmenter
from test_keras_ways import clusterer, epochs_of

from iic_tf.errors import InputError

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


class Epochs(keras.callbacks.Callback):
    """The epoch that pairs are at in each of Keras'."""

    def __init__(self, pairs: Any, stop: int | None = None):
        super().__init__()
        self.pairs = pairs
        self.stop = stop
        self.seen: list[tuple[int, int]] = []

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.stop:
            raise KeyboardInterrupt
        self.seen.append((epoch, self.pairs.epoch))


def seen(model: Any, pairs: Any, *callbacks: Any, **options: Any) -> list[tuple[int, int]]:
    watch = Epochs(pairs)
    model.fit(pairs, verbose=0, callbacks=[*callbacks, watch], **options)
    return watch.seen


def test_draws_and_turns_follow_keras_epoch() -> None:
    model = small_segmenter()
    model.compile(keras.optimizers.SGD(0.1))
    pairs = noise_pairs(steps=1)
    assert seen(model, pairs, epochs=2) == [(0, 0), (1, 1)]
    assert seen(model, pairs, epochs=1) == [(0, 2)]
    assert seen(model, noise_pairs(steps=1), epochs=5, initial_epoch=3) == [(3, 3), (4, 4)]
    assert model.epochs.seen == {3, 4}
    assert seen(model, noise_pairs(steps=1, epoch=4), epochs=2) == [(0, 4), (1, 5)]
    given = noise_pairs(steps=1, epoch=3)
    assert seen(model, given, epochs=4, initial_epoch=3) == [(3, 3)]
    with pytest.raises(InputError, match=r"begin at epoch 0, or at 3 .* received pairs of epoch=4"):
        seen(model, noise_pairs(steps=1, epoch=4), epochs=4, initial_epoch=3)
    with pytest.raises(InputError, match=r"batches of epoch 3, .* received batches of epoch 0"):
        model.fit(noise_pairs(steps=1).dataset(0, 1), initial_epoch=3, epochs=4, verbose=0)


def test_a_list_of_callbacks_serves_several_fits() -> None:
    model = small_segmenter(turns=("both",))
    model.compile(keras.optimizers.SGD(0.1))
    pairs = noise_pairs(steps=1)
    watch = Epochs(pairs)
    every = keras.callbacks.CallbackList([watch], add_history=True, model=model, epochs=2)
    for _ in range(2):
        model.fit(pairs, epochs=2, callbacks=every, verbose=0)
    assert watch.seen == [(0, 0), (1, 1), (0, 2), (1, 3)]


def test_only_fit_moves_pairs_on() -> None:
    model = small_segmenter(turns=("both",))
    model.compile(keras.optimizers.SGD(0.0))
    pairs, held_out = noise_pairs(steps=2), noise_pairs(steps=2, seed=7)
    losses = model.fit(pairs, epochs=2, validation_data=held_out, verbose=0).history["val_loss"]
    assert (pairs.epoch, held_out.epoch) == (2, 0)
    model.evaluate(pairs, verbose=0)
    model.predict(pairs, verbose=0)
    assert pairs.epoch == 2
    # Of the same batches, but for what normalisation has seen meanwhile.
    first, again = (model.evaluate(held_out, verbose=0, return_dict=True) for _ in range(2))
    assert first == again
    assert len(losses) == 2


def test_an_epoch_of_pairs_is_whole() -> None:
    model = small_segmenter(turns=("both",))
    model.compile(keras.optimizers.SGD(0.1))
    pairs = noise_pairs(steps=3)
    for steps in (2, 4):
        with pytest.raises(InputError, match="3 batches"):
            model.fit(pairs, epochs=3, steps_per_epoch=steps, verbose=0)
    model.fit(pairs, epochs=3, steps_per_epoch=3, verbose=0)
    assert (model.epochs.seen, pairs.epoch) == ({0, 1, 2}, 3)


def test_single_batches_are_of_any_epoch() -> None:
    model = clusterer()
    with pytest.raises(ValueError, match="compile"):
        model.train_on_batch(clustering_batch())
    model.compile()
    model.fit(epochs_of(1, 4).skip(3), initial_epoch=3, epochs=4, verbose=0)
    assert np.isfinite(model.train_on_batch(clustering_batch()))


def test_backup_and_restore_ends_as_if_it_had_never_stopped(tmp_path: Any) -> None:
    found = []
    for stop in (None, 2):
        keras.utils.set_random_seed(0)
        model = small_segmenter()
        model.compile(keras.optimizers.SGD(0.1))
        backup = keras.callbacks.BackupAndRestore(tmp_path / str(stop))
        pairs = noise_pairs(steps=1)
        if stop is not None:
            given = [backup, Epochs(pairs, stop)]
            with pytest.raises(KeyboardInterrupt):
                model.fit(pairs, epochs=4, callbacks=given, verbose=0)
            keras.utils.set_random_seed(5)
            model = small_segmenter()
            model.compile(keras.optimizers.SGD(0.1))
            backup = keras.callbacks.BackupAndRestore(tmp_path / str(stop))
            pairs = noise_pairs(steps=1)
        model.fit(pairs, epochs=4, callbacks=[backup], verbose=0)
        found.append(model.get_weights())
    assert same(*found)


def test_a_main_head_whose_turn_never_comes_is_told() -> None:
    model = small_clusterer()
    model.compile()
    constant = epochs_of(2, 1)
    model.fit(constant, epochs=1, verbose=0)
    with pytest.raises(InputError, match="received epoch 0 in all of 2 epochs"):
        model.fit(constant, epochs=3, verbose=0)
    model.fit(epochs_of(2, 3), epochs=3, steps_per_epoch=2, verbose=0)
    both = small_clusterer(turns=("both",))
    both.compile()
    both.fit(constant, epochs=2, verbose=0)
