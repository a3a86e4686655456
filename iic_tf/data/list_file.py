"""Lists of images: a text file with a path a line, wherever a folder is taken."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from iic_tf.data.finding import Found
from iic_tf.errors import DataMissingError, InputError

SUFFIX = ".txt"


def is_list(path: Path) -> bool:
    """Whether a path is a list of images, by its name."""
    return path.suffix.lower() == SUFFIX and path.is_file()


def read_list(path: Path, suffixes: Collection[str]) -> Found:
    """The images of a list, in its order.

    Paths are relative to the list's folder. Empty lines, and those that begin with #, say nothing.

    Args:
        path: the list.
        suffixes: of the files that are read, in small letters, with their dots.

    Returns:
        The images, below the deepest folder that holds them all; what is listed again is left out.

    Raises:
        DataMissingError: an image is not there.
        InputError: the list cannot be read, is empty, or names what is no image.
    """
    try:
        # Names of files may hold bytes that are no text.
        text = path.read_text(encoding="utf-8-sig", errors="surrogateescape")
    except OSError as error:
        raise InputError(f"Expected a list of images in '{path}'; received {error}.") from error
    files: dict[Path, str] = {}
    again: list[str] = []
    for number, line in enumerate(text.split("\n"), 1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        where = f"in line {number} of '{path}'"
        if "\0" in said:
            raise InputError(f"Expected a path {where}; received {said[:80]!r}.")
        file = Path(os.path.abspath(path.parent / said))
        if not file.exists():
            raise DataMissingError(f"Expected an image {where}; received '{said}', which is none.")
        if not file.is_file() or file.suffix.lower() not in suffixes:
            raise InputError(
                f"Expected an image ({', '.join(sorted(suffixes))}) {where}; received '{said}'."
            )
        if file in files:
            again.append(said)
        files[file] = said
    if not files:
        raise InputError(f"Expected a path of an image a line in '{path}'; received none.")
    root = Path(os.path.commonpath([file.parent for file in files]))
    found = Found(root, list(files))
    for said in again:
        found.leave_out(f"listed again in {path.name}", said)
    return found
