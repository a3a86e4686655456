"""The training time of a run, which a budget ends.

What counts is what an epoch takes: its steps, what is fitted before and behind them, and its
evaluation by the unsupervised loss. What does not: reading images and computing a frozen trunk's
features beforehand, the first step of each phase, in which TensorFlow traces its graph, saving and
drawing, and the trial by which the time of a step is found.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from iic_tf.annotations import Logs

TRAINED = "trained_seconds"
"""The training time so far, a column of `metrics.csv` in runs with a budget."""


def now() -> float:
    """Seconds of a clock that never goes back."""
    return time.monotonic()


def trained_seconds(rows: Sequence[Mapping[str, Any]]) -> float:
    """The training time of epochs with these figures, 0 where none was kept."""
    return float(rows[-1].get(TRAINED, 0.0)) if rows else 0.0


class TrainingClock:
    """Counts the training time of a fit, and ends it behind the epoch that uses the budget up.

    `begins` stands before all that is fitted and `ends` behind the evaluation, among the callbacks.

    Args:
        seconds: those of the epochs before, in a run that is resumed.
        limit: of all of them; infinite: none.

    Attributes:
        seconds: so far.
        ended: whether the limit ended the fit.
    """

    def __init__(self, seconds: float = 0.0, limit: float = math.inf):
        self.seconds = seconds
        self.limit = limit
        self.ended = False
        self.begins: keras.callbacks.Callback = _Begins(self)
        self.ends: keras.callbacks.Callback = _Ends(self)
        self.started = self.step_started = 0.0
        self.traced = 0.0
        self.phases: set[str] = set()


class _Begins(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, clock: TrainingClock):
        super().__init__()
        self.clock = clock

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.clock.started, self.clock.traced = now(), 0.0


class _Ends(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, clock: TrainingClock):
        super().__init__()
        self.clock = clock
        self.new = False

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        phase = self.model.phase_of(epoch)
        self.new = phase not in self.clock.phases
        self.clock.phases.add(phase)
        self.clock.step_started = now()

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.new:
            self.clock.traced = now() - self.clock.step_started
            self.new = False

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        clock = self.clock
        clock.seconds += now() - clock.started - clock.traced
        if logs is not None:
            logs[TRAINED] = clock.seconds
        if clock.seconds >= clock.limit:
            clock.ended = True
            self.model.stop_training = True
