"""How bars look on a terminal."""

from __future__ import annotations

import sys

from rich import progress as rich_progress
from rich.console import Console
from rich.text import Text

from iic_tf.training.progress import clock

_SPEED_SECONDS = 3600.0
"""The time left goes by the speed of so long: one image, or one epoch's step, may take minutes."""


class _Figures(rich_progress.ProgressColumn):
    """`12/100  0:07, 0:52 left  loss 1.2`, as far as it is known."""

    def render(self, task: rich_progress.Task) -> Text:
        counted = "" if task.total is None else f"{task.completed:.0f}/{task.total:.0f}  "
        # Unknown until two steps are done: the first, in which TensorFlow compiles, does not count.
        left = None if task.finished else task.time_remaining
        time_left = "" if left is None else f", {clock(left)} left"
        return Text(f"{counted}{clock(task.elapsed or 0)}{time_left}  {task.fields['note']}")


def bars(console: Console) -> rich_progress.Progress:
    """A display for bars that is taken away in the end."""
    return rich_progress.Progress(
        # No markup: a file's name may have brackets.
        rich_progress.TextColumn("{task.description}", markup=False),
        rich_progress.BarColumn(bar_width=24),
        _Figures(),
        console=console,
        transient=True,
        refresh_per_second=4,
        speed_estimate_period=_SPEED_SECONDS,
        # Lines that go to a file or a pipe still do.
        redirect_stdout=sys.stdout.isatty(),
    )
