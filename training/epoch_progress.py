"""What is told of a training while it goes on: a bar within an epoch, a line after it."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import keras

from iic_tf.annotations import Logs
from iic_tf.training.progress import Bar, clock, progress

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import Monitor

COLLAPSE = 0.95
"""A cluster above this share for a whole epoch counts as collapse."""

_BARS = " ▁▂▃▄▅▆▇█"


class Progress(keras.callbacks.Callback):  # type: ignore[misc]
    """A line an epoch, and within it, on a terminal, the steps done and the time left.

    `close` takes the bar away where an epoch ends by an error, of which Keras tells no callback.
    """

    async_safe = True
    """Keras may call it in a thread of its own, where waiting for a loss holds up no step."""

    def __init__(self, say: Callable[[str], None], epochs: int, steps: int, first: int = 0):
        super().__init__()
        self.say = say
        self.epochs = epochs
        self.steps = steps
        self.first = first
        self.started = time.monotonic()
        self.bar = Bar()
        self.shown = contextlib.ExitStack()

    def on_train_begin(self, logs: Logs | None = None) -> None:
        # Without what was prepared for the first step.
        self.started = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        name = f"epoch {epoch + 1}/{self.epochs}"
        self.bar = self.shown.enter_context(progress(name, self.steps))

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        self.bar.advance()
        self.bar.note(f"loss {float((logs or {}).get('loss', math.nan)):.4f}")

    def close(self) -> None:
        self.shown.close()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.close()
        logs = logs or {}
        done = epoch + 1
        spent = time.monotonic() - self.started
        left = spent / (done - self.first) * (self.epochs - done)
        monitors = logs["monitors"]
        told = "  ".join(
            f"{name} {min(monitor.losses):.3f} {lowest(monitor.bound)}{of_crops(monitor)}"
            for name, monitor in monitors.items()
        )
        first = next(iter(monitors.values()))
        shares = first.shares[first.chosen]
        line = (
            f"epoch {done:>3}/{self.epochs}  {told}  shares {bars(shares)} "
            f"(largest {max(shares):.2f})  {clock(spent)}, {clock(left)} left"
        )
        self.say(line + ("  best so far" if logs.get("is_lowest") else ""))
        for name, monitor in monitors.items():
            largest = max(monitor.shares[monitor.chosen])
            if largest > COLLAPSE:
                self.say(
                    f"  warning: one cluster of the {name} head holds "
                    f"{largest:.0%} of everything (collapse). A larger lamb, "
                    "a larger batch or a lower rate usually helps."
                )


def of_crops(monitor: Monitor) -> str:
    """How much of what the clusters tell is which crop a pixel lies in, where that is measured."""
    return f" (crop {monitor.crops[monitor.chosen]:.2f})" if monitor.crops else ""


def bars(shares: Sequence[float]) -> str:
    """Cluster shares as a row of little bars; a full bar is the whole image."""
    top = len(_BARS) - 1
    return "".join(_BARS[max(1, min(top, round(s * top)))] for s in shares)


def lowest(bound: float) -> str:
    """`of −1.10`, to stand behind a loss: the lowest that it can be."""
    if not math.isfinite(bound):
        return "(no lowest value)"
    return f"of −{-bound:.2f}" if bound < 0 else f"of {bound + 0:.2f}"
