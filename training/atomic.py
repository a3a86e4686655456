"""Writing a file or a folder beside its place, and moving it there once it is whole."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
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
    with _folders_for(path):
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
def _folders_for(path: Path) -> Iterator[None]:
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
    return path.with_name(f".{path.stem[:_LONGEST]}-{secrets.token_hex(4)}{path.suffix}")


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
