"""Where predictions go, and that they replace nothing they were made from."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

from iic_tf.errors import InputError
from iic_tf.training.atomic import clear_left


def make_folder(out: Path, images: Path, inputs: Iterable[Path], written: Collection[str]) -> Path:
    """Make the folder, or take one that is there.

    Args:
        out: the folder.
        images: where the images came from.
        inputs: the files of the images and of their masks.
        written: names of the files that will be written.

    Raises:
        InputError: a file is in the way, the results would lie among the images or replace one of
            them or of their masks, or the folder cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"Expected a folder for the results; received the file {out}.")
    if images.is_dir() and out.exists() and out.samefile(images):
        raise InputError(
            f"Expected another folder for the results than that of the images; received {out}. "
            "What is written would be taken for images the next time."
        )
    for file in inputs:
        if file.name in written and out.exists() and out.samefile(file.parent):
            raise InputError(
                f"Expected another folder for the results; received {out}, where they would "
                f"replace '{file}'."
            )
    clear_left(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Expected a folder to write to; received {out}: {error}.") from error
    return out
