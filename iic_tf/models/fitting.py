"""What is fitted beside the steps: before an epoch and behind it."""

from __future__ import annotations

from collections.abc import Iterable

import keras
import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Logs
from iic_tf.views.numbered_batches import NumberedBatches


class Fit(keras.callbacks.Callback):  # type: ignore[misc]
    """Let a model fit something to its features before and behind each epoch.

    The model has `before_epoch(pairs, epoch)` and `after_epoch(pairs, epoch)`. What they fit
    follows from the weights, the pairs' seed and the epoch alone, so that a resumed run fits the
    same. Under a strategy every process fits all of it.

    Args:
        pairs: the pairs of the training.

    Examples:
        `model.fit(pairs, epochs=10, callbacks=[Fit(pairs)])`
    """

    def __init__(self, pairs: NumberedBatches):
        super().__init__()
        self.pairs = pairs

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.before_epoch(self.pairs, epoch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.after_epoch(self.pairs, epoch)


def drawn_rows(
    parts: Iterable[NDArray[np.floating]], most: int, rng: np.random.Generator
) -> NDArray[np.floating]:
    """Rows drawn evenly from all of some arrays, in their order, without holding all of them.

    Args:
        parts: one array after another, `[n, d]`.
        most: how many rows; all where there are no more.
        rng: what draws them.

    Returns:
        `[rows, d]`.
    """
    rows: list[NDArray[np.floating]] = []
    draws: list[NDArray[np.float64]] = []
    limit = np.inf
    # Those of the lowest numbers stay; sorted out when they have become twice as many as wanted.
    for part in parts:
        own = rng.random(len(part))
        rows.append(part[own < limit])
        draws.append(own[own < limit])
        if sum(map(len, rows)) > 2 * most:
            kept, drawn = _lowest(rows, draws, most)
            rows, draws, limit = [kept], [drawn], drawn.max()
    return _lowest(rows, draws, most)[0]


def _lowest(
    rows: list[NDArray[np.floating]], draws: list[NDArray[np.float64]], most: int
) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
    every, numbers = np.concatenate(rows), np.concatenate(draws)
    if len(numbers) <= most:
        return every, numbers
    kept = np.sort(np.argpartition(numbers, most)[:most])
    return every[kept], numbers[kept]
