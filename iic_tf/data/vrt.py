"""VRT files: an XML file that puts an image together from others.

GDAL opens whatever such a file names, addresses on the network included. So what it names is looked
at first: only image files of this computer that this package reads by themselves are let through.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from iic_tf.data.reading import unreadable
from iic_tf.data.tiff_directory import TIFF_STARTS

VRT_START = b"<VRTDataset"

_IMAGES: tuple[bytes, ...] = (
    *TIFF_STARTS,
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"\xff\x4f\xff\x51",
    b"\0\0\0\x0cjP  \r\n\x87\n",
)
# Names a file in a plain VRT. Those of a subclass (warped, computed, raw) name more, or run code.
_SOURCE = "SourceFilename"
_ARRAYS = "Group"
_DEEPEST = 8


def check_vrt(path: Path, depth: int = 0) -> None:
    """Refuse a VRT that names what is not an image file of this computer.

    Raises:
        InputError: it is damaged, or names such a thing; the message says what.
    """
    if depth > _DEEPEST:
        raise unreadable(path, "VRT files that name each other")
    try:
        root = ElementTree.fromstring(path.read_bytes())
    except ElementTree.ParseError as error:
        raise unreadable(path, f"damaged: {error}") from error
    for element in root.iter():
        kind = element.get("subClass")
        if kind is not None or element.tag == _ARRAYS:
            raise unreadable(
                path, f"a VRT with a {kind or _ARRAYS}; write it as a TIFF by gdal_translate"
            )
        if element.tag == _SOURCE:
            _check_source(path, element, depth)


def _check_source(path: Path, element: ElementTree.Element, depth: int) -> None:
    name = (element.text or "").strip()
    source = path.parent / name if element.get("relativeToVRT") == "1" else Path(name)
    if not name or name.startswith("/vsi") or "://" in name or "<" in name:
        raise unreadable(path, f"its source '{name[:80]}' is no file of this computer")
    if not source.is_file():
        raise unreadable(path, f"its source '{name[:80]}' is not there")
    with source.open("rb") as file:
        start = file.read(32)
    if start.lstrip().startswith(VRT_START):
        check_vrt(source, depth + 1)
    elif not start.startswith(_IMAGES):
        raise unreadable(path, f"its source '{name[:80]}' is no TIFF, PNG, JPEG or JPEG 2000")
