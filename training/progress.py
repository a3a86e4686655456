"""How far a long command has come, with the time left: bars on a terminal, nothing elsewhere.

Bars are on standard error and only there while the work goes on. What is printed meanwhile appears
above them. Bars within bars stand below one another.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Sized
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich import progress as rich_progress
    from rich.console import Console

T = TypeVar("T")


class Bar:
    """One bar; without a terminal it does nothing."""

    def __init__(
        self,
        display: rich_progress.Progress | None = None,
        task: rich_progress.TaskID | None = None,
    ):
        self._display = display
        self._task = task

    def advance(self, n: float = 1) -> None:
        """So much more is done."""
        if self._display is not None and self._task is not None:
            self._display.advance(self._task, n)

    def note(self, text: str) -> None:
        """Show a few words behind the figures, such as the loss."""
        if self._display is not None and self._task is not None:
            self._display.update(self._task, note=text)


@contextlib.contextmanager
def progress(what: str, total: float | None = None) -> Iterator[Bar]:
    """Show a bar for as long as the body runs, however it ends.

    Args:
        what: the work, in a word or two.
        total: how often `advance` will be called, or the sum of what it gets; None where nobody
            knows: the bar then says for how long the work has been going on.

    Yields:
        The bar, to be advanced.
    """
    with _display() as display:
        if display is None:
            yield Bar()
            return
        task = display.add_task(what, total=total, note="")
        try:
            yield Bar(display, task)
        finally:
            display.remove_task(task)


def track(iterable: Iterable[T], what: str, total: float | None = None) -> Iterator[T]:
    """Go over something under a bar.

    Args:
        iterable: what is gone over.
        what: the work, in a word or two.
        total: how many there are; None: as many as it says itself, where it does.

    Yields:
        What `iterable` does. Each counts as done once the next is asked for.
    """
    if total is None and isinstance(iterable, Sized):
        total = len(iterable)
    with progress(what, total) as bar:
        for one in iterable:
            yield one
            bar.advance()


def clock(seconds: float) -> str:
    """Minutes and seconds, `3:07`."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def terminal() -> Console | None:
    """Standard error, where it is a terminal on which something can be shown and taken away."""
    if not sys.stderr.isatty():
        return None
    try:
        from rich.console import Console
    except ImportError:
        # Bars are a convenience: predictions by ONNX alone go without.
        return None
    # Lines printed meanwhile are left as they are: the terminal breaks them, and not at words.
    console = Console(stderr=True, soft_wrap=True)
    return console if console.is_terminal and not console.is_dumb_terminal else None


_shown: rich_progress.Progress | None = None
"""What is on the terminal: one display for all bars, for two would write over each other."""


@contextlib.contextmanager
def _display() -> Iterator[rich_progress.Progress | None]:
    global _shown
    if _shown is not None:
        yield _shown
        return
    console = terminal()
    if console is None:
        yield None
        return
    from iic_tf.training.bars import bars

    display = bars(console)
    try:
        with display:
            _shown = display
            yield display
    finally:
        _shown = None
