"""Where predictions go, and that they replace nothing they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from iic_tf.data.file_scene import FileScene
from iic_tf.data.scene import Scene
from iic_tf.errors import InputError

_PARTS = ("labels.png", "labels.tif", "overlay.jpg", "confidence.png")


def make_folder(out: Path, images: Path, scenes: Sequence[Scene]) -> Path:
    """Make the folder, or take one that is there.

    Args:
        out: the folder.
        images: where the images came from.
        scenes: what will be predicted.

    Raises:
        InputError: a file is in the way, the results would lie among the images or replace one of
            them or of their masks, or the folder cannot be made.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"Expected a folder for the results; received the file {out}.")
    if images.is_dir() and out.exists() and out.samefile(images):
        raise InputError(
            f"Expected another folder for the results than that of the images; received {out}. "
            "The label maps would be taken for images the next time."
        )
    written = {f"{s.name}_{part}" for s in scenes for part in _PARTS} | {"sheet.png"}
    for file in _inputs(scenes):
        if file.name in written and out.exists() and out.samefile(file.parent):
            raise InputError(
                f"Expected another folder for the results; received {out}, where they would "
                f"replace '{file}'."
            )
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Expected a folder to write to; received {out}: {error}.") from error
    return out


def _inputs(scenes: Sequence[Scene]) -> Iterator[Path]:
    for scene in scenes:
        if isinstance(scene, FileScene):
            yield scene.image.path
            if scene.mask is not None:
                yield scene.mask.path
