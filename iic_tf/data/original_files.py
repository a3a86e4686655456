"""What the loaders of the well-known data sets share: finding their original files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from iic_tf.errors import DataMissingError


def existing_folder(folder: str | Path, fetch: str) -> Path:
    """The folder, if there is one.

    Args:
        folder: where the user says the data lie.
        fetch: what to fetch, from whom, and how to lay it out; the message's second half.

    Raises:
        DataMissingError: there is nothing, or a file.
    """
    folder = Path(folder).expanduser()
    if folder.is_dir():
        return folder
    came = "a file" if folder.exists() else "no such folder"
    raise DataMissingError(f"Expected a folder at '{folder}'; received {came}. {fetch}")


def inside(folder: Path) -> str:
    """What lies in a folder, in few words, for messages."""
    names = sorted(path.name for path in folder.iterdir())
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"a folder with {', '.join(names[:8])}{more}" if names else "an empty folder"


def first_file(places: Sequence[Path], names: Sequence[str]) -> Path | None:
    """The first file of one of these names in one of these folders."""
    for place in places:
        for name in names:
            if (place / name).is_file():
                return place / name
    return None
