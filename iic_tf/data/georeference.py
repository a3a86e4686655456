"""Where on Earth an image lies, to be handed on to its label map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasterio import Affine
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError

from iic_tf.annotations import Json
from iic_tf.data.gdal import open_place
from iic_tf.data.reading import unreadable
from iic_tf.data.tiff import page_prefix, read_pages
from iic_tf.data.tiff_directory import TIFF_STARTS
from iic_tf.data.turned import stored_from_shown
from iic_tf.data.vrt import VRT_START
from iic_tf.errors import InputError

_DRIVERS = {**dict.fromkeys(TIFF_STARTS, "GTiff"), VRT_START: "VRT"}
_DRIVERS |= {b"\0\0\0\x0cjP  ": "JP2OpenJPEG", b"\xff\x4f\xff\x51": "JP2OpenJPEG"}


def place_of(path: Path) -> Json:
    """Where an image that GDAL reads lies, as far as it says so; else an empty dict.

    World files and .aux.xml files beside the image count, too. Of a picture that is shown turned
    the place is that of the picture as shown.

    Returns:
        Some of rasterio's `crs`, `transform`, `gcps` (ground control points, whose system is
        `crs`) and `rpcs` (rational polynomials; of pictures that are not turned).
    """
    try:
        driver, prefix, orientation = _how(path)
        with open_place(path, driver, prefix) as source:
            return _place(source, orientation)
    except (RasterioIOError, InputError, OSError):
        # What is no such file, or a damaged one, has no place.
        return {}


def _how(path: Path) -> tuple[str, str, int]:
    """GDAL's driver, what it wants before the path, and how the picture is turned."""
    with path.open("rb") as file:
        start = file.read(1024)
    driver = next((d for mark, d in _DRIVERS.items() if start.startswith(mark)), None)
    driver = "VRT" if VRT_START in start else driver
    if driver is None:
        raise unreadable(path, "no image of GDAL's")
    if driver != "GTiff":
        return driver, "", 1
    found, pages = read_pages(path)
    page = pages.bands[0]
    return driver, page_prefix(found, page), page.orientation


def _place(source: Any, orientation: int) -> Json:
    points, system = source.gcps
    a, b, c, d, e, f = stored_from_shown(orientation, source.height, source.width)
    turn = Affine(a, b, c, d, e, f)
    if points:
        # Points by number of row and column: of a place as stored, that as shown.
        back = ~turn
        return {
            # An empty one, where their system is not told: rasterio writes no points without.
            "crs": system or CRS(),
            "gcps": [_turned(point, back) for point in points],
        }
    place: Json = {"crs": source.crs} if source.crs else {}
    if not source.transform.is_identity:
        place["transform"] = _after(source.transform, turn)
    if source.rpcs is not None and orientation == 1:
        place["rpcs"] = source.rpcs
    return place


def _after(second: Affine, first: Affine) -> Affine:
    """One map after another; the sign for it is not the same in all versions of affine."""
    (a, b, c), (d, e, f) = second[:3], second[3:6]
    return Affine(
        a * first.a + b * first.d,
        a * first.b + b * first.e,
        a * first.c + b * first.f + c,
        d * first.a + e * first.d,
        d * first.b + e * first.e,
        d * first.c + e * first.f + f,
    )


def _turned(point: Any, turn: Affine) -> GroundControlPoint:
    column = turn.a * point.col + turn.b * point.row + turn.c
    row = turn.d * point.col + turn.e * point.row + turn.f
    return GroundControlPoint(row, column, point.x, point.y, point.z, point.id, point.info)
