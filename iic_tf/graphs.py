"""Functions of tensors as TensorFlow's graphs, as they are written.

AutoGraph would rewrite the source of each function on the way, of every command anew, which takes
seconds before the first step. Nothing here needs it: there is no `if` and no loop over tensors
but `tf.cond` and `tf.while_loop`.
"""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import tensorflow as tf

F = TypeVar("F")

as_graph: Any = functools.partial(tf.function, autograph=False, reduce_retracing=True)
"""`tf.function` without AutoGraph; takes its further arguments, as `input_signature`."""


def as_written(function: F) -> F:
    """A function that those who trace it, `tf.data` for one, take as it is written."""
    found: F = tf.autograph.experimental.do_not_convert(function)
    return found
