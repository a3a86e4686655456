"""Which pages of a TIFF make up the image: one of them, one band each, or one row each.

Overviews and masks are left out, and so are thumbnails: pages less than half as high and wide as
another, or just half, where that other is the only one of its size.
Of pages of one size and type, one band each, each is a band: so write tifffile arrays
`[bands, height, width]`, ImageJ a stack, and OME-TIFF channels. An array `[height, width, bands]`
that tifffile was not told to be an image lies in a page for each of its rows. All that is none of
these is refused: pages of a document, times, or colour images in one file.
"""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

from iic_tf.data.reading import MAX_CHANNELS
from iic_tf.data.tiff_directory import INKS, MINISBLACK, MINISWHITE, PALETTE, Directory

SPLIT = "write each of them to a file of its own"

_TIFFFILE, _IMAGEJ, _OME = '{"shape"', "ImageJ=", "<OME"


@dataclass(frozen=True)
class Pages:
    """The pages of the image.

    Attributes:
        bands: one page with all bands, or one for each band, in their order.
        as_rows: whether page y is row y of the image: its rows are columns, its columns bands.
    """

    bands: tuple[Directory, ...]
    as_rows: bool = False


def choose_pages(found: list[Directory]) -> Pages:
    """The pages of the image that a file holds.

    Args:
        found: all pages, in the order of the file.

    Raises:
        ValueError: it is not one image; the reason.
    """
    full = [d for d in found if not d.reduced and not d.mask] or [max(found, key=_area)]
    largest = max(full, key=_area)
    same = [d for d in full if (d.height, d.width) == (largest.height, largest.width)]
    for other in full:
        sides = ((other.height, largest.height), (other.width, largest.width))
        # Bands of twice the ground resolution are half as large, too, beside several others.
        spare = 2 if len(same) == 1 else 0
        if other not in same and any(2 * small >= large + spare for small, large in sides):
            raise ValueError(
                f"pages of {largest.height} x {largest.width} and of {other.height} x "
                f"{other.width} pixels; {SPLIT}"
            )
    if same[0].offset != found[0].offset and any(d.mask for d in found):
        raise ValueError("a mask, and an image that is not its first page")
    pages = _described(found[0].description, same)
    if len(pages.bands) > 1 and not pages.as_rows:
        _check_bands(pages.bands)
    return pages


def _area(directory: Directory) -> int:
    return directory.height * directory.width


def _described(text: str, same: list[Directory]) -> Pages:
    """The pages by what their writer says of them, if it does."""
    if text.startswith(_TIFFFILE):
        return _by_shape(text, same)
    if text.startswith(_IMAGEJ):
        return _by_imagej(text, same)
    if _OME in text[:2000]:
        return _by_ome(text, same)
    return Pages(tuple(same))


def _by_shape(text: str, same: list[Directory]) -> Pages:
    """What tifffile writes: {"shape": [5, 64, 64]}, perhaps with "axes"."""
    try:
        said = json.loads(text)
        shape = [int(side) for side in said["shape"]]
    except (ValueError, TypeError, KeyError):
        return Pages(tuple(same))
    page = same[0]
    count = math.prod(shape) // max(1, page.height * page.width * page.samples)
    if count > len(same):
        raise ValueError(f"{count} pages by its description, of which {len(same)} are there")
    if len(same) == 1 or page.samples > 1 or count != len(same):
        return Pages(tuple(same))
    axes = str(said.get("axes", ""))
    if "T" in axes and shape[axes.index("T") : axes.index("T") + 1] > [1]:
        raise ValueError(_times(shape[axes.index("T")]))
    sides = [side for side in shape if side > 1]
    last_is_bands = axes[-1:] in ("C", "S") if axes else page.width <= MAX_CHANNELS < count
    if not axes and max(page.width, count) <= MAX_CHANNELS:
        raise ValueError(
            f"{count} pages of {page.height} x {page.width} pixels: bands, or rows of an image "
            f"with {page.width} bands? Write it as one page"
        )
    if len(sides) == 3 and last_is_bands:
        return Pages(tuple(same), as_rows=True)
    return Pages(tuple(same))


