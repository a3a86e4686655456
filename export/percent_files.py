"""Probabilities of a scene at full size, as GeoTIFFs in percent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import rasterio.windows
from numpy.typing import NDArray

from iic_tf.annotations import Facts
from iic_tf.data.windows import Window
from iic_tf.export.cloud_optimised import cloud_optimised
from iic_tf.export.labelling import Taker
from iic_tf.export.predictor import NO_DATA


@contextmanager
def percent_file(
    path: Path, size: tuple[int, int], place: Facts, bands: Mapping[str, int]
) -> Iterator[Taker]:
    """Write a Cloud Optimized GeoTIFF of uint8 from 0 to 100, and 255, its nodata value.

    Overviews show means. It is there in the end, whole or not at all.

    Args:
        path: the file.
        size: height and width.
        place: what `iic_tf.data.georeference.place_of` gives.
        bands: what each is called, in order, and which of the values given it takes.

    Yields:
        What takes the values of a window.
    """
    order = list(bands.values())
    with cloud_optimised(
        path,
        *size,
        resampling="average",
        count=len(bands),
        nodata=NO_DATA,
        interleave="pixel",
        # Three bands of bytes would be taken for red, green and blue.
        photometric="minisblack",
        **place,
    ) as target:
        target.descriptions = tuple(bands)
        target.units = ("%",) * len(bands)

        def take(window: Window, percent: NDArray[np.uint8]) -> None:
            target.write(
                percent[..., order].transpose(2, 0, 1),
                window=rasterio.windows.Window(
                    window.left, window.top, window.width, window.height
                ),
            )

        yield take
