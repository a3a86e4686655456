"""Numbers within a range, of those who build views: whatever else came is refused by its name."""

from __future__ import annotations

import math

import numpy as np

from iic_tf.errors import expected


def check_number(value: object, what: str, name: str, low: float, high: float) -> None:
    """Refuse what is no number from `low` to `high`: text, a truth value, NaN, infinity, a list.

    Args:
        value: what came.
        what: what it must be, for the message.
        name: what it is called.
        low: the least.
        high: the most.

    Raises:
        InputError: it is something else.
    """
    if (
        not isinstance(value, int | float | np.integer | np.floating)
        or isinstance(value, bool)
        or not low <= value <= high
        or not math.isfinite(value)
    ):
        raise expected(what, value, name)
