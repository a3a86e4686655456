"""Pages of a picture as files: `sheet.png`, `sheet-2.png`, ..."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from iic_tf.training.atomic import replacing


def page_paths(path: Path) -> list[Path]:
    """The pages of a picture that are there, in order; none where `path` is not."""
    found = []
    number = 1
    while (page := _page(path, number)).is_file():
        found.append(page)
        number += 1
    return found


def write_pages(path: Path, pages: Sequence[Image.Image]) -> list[Path]:
    """Write the pages, each whole or not at all, and delete further ones of before.

    Args:
        path: of the first page; the others have `-2`, `-3`, ... behind the name.
        pages: at least one.

    Returns:
        Their paths.
    """
    before = page_paths(path)
    written = [_page(path, number) for number in range(1, len(pages) + 1)]
    for page, picture in zip(written, pages, strict=True):
        with replacing(page) as temporary:
            picture.save(temporary)
    for left in before[len(pages) :]:
        left.unlink(missing_ok=True)
    return written


def _page(path: Path, number: int) -> Path:
    return path if number == 1 else path.with_stem(f"{path.stem}-{number}")
