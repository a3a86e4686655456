"""What is fitted beside the steps: before an epoch and behind it."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.views.numbered_batches import NumberedBatches


class Fit(keras.callbacks.Callback):  # type: ignore[misc]
    """Let a model fit something to its features before and behind each epoch.

    The model has `before_epoch(pairs, epoch)` and `after_epoch(pairs, epoch)`. What they fit
    follows from the weights, the pairs' seed and the epoch alone, so that a resumed run fits the
    same. Under a strategy every process fits all of it.

    Args:
        pairs: the pairs of the training.

    Example:
        `model.fit(pairs, epochs=10, callbacks=[Fit(pairs)])`
    """

    def __init__(self, pairs: NumberedBatches):
        super().__init__()
        self.pairs = pairs

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.model.before_epoch(self.pairs, epoch)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.after_epoch(self.pairs, epoch)
