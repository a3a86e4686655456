"""One process at a time writes a run folder: a lock that goes with the process, however it ends."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from iic_tf.errors import InputError
from iic_tf.training.atomic import folders_for

try:
    import fcntl
except ImportError:  # Where there are no such locks, as on Windows.
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"


@contextlib.contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Hold a run folder, made if need be, for as long as the body runs.

    The operating system frees the lock of a process that was killed. Where a file system has no
    locks (some of networks), nothing is held.

    Raises:
        InputError: another process holds it, or it cannot be made.
    """
    file = folder / LOCK
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(folders_for(file))
        except OSError as error:
            raise InputError(
                f"Expected a folder to write to; received {folder}: {error}."
            ) from error
        handle = _locked(file)
        try:
            yield
        finally:
            if handle is not None:
                # While it is held: whoever opened it meanwhile sees that it has gone.
                with contextlib.suppress(OSError):
                    file.unlink()
                os.close(handle)


def _locked(file: Path) -> int | None:
    """The open file, locked; None where that cannot be."""
    while fcntl is not None:
        try:
            handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _is_there(file, handle):
                os.truncate(handle, 0)
                os.write(handle, f"process {os.getpid()} on {socket.gethostname()}".encode())
                return handle
        except BlockingIOError as error:
            who = os.read(handle, 200).decode("utf-8", "replace") or "another process"
            os.close(handle)
            raise InputError(
                f"Expected a run folder that nobody else writes to; received {file.parent}, where "
                f"{who} is training. Choose another --out, or wait."
            ) from error
        except OSError:
            os.close(handle)
            # Of no use here, and it would stay.
            with contextlib.suppress(OSError):
                file.unlink()
            return None
        os.close(handle)
    return None


def _is_there(file: Path, handle: int) -> bool:
    """Whether the file that is locked still is that of this path."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(file))
    except FileNotFoundError:
        return False
