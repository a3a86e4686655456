"""Writing a file or a folder beside its place, and moving it there once it is whole."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

_LONGEST = 50
"""Characters of a name that its temporary one repeats: most file systems end at 255 bytes."""


@contextlib.contextmanager
def replacing(path: Path, durable: bool = False) -> Iterator[Path]:
    """Give a temporary path beside `path`; what the body makes there replaces it in the end.

    The body makes a file or a folder, as it likes, and so with the usual permissions. If it
    raises, nothing of it is left behind, folders made for it included, and what was at `path` is
    untouched.

    Args:
        path: where it goes; a file replaces a file, a folder a folder.
        durable: wait until all of it is on the disk before it is moved, and until the move is: a
            rename may overtake what was written, and a power cut would leave a broken one.

    Yields:
        A hidden path of the same suffix, with nothing there yet.

    Raises:
        OSError: a full disk, say; a file where a folder is, or the other way round; the body made
            nothing.
    """
    with folders_for(path):
        new = _hidden(path)
        try:
            yield new
            if durable:
                for part in (new, *new.rglob("*")):
                    _to_disk(part)
            _move(new, path, durable)
        finally:
            _delete(new)


@contextlib.contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give a hidden folder beside `path` for what is needed on the way there.

    In the end it is deleted with all that is in it; `clear_left` does so after a kill.
    """
    room = _hidden(path.with_suffix(""))
    room.mkdir()
    try:
        yield room
    finally:
        _delete(room)


@contextlib.contextmanager
def folders_for(path: Path) -> Iterator[None]:
    """Make the folders above, and take those away again if the body raises."""
    made = [f for f in path.parents if not f.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in made:
            # Another process may have put something there meanwhile.
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


def _hidden(path: Path) -> Path:
    # The suffix stays: Keras chooses the format by it. The dot in front hides it from whoever
    # lists the folder: TensorFlow Serving, for one, watches it for names that are numbers. Drawn
    # by `secrets`, which no seed makes the same in two processes.
    whose = f"{_host()}-{os.getpid()}-{secrets.token_hex(4)}"
    return path.with_name(f".{path.stem[:_LONGEST]}-{whose}{path.suffix}")


def _host() -> str:
    """The machine, in a few letters that any file system takes."""
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:6]


_HIDDEN = re.compile(r"\..+-(?P<host>[0-9a-f]{6})-(?P<process>\d{1,9})-[0-9a-f]{8}(\.[^.]*)?")
"""What `_hidden` names."""

_EARLIER = re.compile(r"\.(best|config|metrics|losses|evaluation)-[0-9a-f]{8}\.[a-z]+")
"""What versions before called temporary files of a run folder."""

_OLD = 7 * 24 * 3600
"""Seconds after which nobody is still writing."""


def clear_left(*folders: Path) -> None:
    """Delete temporary files and folders that killed processes left in these folders.

    Those of processes that live, or of other machines within the last week, stay.
    """
    for folder in folders:
        with contextlib.suppress(OSError):
            for path in list(folder.iterdir()):
                if _is_left(path):
                    _delete(path)


def _is_left(path: Path) -> bool:
    found = _HIDDEN.fullmatch(path.name)
    if found is None and not _EARLIER.fullmatch(path.name):
        return False
    if found is not None and found["host"] == _host() and not _lives(int(found["process"])):
        return True
    with contextlib.suppress(OSError):
        return time.time() - path.lstat().st_mtime > _OLD
    return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _move(new: Path, path: Path, durable: bool) -> None:
    aside = None
    if new.is_dir() and path.is_dir():
        # A folder that holds files cannot be replaced in one step.
        aside = _hidden(path)
        os.replace(path, aside)
    try:
        os.replace(new, path)
    except BaseException:
        if aside is not None:
            os.replace(aside, path)
        raise
    if durable:
        _to_disk(path.parent)
    if aside is not None:
        _delete(aside)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
        return
    # What the body raised, a vanished disk say, must not be hidden by what comes of it here.
    with contextlib.suppress(OSError):
        path.unlink()


def _to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
