"""Label maps as files: a palette PNG, or a tiled TIFF for what is large or was a TIFF."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rasterio.windows import Window

from iic_tf.annotations import Facts, Json
from iic_tf.data.georeference import place_of
from iic_tf.export.cloud_optimised import TILE, cloud_optimised
from iic_tf.export.predictor import NO_DATA
from iic_tf.training.atomic import replacing

LARGEST_PNG = 100_000_000
"""Pixels; a PNG is written from memory."""

Strips = Iterator[NDArray[np.uint8]]
"""Labels uint8 `[rows, width]`, from top to bottom."""


def write_labels(
    folder: Path,
    name: str,
    strips: Strips,
    size: tuple[int, int],
    colours: NDArray[np.uint8],
    place: Facts | None = None,
    names: Mapping[int, str] | None = None,
) -> list[Path]:
    """Write `<name>_labels.png`, `<name>_labels.tif` or both; each whole or not at all.

    Labels of `labelling.NO_DATA`, 255, are no data, of which the PNG is transparent and which the
    TIFF names as its nodata value; but for maps of 256 clusters, where 255 is one of them.

    The PNG is left out above 100 megapixels, the TIFF below unless the image was one. Both hold
    the indices, 8 bits each, and the colours as a palette. The TIFF is a Cloud Optimized GeoTIFF,
    whose overviews show the most frequent label, and takes over the place on Earth of an image
    that was a TIFF.

    Args:
        folder: where to.
        name: of the scene.
        strips: the labels.
        size: height and width.
        colours: uint8 `[k, 3]`, k at most 256.
        place: what `place_of` gives of an image that was a TIFF; None for others.
        names: of numbers that stand for classes; the TIFF says so in its band's metadata, as
            `CLASS_3=road`, which `gdalinfo` and QGIS show.
    """
    png, tiff = folder / f"{name}_labels.png", folder / f"{name}_labels.tif"
    small = fits_png(size)
    if small:
        whole = np.empty(size, np.uint8)
        top = 0
        for strip in strips:
            whole[top : top + len(strip)] = strip
            top += len(strip)
        with replacing(png) as temporary:
            image = Image.fromarray(whole)
            # A colour for every number: Pillow keeps no transparency beyond the palette's end.
            image.putpalette(colours.tobytes().ljust(3 * 256, b"\0"))
            # 8 bits also for few colours: not every reader unpacks less.
            if len(colours) <= NO_DATA:
                image.info["transparency"] = NO_DATA
            image.save(temporary, bits=8)
        strips = iter([whole])
    if small and place is None:
        return [png]
    _write_tiff(tiff, strips, size, colours, place or {}, names or {})
    return [png, tiff] if small else [tiff]


def fits_png(size: tuple[int, int]) -> bool:
    """Whether labels of so many rows and columns are written as a PNG."""
    return size[0] * size[1] <= LARGEST_PNG


def place_for_labels(source: Path | None) -> Json | None:
    """Where an image's labels lie; None of one that is no TIFF, nor another format with places."""
    if source is None or source.suffix.lower() not in (".tif", ".tiff", ".jp2", ".j2k", ".vrt"):
        return None
    return place_of(source)


def _write_tiff(
    path: Path,
    strips: Strips,
    size: tuple[int, int],
    colours: NDArray[np.uint8],
    place: Facts,
    names: Mapping[int, str],
) -> None:
    nodata = NO_DATA if len(colours) <= NO_DATA else None
    with cloud_optimised(path, *size, resampling="mode", nodata=nodata, **place) as target:
        table = {index: (*map(int, colour), 255) for index, colour in enumerate(colours)}
        if nodata is not None:
            table[NO_DATA] = (0, 0, 0, 0)
        target.write_colormap(1, table)
        target.update_tags(1, **{f"CLASS_{number}": name for number, name in names.items()})
        top = 0
        for strip in regular(strips, TILE):
            target.write(strip, 1, window=Window(0, top, size[1], len(strip)))
            top += len(strip)


def regular(strips: Strips, rows: int) -> Strips:
    """The same rows in strips of `rows` each, the last one of what remains."""
    kept: list[NDArray[np.uint8]] = []
    count = 0
    for strip in strips:
        kept.append(strip)
        count += len(strip)
        if count < rows:
            continue
        joined = np.concatenate(kept)
        whole = count - count % rows
        for top in range(0, whole, rows):
            yield joined[top : top + rows]
        kept, count = [joined[whole:]], count - whole
    if count:
        yield np.concatenate(kept)
