"""Finding the images in a folder and the folders within it, and saying what was left out."""

from __future__ import annotations

import fnmatch
import os
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from iic_tf.data.outputs import is_run, own_files
from iic_tf.errors import InputError

IMAGE_LIKE = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".tif", ".tiff", ".gif", ".webp", ".bmp", ".jp2"}
    | {".j2k", ".jpx", ".heic", ".heif", ".avif", ".jxl", ".ppm", ".pgm", ".pnm", ".tga", ".exr"}
    | {".psd", ".dng", ".cr2", ".nef", ".img", ".vrt", ".ecw", ".sid"}
)
"""Suffixes of images; of those that are not read it is said that they were left out."""

_OWN = "written by iic-tf itself"
_HIDDEN = "hidden (a name that begins with a dot)"
_BROKEN = "broken (a link that leads nowhere)"
_UNREAD = "of a kind that is not read"
_CLOSED = "not readable"


@dataclass
class Found:
    """The images that were found, and what was not taken for one.

    Attributes:
        root: the folder.
        files: paths of the images below the folder, sorted, each with `root` in front.
        left_out: paths within the folder by the reason.
    """

    root: Path
    files: list[Path] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)

    def leave_out(self, reason: str, path: PurePath | str) -> None:
        self.left_out.setdefault(reason, []).append(str(path))

    @property
    def notes(self) -> tuple[str, ...]:
        """A line for each reason: how many were left out, and which one came first."""
        return tuple(
            f"left out of '{self.root}': {len(paths)} {reason}, such as '{min(paths)}'"
            for reason, paths in sorted(self.left_out.items())
        )


def composed(text: str) -> str:
    """Text in Unicode's composed form (NFC): file systems differ in how they store an umlaut."""
    return unicodedata.normalize("NFC", text)


def find(root: Path, suffixes: Collection[str], glob: str | None = None) -> Found:
    """All images below a folder, but for hidden ones and what this program wrote.

    Links to files and folders are followed; a folder is looked into once, however many links lead
    to it, and under its own name where it has one below `root`.

    Args:
        root: the folder.
        suffixes: of the files that are read, in small letters, with their dots.
        glob: a pattern that paths within `root` must match, such as "*/images/*.jpg"; `**` stands
            for any folders. None for all.

    Raises:
        InputError: a pattern that leads out of the folder.
    """
    found = Found(root)
    pattern = None if not glob else _pattern(root, glob)
    for folder, names in _folders(found):
        within = folder.relative_to(root)
        own = own_files(folder, names)
        for name in names:
            suffix = os.path.splitext(name)[1].lower()
            if suffix in IMAGE_LIKE or suffix in suffixes:
                if pattern is not None and not _fits(within / name, pattern):
                    continue
            elif suffix or name.startswith(".") or os.path.exists(folder / name):
                continue  # No image; but a link that leads nowhere may have been a folder.
            if name in own:
                found.leave_out(_OWN, within / name)
            elif name.startswith("."):
                found.leave_out(_HIDDEN, within / name)
            elif suffix and suffix not in suffixes:
                found.leave_out(f"{_UNREAD} ({suffix})", within / name)
            elif os.path.isfile(path := folder / name):
                found.files.append(path)
            elif os.path.islink(path):
                found.leave_out(_BROKEN, within / name)
    found.files.sort()
    return found


def _folders(found: Found) -> Iterator[tuple[Path, list[str]]]:
    """Each folder that may hold data, with the names of its files."""
    seen: set[tuple[int, int]] = set()
    waiting = [found.root]
    while waiting:
        # Folders first, links to folders when all others are done: so a folder keeps its own name.
        links: list[Path] = []
        for top in sorted(waiting):
            for here, folders, names in os.walk(top, onerror=lambda e: _closed(found, e)):
                folder = Path(here)
                status = os.stat(folder)
                if (status.st_dev, status.st_ino) in seen:
                    folders.clear()
                    continue
                seen.add((status.st_dev, status.st_ino))
                if is_run(folder, [*folders, *names]):
                    _leave_out_run(found, folder)
                    folders.clear()
                    continue
                hidden = [name for name in folders if name.startswith(".")]
                for name in hidden:
                    if _holds_images(folder / name):
                        found.leave_out(_HIDDEN, (folder / name).relative_to(found.root))
                linked = [n for n in folders if os.path.islink(folder / n)]
                links += [folder / name for name in linked if name not in hidden]
                folders[:] = [n for n in folders if n not in hidden and n not in linked]
                yield folder, names
        waiting = links


def _closed(found: Found, error: OSError) -> None:
    place = Path(error.filename or found.root)
    found.leave_out(f"{_CLOSED} ({error.strerror})", os.path.relpath(place, found.root))


def _leave_out_run(found: Found, folder: Path) -> None:
    for here, _, names in os.walk(folder):
        for name in names:
            if os.path.splitext(name)[1].lower() in IMAGE_LIKE:
                found.leave_out(_OWN, (Path(here) / name).relative_to(found.root))


def _holds_images(folder: Path) -> bool:
    try:
        return any(os.path.splitext(name)[1].lower() in IMAGE_LIKE for name in os.listdir(folder))
    except OSError:
        return False


def _pattern(root: Path, glob: str) -> list[str]:
    parts = [part for part in composed(glob).replace(os.sep, "/").split("/") if part != "."]
    outside = os.path.isabs(glob) or ".." in parts
    if outside or any("**" in part and part != "**" for part in parts):
        raise InputError(
            f"Expected a pattern within '{root}', such as '*/images/*.jpg'; received {glob!r}."
        )
    return parts


def _fits(path: PurePath, pattern: Sequence[str]) -> bool:
    return _matches(composed(path.as_posix()).split("/"), pattern)


def _matches(parts: Sequence[str], pattern: Sequence[str]) -> bool:
    if not pattern:
        return not parts
    if pattern[0] == "**":
        return any(_matches(parts[i:], pattern[1:]) for i in range(len(parts) + 1))
    return (
        bool(parts)
        and fnmatch.fnmatchcase(parts[0], pattern[0])
        and _matches(parts[1:], pattern[1:])
    )
