"""How far moving statistics move while a batch goes through a network in parts."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

from iic_tf.annotations import Size, Tensor

_pass = threading.local()


@contextlib.contextmanager
def one_part(number: Size, count: int) -> Iterator[None]:
    """While part `number` of `count`, from 0, goes through; all parts together move them once."""
    # Strategies trace each replica in a thread of its own.
    _pass.part = (number, count)
    try:
        yield
    finally:
        _pass.part = None


@contextlib.contextmanager
def resting() -> Iterator[None]:
    """While what has been through before goes through again: they stay as they are."""
    _pass.resting = True
    try:
        yield
    finally:
        _pass.resting = False


def kept_share(momentum: float) -> float | Tensor:
    """What is kept of the old statistics in this pass, of which a whole batch keeps `momentum`.

    Part j of n keeps e_j / e_(j+1) with e_j = m + (1 − m) j / n. Over all parts this multiplies to
    m, and each part's statistics get the weight (1 − m) / n: those of the batch are their mean.
    """
    if getattr(_pass, "resting", False):
        return 1.0
    part = getattr(_pass, "part", None)
    if part is None:
        return momentum
    number, count = part
    step = (1.0 - momentum) / count
    before = momentum + step * _float(number)
    return before / (before + step)


def _float(number: Size) -> float | Tensor:
    import tensorflow as tf

    return tf.cast(number, tf.float32) if tf.is_tensor(number) else float(number)
