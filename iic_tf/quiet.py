"""Loading TensorFlow without its start-up notes, which its C++ parts write past Python."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_chosen_here = False
"""Whether how much TensorFlow tells was chosen here, and not by the user."""


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Silence file descriptor 2, unless the user chose TF_CPP_MIN_LOG_LEVEL.

    Python's own errors are exceptions and pass. Where the descriptor can't be replaced (an unusual
    host program), notes are shown.
    """
    global _chosen_here
    if _LEVEL not in os.environ:
        os.environ[_LEVEL] = "2"
        _chosen_here = True
    if not _chosen_here:
        yield
        return
    try:
        sys.stderr.flush()
        kept = os.dup(2)
    except (OSError, AttributeError):
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def meet_halves() -> None:
    """Let TensorFlow say, unheard, what it says of the first float16 in a process.

    That oneDNN leaves these to others on this processor. Nothing here is computed in them without
    a recipe that asks for it: kept features are stored so, and cast.
    """
    import tensorflow as tf

    with without_notes():
        tf.cast(tf.zeros((), tf.float16), tf.float32)


def load_tensorflow() -> None:
    """Import TensorFlow and look for devices once, quietly."""
    if "tensorflow" in sys.modules:
        return
    with without_notes():
        import tensorflow as tf

        # The notes about missing GPUs come when devices are first looked for.
        tf.config.list_physical_devices()
