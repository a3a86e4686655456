"""All files of a scene: what was found, as maps, pictures and polygons."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.file_scene import FileScene
from iic_tf.data.scene import Scene
from iic_tf.export import polygons
from iic_tf.export.areas import AreaSum
from iic_tf.export.label_files import fits_png, place_for_labels, write_labels
from iic_tf.export.labelling import Labelling, Taker
from iic_tf.export.legend import Legend
from iic_tf.export.percent_files import percent_file
from iic_tf.export.qgis_style import write_style
from iic_tf.pictures.labels import confidence_image, overlay
from iic_tf.training.atomic import replacing

PARTS = (
    *("labels.png", "labels.tif", "labels.qml", "overlay.jpg"),
    *("confidence.png", "confidence.tif", "probabilities.tif", polygons.SUFFIX),
)
"""What follows `<name>_` in the names of all files there may be."""


@dataclass(frozen=True)
class Wanted:
    """What is written beside labels and their picture.

    Attributes:
        confidence: maps of the largest probability.
        probabilities: those of all labels.
        polygons: regions as a GeoPackage.
        smallest_area: of these, see `iic_tf.export.polygons`.
        smooth: side of the superpixels that have one label each, in pixels; None: labels as found.
    """

    confidence: bool = False
    probabilities: bool = False
    polygons: bool = False
    smallest_area: float = 0.0
    smooth: int | None = None


def write_scene(
    folder: Path, labelling: Labelling, legend: Legend, wanted: Wanted
) -> NDArray[np.float64] | None:
    """Write all of a scene; square metres of each label, where they are known."""
    scene = labelling.scene
    place = place_for_labels(scene.image.path if isinstance(scene, FileScene) else None)
    areas = AreaSum(place or {}, len(legend.names))
    size = (scene.height, scene.width)
    # Numbers of classes in files; whatever is more stands for no data and stays.
    numbers = np.arange(256, dtype=np.uint8)
    numbers[: len(legend.numbers)] = legend.numbers

    takers: dict[str, Taker] = {}

    def strips() -> Iterator[NDArray[np.uint8]]:
        for strip in labelling.strips(**takers):
            areas.add(strip)
            yield numbers[strip]

    names = dict(zip(legend.numbers.tolist(), legend.names, strict=True))
    with contextlib.ExitStack() as stack:
        if wanted.confidence and (place is not None or not fits_png(size)):
            path = folder / f"{scene.name}_confidence.tif"
            file = percent_file(path, size, place or {}, {"largest probability": 0})
            takers["confidence"] = stack.enter_context(file)
        if wanted.probabilities:
            path = folder / f"{scene.name}_probabilities.tif"
            file = percent_file(path, size, place or {}, legend.bands())
            takers["probabilities"] = stack.enter_context(file)
        written = write_labels(
            folder, scene.name, strips(), size, legend.file_colours(), place, names
        )
    for path in written:
        if path.suffix == ".tif":
            write_style(path.with_suffix(".qml"), legend)
    if wanted.polygons:
        path = folder / f"{scene.name}_{polygons.SUFFIX}"
        polygons.write_polygons(path, written[-1], place or {}, legend, wanted.smallest_area)
    with replacing(folder / f"{scene.name}_overlay.jpg") as temporary:
        picture = overlay(labelling.rgb, labelling.labels.astype(np.int64), legend.colours)
        picture.save(temporary, quality=90)
    if wanted.confidence:
        with replacing(folder / f"{scene.name}_confidence.png") as temporary:
            clusters = labelling.predictor.clusters
            confidence_image(labelling.confidence, clusters).save(temporary)
    return areas.square_metres


def files_of(folder: Path, scene: Scene) -> dict[str, list[int]]:
    """The files of a scene that are there: bytes and the time of the last change of each."""
    found = {}
    for part in PARTS:
        with contextlib.suppress(FileNotFoundError):
            status = (folder / f"{scene.name}_{part}").stat()
            found[f"{scene.name}_{part}"] = [status.st_size, status.st_mtime_ns]
    return found
