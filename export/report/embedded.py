"""Pictures within the page, in a size that all of them together can have."""

from __future__ import annotations

import base64
import io
from pathlib import Path

from PIL import Image

from iic_tf.export.report.markup import Html, joined, safe, tag

ROOM = 3_300_000
"""Bytes that all pictures of a page may take; as text they are a third longer."""

_ONE = 700_000
"""Bytes of one picture at most."""

_KINDS = {".png": "png", ".gif": "gif"}


class Embedding:
    """Puts pictures into a page until there is no room, and says which it had to leave out."""

    def __init__(self, room: int = ROOM):
        self.left = room
        self.omitted: list[str] = []

    def figure(self, paths: list[Path], alt: str, caption: object) -> Html:
        """The pages of a picture under each other, with a caption; nothing where none is there."""
        shown = [self._image(path, alt) for path in paths]
        images = [image for image in shown if image]
        if not images:
            return Html("")
        return tag("figure", joined(images), tag("figcaption", safe(caption)))

    def _image(self, path: Path, alt: str) -> Html | None:
        try:
            found = _encoded(path)
        except (OSError, ValueError, Image.DecompressionBombError):
            self.omitted.append(f"{path.name}, which cannot be read")
            return None
        kind, data, (width, height) = found
        if len(data) > self.left:
            self.omitted.append(f"{path.name}, for which there was no room")
            return None
        self.left -= len(data)
        uri = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
        # No closing tag: an image has none.
        given = f'src="{uri}" alt="{safe(alt)}" width="{width}" height="{height}" loading="lazy"'
        return Html(f"<img {given}>")


def _encoded(path: Path) -> tuple[str, bytes, tuple[int, int]]:
    """Kind, bytes and size: the file as it is where it is small, else a JPEG."""
    data = path.read_bytes()
    with Image.open(io.BytesIO(data)) as image:
        size = image.size
        kind = _KINDS.get(path.suffix.lower())
        if kind == "gif" or (kind and len(data) < _ONE // 4):
            return kind, data, size
        shown = image.convert("RGB")
    for quality, scale in ((85, 1.0), (78, 1.0), (75, 0.75), (70, 0.5)):
        small = tuple(max(1, round(side * scale)) for side in size)
        file = io.BytesIO()
        shown.resize((small[0], small[1])).save(file, "JPEG", quality=quality, optimize=True)
        if file.tell() <= _ONE:
            break
    return "jpeg", file.getvalue(), (small[0], small[1])
