"""Files of weights of keras.applications: from the user, from the cache, or fetched whole."""

from __future__ import annotations

import hashlib
import importlib
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from iic_tf.annotations import Tensor
from iic_tf.errors import InputError, expected
from iic_tf.networks.reached import not_reached

STALLED = 30.0
"""Seconds without a byte after which a download is given up."""

_FILES = "keras.src.utils.file_utils"
"""Where keras.applications looks its `get_file` up; nothing public says which file it wants."""


@contextmanager
def weights_from(file: Path | None) -> Iterator[None]:
    """Let keras.applications load its weights from a file, or fetch them whole or not at all.

    Args:
        file: taken in place of what it would fetch; None: what lies in Keras' cache, and else from
            the network, first beside its place and moved there when it is whole.

    Raises:
        InputError: from inside, no weights to be had: says what to fetch, and where it goes.
    """
    module: Tensor = importlib.import_module(_FILES)
    before: Callable[..., Any] = module.get_file

    def get_file(fname: str, origin: str, **options: Any) -> str:
        return str(file) if file is not None else _fetched(before, fname, origin, **options)

    module.get_file = get_file
    try:
        yield
    finally:
        module.get_file = before


def _fetched(
    fetch: Callable[..., str],
    fname: str,
    origin: str,
    cache_subdir: str = "models",
    file_hash: str | None = None,
    **_: Any,
) -> str:
    folder = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser() / cache_subdir
    place = folder / fname
    if place.is_file() and _is_whole(place, file_hash):
        return str(place)
    reason = not_reached(origin)
    if reason:
        raise _missing(origin, place, reason)
    waits = socket.getdefaulttimeout()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{fname}.", dir=folder) as beside:
            socket.setdefaulttimeout(STALLED)
            came = fetch(fname=fname, origin=origin, cache_subdir=beside, file_hash=file_hash)
            os.replace(came, place)
    except Exception as error:
        # Keras raises a bare Exception for what urllib does.
        raise _missing(origin, place, str(error)) from error
    finally:
        socket.setdefaulttimeout(waits)
    return str(place)


def _missing(origin: str, place: Path, reason: str) -> InputError:
    return expected(
        f"weights: fetch {origin} to {place}, or give --trunk-weights FILE or none", reason
    )


def _is_whole(place: Path, file_hash: str | None) -> bool:
    """Whether a file is what was published, as far as Keras says what that is."""
    if file_hash is None:
        return True
    kind = "md5" if len(file_hash) == 32 else "sha256"
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, kind).hexdigest() == file_hash