def _by_imagej(text: str, same: list[Directory]) -> Pages:
    said = {name: int(value) for name, value in re.findall(r"(?m)^(\w+)=(\d+)\s*$", text)}
    if said.get("images", 1) > len(same):
        raise ValueError(
            f"{said['images']} images by ImageJ's description, and {len(same)} "
            f"page{'s' * (len(same) > 1)}"
        )
    _one_axis({name: said.get(name, 1) for name in ("channels", "slices", "frames")})
    return Pages(tuple(same))


def _by_ome(text: str, same: list[Directory]) -> Pages:
    try:
        root = ElementTree.fromstring(text.encode())
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"damaged OME-XML: {error}") from error
    pixels = [e for e in root.iter() if e.tag.endswith("}Pixels") or e.tag == "Pixels"]
    if len(pixels) != 1:
        raise ValueError(f"OME-TIFF of {len(pixels)} images; {SPLIT}")
    try:
        sizes = {name: int(pixels[0].get(f"Size{name}", 1)) for name in "XYCZT"}
        given = [e for e in pixels[0] if e.tag.endswith("TiffData")]
        order = _ome_order(given, len(same))
    except ValueError as error:
        raise ValueError(f"damaged OME-XML: {error}") from error
    if (sizes["Y"], sizes["X"]) != (same[0].height, same[0].width):
        raise ValueError(f"OME-TIFF of {sizes['Y']} x {sizes['X']} pixels, which no page has")
    _one_axis({"channels": sizes["C"], "slices": sizes["Z"], "times": sizes["T"]})
    planes = sizes["C"] * sizes["Z"] * sizes["T"]
    if planes != sum(d.samples for d in same):
        raise ValueError(f"OME-TIFF of {planes} planes, of which {len(same)} pages are there")
    return Pages(tuple(same[i] for i in order))


def _ome_order(given: list[ElementTree.Element], count: int) -> list[int]:
    """The page of each plane, where a page is named for each; else as they come."""
    if len(given) != count or count == 1:
        return list(range(count))
    plane = [sum(int(e.get(f"First{axis}", 0)) for axis in "CZT") for e in given]
    pages = [int(e.get("IFD", number)) for number, e in enumerate(given)]
    if sorted(plane) != list(range(count)) or sorted(pages) != list(range(count)):
        raise ValueError("planes that are not one page each")
    return [page for _, page in sorted(zip(plane, pages, strict=True))]


def _one_axis(sizes: dict[str, int]) -> None:
    if sum(size > 1 for size in sizes.values()) > 1:
        shown = " x ".join(f"{size} {name}" for name, size in sizes.items() if size > 1)
        raise ValueError(f"{shown}; {SPLIT}")
    for name in ("frames", "times"):
        if sizes.get(name, 1) > 1:
            raise ValueError(_times(sizes[name]))


def _times(count: int) -> str:
    return f"{count} times; {SPLIT}"


def _check_bands(pages: tuple[Directory, ...]) -> None:
    first, count = pages[0], len(pages)
    if first.samples > 1 or first.photometric in (PALETTE, INKS) or first.bits == 1:
        raise ValueError(f"{count} pages, each an image of its own; {SPLIT}")
    if any(page.leaf for page in pages):
        raise ValueError(f"{count} pages of a document; {SPLIT}")
    if count > MAX_CHANNELS:
        raise ValueError(f"{count} pages of {first.height} x {first.width} pixels; {SPLIT}")
    for page in pages:
        if _kind(page) != _kind(first):
            raise ValueError(f"{count} pages of different types; {SPLIT}")
        if page.photometric not in (MINISBLACK, MINISWHITE):
            raise ValueError(f"{count} pages that are not grey; {SPLIT}")


def _kind(page: Directory) -> tuple[int, ...]:
    return page.samples, page.bits, page.sample_format, page.photometric, page.orientation
