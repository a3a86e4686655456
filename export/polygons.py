"""The regions of a label map as polygons: a GeoPackage with a row for each region.

Edges are those of pixels, so that neighbours share them exactly, and nothing is simplified: that of
each polygon on its own would open gaps between them. Regions are of pixels of one label that touch
at their sides; at corners alone they are two, for one polygon may not touch itself.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio import Affine
from rasterio.features import shapes, sieve

from iic_tf.annotations import Facts
from iic_tf.data.gdal import open_pixels
from iic_tf.data.grid import applied
from iic_tf.errors import InputError
from iic_tf.export.areas import HECTARE, enclosed, enclosed_ground
from iic_tf.export.legend import Legend
from iic_tf.export.predictor import NO_DATA
from iic_tf.training.atomic import replacing
from iic_tf.training.progress import progress

SUFFIX = "polygons.gpkg"

_POINTS = 200_000
"""Corners that are written at a time."""

_PICTURE = Affine.scale(1, -1)
"""Where QGIS shows a picture that has no place."""

_NOWHERE = 'LOCAL_CS["Undefined Cartesian SRS"]'
"""GeoPackage's own system of what lies nowhere."""

_SIDES = 4
"""GDAL's number for pixels that touch at their sides."""


def require_writer() -> None:
    """Refuse to begin without what writes polygons.

    Raises:
        InputError: pyogrio or shapely is not installed, or its GDAL writes no GeoPackage.
    """
    try:
        import pyogrio
        import shapely  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"Expected the packages pyogrio and shapely for polygons; received no {error.name}. "
            "Install them: pip install 'iic_tf[vector]'."
        ) from error
    if "w" not in pyogrio.list_drivers().get("GPKG", ""):
        raise InputError("Expected a GDAL in pyogrio that writes GeoPackage; received one without.")


def write_polygons(
    path: Path, labels: Path, place: Facts, legend: Legend, smallest: float = 0
) -> int:
    """Write `number`, `name`, `colour`, `pixels` and, where known, `hectares` of each region.

    Coordinates are those of the labels' system. Where an image has no place, or one by control
    points or rational polynomials alone, x is the column and y the negative row of a pixel's
    corner, which is where QGIS shows such a picture. Areas are counted as those of `areas.csv` are.

    The labels are held in memory, two bytes a pixel, and GDAL holds all outlines.

    Args:
        path: the GeoPackage; it replaces one, whole or not at all.
        labels: a TIFF or PNG of numbers, 255 where there is no data.
        place: what `iic_tf.data.georeference.place_of` gives.
        legend: what the numbers stand for.
        smallest: regions of less go to a neighbour of no less, in square metres where the place
            tells these (by the mean of the scene's pixels), else in pixels. What lies amid no data
            and is less in all stays as it is.

    Returns:
        How many regions there are.

    Raises:
        OSError: it cannot be written.
    """
    with open_pixels(labels, "PNG" if labels.suffix == ".png" else "GTiff") as file:
        numbers: NDArray[np.uint8] = file.read(1)
    # Of 256 labels 255 is one, and all pixels hold data.
    known = (numbers != NO_DATA) | (len(legend.names) > NO_DATA)
    pixels = fewest_pixels(smallest, place, numbers.shape)
    if pixels > 1:
        numbers = sieved(numbers, known, pixels)
    count = 0
    with replacing(path) as temporary, progress(path.name) as bar:
        for regions in _regions(numbers, known):
            _append(temporary, path.stem, regions, place, legend)
            count += len(regions[0])
            bar.advance(len(regions[0]))
    return count


def fewest_pixels(smallest: float, place: Facts, size: tuple[int, int]) -> int:
    """How many pixels of a scene have the area `smallest`, rounded up; see `write_polygons`."""
    height, width = size
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height), (0, 0)], np.float64)
    area = enclosed_ground(place, corners, np.zeros(len(corners), np.int64))
    per_pixel = 1.0 if area is None else area.item() / (height * width)
    # Not one more for what is a whole number but for rounding.
    return math.ceil(smallest / per_pixel - 1e-6)


def sieved(numbers: NDArray[np.uint8], known: NDArray[np.bool_], pixels: int) -> NDArray[np.uint8]:
    """Give regions of fewer pixels the label of a neighbour of no fewer, where there is one."""
    while True:
        # Once is not enough: GDAL leaves those that it reaches by smaller ones alone.
        less = sieve(numbers, pixels, mask=known, connectivity=_SIDES)
        if (less == numbers).all():
            return numbers
        numbers = less


def _regions(
    numbers: NDArray[np.uint8], known: NDArray[np.bool_]
) -> Iterator[tuple[list[Any], list[int]]]:
    """Shapely's polygons in pixels, and their numbers, some thousands at a time."""
    import shapely

    polygons: list[Any] = []
    own: list[int] = []
    points = 0
    for shape, number in shapes(numbers, mask=known, connectivity=_SIDES):
        polygons.append(shapely.geometry.shape(shape))
        own.append(int(number))
        points += sum(map(len, shape["coordinates"]))
        if points >= _POINTS:
            yield polygons, own
            polygons, own, points = [], [], 0
    # The last ones; of a map without any data none, and so a file without any.
    yield polygons, own


def _append(
    path: Path,
    layer: str,
    regions: tuple[list[Any], list[int]],
    place: Facts,
    legend: Legend,
) -> None:
    import pyogrio
    import shapely

    polygons, numbers = regions
    rings, owner = shapely.get_rings(polygons, return_index=True)
    points, ring = shapely.get_coordinates(rings, return_index=True)
    # The first of each polygon is the outer one, all others are holes.
    sign = np.where(np.diff(owner, prepend=-1) > 0, 1, -1)
    index = {int(number): i for i, number in enumerate(legend.numbers)}
    # A name out of a file may hold bytes that are no text.
    names = [legend.names[index[number]].encode("utf-8", "replace").decode() for number in numbers]
    colours = ["#" + bytes(legend.colours[index[number]]).hex() for number in numbers]
    pixels = np.bincount(owner, sign * enclosed(points, ring), len(polygons))
    fields: dict[str, NDArray[Any]] = {
        "number": np.array(numbers, np.int32),
        "name": np.array(names, object),
        "colour": np.array(colours, object),
        "pixels": np.rint(pixels).astype(np.int64),
    }
    if (metres := enclosed_ground(place, points, ring)) is not None:
        fields["hectares"] = np.bincount(owner, sign * metres, len(polygons)) / HECTARE
    matrix, system = place.get("transform", _PICTURE), place.get("crs") or None
    try:
        pyogrio.raw.write(
            path,
            shapely.to_wkb(shapely.transform(polygons, partial(applied, matrix))),
            list(fields.values()),
            list(fields),
            geometry_type="Polygon",
            crs=system.to_wkt() if system and "transform" in place else _NOWHERE,
            driver="GPKG",
            layer=layer,
            append=path.exists(),
        )
    except RuntimeError as error:  # All errors of pyogrio are.
        raise OSError(f"Expected to write polygons to {path.parent}; received: {error}") from error
