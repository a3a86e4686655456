"""What goes with every `fit`: draws and turns that follow Keras' epoch, and sound steps."""

from __future__ import annotations

import keras

from iic_tf.annotations import Logs
from iic_tf.errors import InputError
from iic_tf.models.soundness import UnsoundStep
from iic_tf.views.numbered_batches import NumberedBatches


class Epochs:
    """The epochs that the batches of a fit carry.

    Attributes:
        least: that of the first of them, at least.
        seen: those that there were.
    """

    def __init__(self) -> None:
        self.least = 0
        self.seen: set[int] = set()

    def met(self, epoch: int) -> int:
        """Note the epoch of a batch, and return it.

        Raises:
            InputError: it is one before that which Keras begins at.
        """
        if epoch < self.least:
            raise InputError(
                f"Expected batches of epoch {self.least}, where fit begins by initial_epoch or "
                "BackupAndRestore: fit(pairs, ...) follows Keras' epoch, pairs.dataset(first, last)"
                f" begins at the batch that it is told; received batches of epoch {epoch}."
            )
        self.seen.add(epoch)
        return epoch


class Course(keras.callbacks.Callback):  # type: ignore[misc]
    """The first of the callbacks of a `fit`.

    Pairs go on from the epoch that they are at where Keras begins at its epoch 0. Where Keras
    begins later, by `fit(initial_epoch=...)` or `BackupAndRestore`, theirs is Keras'.

    Args:
        data: what is fitted to.

    Raises:
        InputError: while fitting: a step that is not sound; pairs that begin at another epoch than
            Keras; a main head whose turn never comes.
    """

    def __init__(self, data: object):
        super().__init__()
        self.pairs = data if isinstance(data, NumberedBatches) else None
        self.behind: int | None = None
        self.done = 0

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.model.soundness.explain = UnsoundStep.error
        self.model.epochs.seen.clear()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.soundness.begin(epoch)
        self.model.epochs.least = epoch if self.behind is None else 0
        if self.pairs is None:
            self.behind = 0
            return
        if self.behind is None:
            self.behind = self.pairs.epoch if epoch == 0 else self._restored(epoch)
        self.pairs.epoch = self.behind + epoch

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.done += 1
        self.model.soundness.look()
        self.model.check_turns_taken(self.done)

    def _restored(self, epoch: int) -> int:
        assert self.pairs is not None
        if self.pairs.first_epoch not in (0, epoch):
            raise InputError(
                f"Expected pairs that begin at epoch 0, or at {epoch} where fit does, by "
                "initial_epoch or BackupAndRestore (their epoch is Keras' then); received pairs of "
                f"epoch={self.pairs.first_epoch}."
            )
        return 0
