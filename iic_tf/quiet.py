"""Loading TensorFlow without its start-up notes, which its C++ parts write past Python."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Silence file descriptor 2, unless the user chose TF_CPP_MIN_LOG_LEVEL.

    Python's own errors are exceptions and pass. Where the descriptor can't be replaced (an unusual
    host program), notes are shown.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
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


def load_tensorflow() -> None:
    """Import TensorFlow and look for devices once, quietly."""
    if "tensorflow" in sys.modules:
        return
    with without_notes():
        import tensorflow as tf

        # The notes about missing GPUs come when devices are first looked for.
        tf.config.list_physical_devices()
