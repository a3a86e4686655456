"""Scenes from files, and labels into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from .scene import NO_DATA


def read(path: str, card: Mapping[str, Any]) -> tuple[Any, Any]:
    """Raw values `[height, width, bands]`, NaN where there is no data, and the file's profile."""
    if path.endswith(".npy"):
        return np.load(path), None
    import rasterio

    names = [one["name"] for one in card["bands"]]
    with rasterio.open(path) as file:
        numbers = [int(n) for n in names] if all(n.isdigit() for n in names) else None
        pixels = np.moveaxis(file.read(numbers, out_dtype="float32"), 0, -1)
        pixels[file.dataset_mask() == 0] = np.nan
        return pixels, file.profile


def write(path: str, labels: Any, profile: Any) -> None:
    """Labels as `.npy`, or as a GeoTIFF where the scene lies."""
    if path.endswith(".npy"):
        np.save(path, labels)
        return
    import rasterio

    place = {k: profile[k] for k in ("crs", "transform") if profile}
    kind = {"driver": "GTiff", "dtype": "int16", "nodata": NO_DATA, "compress": "deflate"}
    sides = {"height": labels.shape[0], "width": labels.shape[1], "count": 1}
    with rasterio.open(path, "w", **kind, **sides, **place) as file:
        file.write(labels.astype(np.int16), 1)
