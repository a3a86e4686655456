"""Where on Earth an image lies, to be handed on to its label map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rasterio.errors import RasterioIOError

from iic_tf.data.gdal import open_place


def place_of(path: Path) -> dict[str, Any]:
    """Rasterio's `transform` and `crs` of a TIFF, as far as it has them; else an empty dict.

    World files and .aux.xml files beside the image count, too.
    """
    try:
        with open_place(path) as source:
            place: dict[str, Any] = {"crs": source.crs} if source.crs else {}
            if not source.transform.is_identity:
                place["transform"] = source.transform
            return place
    except RasterioIOError:
        # What calls itself a TIFF may be another image, which is read by what it is.
        return {}
