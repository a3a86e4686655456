"""The directories (pages) of a TIFF: what each says of itself. EXIF is of the same form.

GDAL shows one page at a time and leaves out what a page is for and how it is turned.
"""

from __future__ import annotations

import io
import os
import struct
from dataclasses import dataclass, field
from typing import BinaryIO

TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

MOST = 65_536
"""Directories in a file; one with more goes in a circle, or is none of ours."""

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 6: 1, 7: 1, 8: 2, 9: 4, 13: 4, 16: 8, 17: 8, 18: 8}
_CODES = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_ASCII = 2
_LONGEST_TEXT = 2**26

# The tags by number: the standard's names, and what holds where a tag is not there.
_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS = 254, 255, 256, 257, 258
_PHOTOMETRIC, _DESCRIPTION, _ORIENTATION, _SAMPLES = 262, 270, 274, 277
_INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT = 332, 338, 339

MINISWHITE, MINISBLACK, RGB, PALETTE, MASK, INKS, YCBCR = range(7)
CIELAB, ICCLAB, ITULAB, MOSAIC, LOGL, LOGLUV = 8, 9, 10, 32803, 32844, 32845


@dataclass(frozen=True)
class Directory:
    """One page.

    Attributes:
        offset: where it begins in the file, which is GDAL's name for it.
        height, width, samples: of its pixels.
        bits, sample_format: how a sample is stored.
        photometric: what samples mean, such as `RGB`.
        extra: what samples beyond those of the colour are; 1 and 2 are alpha.
        ink_set: 1 for cyan, magenta, yellow and black.
        orientation: 1 to 8; 1 where there is none that is known.
        reduced, mask, leaf: whether it is a smaller copy, a mask, or one page of a document.
        description: the text that writers use to tell how pages belong together.
    """

    offset: int
    height: int
    width: int
    samples: int = 1
    bits: int = 1
    sample_format: int = 1
    photometric: int = MINISBLACK
    extra: tuple[int, ...] = ()
    ink_set: int = 1
    orientation: int = 1
    reduced: bool = False
    mask: bool = False
    leaf: bool = False
    description: str = field(default="", repr=False)


def directories(file: BinaryIO) -> list[Directory]:
    """All pages of a TIFF or BigTIFF, in the order of the file.

    Raises:
        ValueError: the file ends too early, or is no TIFF.
    """
    return [_directory(*raw) for raw in _walk(file, MOST)]


def exif_orientation(exif: bytes) -> int:
    """How the picture is turned, 1 to 8; 1 where EXIF is damaged or does not say."""
    raw = exif.removeprefix(b"Exif\0\0")
    try:
        for _, tags in _walk(io.BytesIO(raw), 1):
            return _orientation(tags)
    except ValueError:
        pass
    return 1


_Tags = dict[int, "tuple[int, ...] | str"]


def _walk(file: BinaryIO, most: int) -> list[tuple[int, _Tags]]:
    file.seek(0, os.SEEK_END)
    length = file.tell()
    start = _read(file, 0, 8, length)
    if not start.startswith(TIFF_STARTS):
        raise ValueError(f"it starts with {start!r}")
    order = "<" if start.startswith(b"II") else ">"
    large = start[2:4] in (b"+\0", b"\0+")
    # Number of entries, an entry, a count or an offset: 64 bits in a BigTIFF.
    count_code, entry_size, word = ("Q", 20, "Q") if large else ("H", 12, "I")
    offset = _number(order + word, _read(file, 8 if large else 4, 8 if large else 4, length))
    found: list[tuple[int, _Tags]] = []
    seen: set[int] = set()
    while offset:
        if offset in seen or len(found) >= MOST:
            raise ValueError("its directories go in a circle")
        seen.add(offset)
        head = struct.calcsize(order + count_code)
        entries = _number(order + count_code, _read(file, offset, head, length))
        block = _read(file, offset + head, entries * entry_size, length)
        found.append((offset, _tags(file, block, order, large, length)))
        if len(found) == most and most < MOST:
            break
        size = struct.calcsize(order + word)
        offset = _number(
            order + word, _read(file, offset + head + entries * entry_size, size, length)
        )
    if not found:
        raise ValueError("it has no directory")
    return found


def _tags(file: BinaryIO, block: bytes, order: str, large: bool, length: int) -> _Tags:
    wanted = {_SUBFILE, _OLD_SUBFILE, _WIDTH, _HEIGHT, _BITS, _PHOTOMETRIC, _DESCRIPTION}
    wanted |= {_ORIENTATION, _SAMPLES, _INK_SET, _EXTRA_SAMPLES, _SAMPLE_FORMAT}
    form = order + ("HHQ8s" if large else "HHI4s")
    tags: _Tags = {}
    for tag, kind, count, stored in struct.iter_unpack(form, block):
        if tag not in wanted or kind not in _SIZES:
            continue
        size = _SIZES[kind] * count
        if size > _LONGEST_TEXT or (size > 2**16 and tag != _DESCRIPTION):
            raise ValueError(f"tag {tag} has {count} values")
        if size > len(stored):
            stored = _read(file, _number(order + ("Q" if large else "I"), stored), size, length)
        if kind == _ASCII:
            tags[tag] = stored[:size].split(b"\0")[0].decode("utf-8", "replace")
        elif kind in _CODES:
            tags[tag] = struct.unpack(f"{order}{count}{_CODES[kind]}", stored[:size])
    return tags


def _directory(offset: int, tags: _Tags) -> Directory:
    def one(tag: int, default: int) -> int:
        value = tags.get(tag)
        return int(value[0]) if value and not isinstance(value, str) else default

    extra, text = tags.get(_EXTRA_SAMPLES, ()), tags.get(_DESCRIPTION, "")
    use, old = one(_SUBFILE, 0), one(_OLD_SUBFILE, 1)
    return Directory(
        offset,
        one(_HEIGHT, 0),
        one(_WIDTH, 0),
        one(_SAMPLES, 1),
        one(_BITS, 1),
        one(_SAMPLE_FORMAT, 1),
        one(_PHOTOMETRIC, MINISBLACK),
        extra if isinstance(extra, tuple) else (),
        one(_INK_SET, 1),
        _orientation(tags),
        reduced=bool(use & 1) or old == 2,
        mask=bool(use & 4),
        leaf=bool(use & 2) or old == 3,
        description=text if isinstance(text, str) else "",
    )


def _orientation(tags: _Tags) -> int:
    value = tags.get(_ORIENTATION, (1,))
    known = isinstance(value, tuple) and len(value) > 0 and 1 <= value[0] <= 8
    return int(value[0]) if known else 1


def _read(file: BinaryIO, offset: int, size: int, length: int) -> bytes:
    if offset + size > length:
        raise ValueError("the file ends too early")
    file.seek(offset)
    return file.read(size)


def _number(form: str, stored: bytes) -> int:
    (value,) = struct.unpack(form, stored[: struct.calcsize(form)])
    return int(value)
