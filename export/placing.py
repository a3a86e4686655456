"""Writing a file or a whole folder beside its place, and moving it there once it is good."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def placing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; what was written there replaces it in the end.

    If the body raises, nothing of it is left behind, folders made for it included, and what was at
    `path` is untouched.
    """
    made = _make_folders(path.parent)
    # The name begins with a dot and ends with no number: TensorFlow Serving, which watches the
    # folder above for numbers, does not see it.
    work = Path(tempfile.mkdtemp(prefix=f".{path.name}-", suffix=".tmp", dir=path.parent))
    try:
        yield work / path.name
        _move(work / path.name, path, work / "replaced")
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        for folder in reversed(made):
            # Another process may have put something there meanwhile.
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
    shutil.rmtree(work, ignore_errors=True)


def _make_folders(folder: Path) -> list[Path]:
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    return missing[::-1]


def _move(new: Path, path: Path, aside: Path) -> None:
    if not path.is_dir():
        os.replace(new, path)
        return
    # A folder that holds files cannot be replaced in one step.
    os.replace(path, aside)
    try:
        os.replace(new, path)
    except OSError:
        os.replace(aside, path)
        raise
