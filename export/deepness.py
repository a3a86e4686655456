"""Export for Deepness, a plugin of QGIS that labels map layers by ONNX models, tile by tile."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.export.check import Outputs, check
from iic_tf.export.form import Form
from iic_tf.export.model_card import Card, card_path, card_texts
from iic_tf.export.onnx_file import convert_graph, save_model
from iic_tf.export.onnx_runner import run_file
from iic_tf.export.servable import LABELS, PLAIN, PROBABILITIES, ExportError, Servable
from iic_tf.graphs import as_graph
from iic_tf.models.served import NO_LABEL, numbered
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import progress

IMAGE = "image"

BYTE = 255.0
"""The plugin divides the values of a layer by this, whatever their type."""

SMALLEST, LARGEST = 512, 2048
"""Sides of tiles, pixels."""

MOST_OVERLAP = 50
"""Percent; more would label each pixel more than four times."""


@dataclass(frozen=True)
class Tiling:
    """How the plugin is to cut a layer.

    Attributes:
        size: side of a tile, pixels.
        overlap: of two tiles beside one another, percent of it.
    """

    size: int
    overlap: int

    @property
    def overlap_pixels(self) -> int:
        """As the plugin takes it from the percents."""
        return int(self.size * self.overlap / 100 * 2) // 2

    @property
    def stride(self) -> int:
        """From the beginning of one tile to that of the next, pixels."""
        return self.size - self.overlap_pixels


def tiling_for(margin: int, align: int) -> Tiling:
    """The smallest tiles by which labels do not depend on where a layer is cut.

    Of an overlap the plugin gives half to either tile: this must be the margin at the least. Tiles
    must begin at multiples of `align`.

    Args:
        margin: what a tile must show around what is kept of it, pixels.
        align: pixels.

    Raises:
        ExportError: the model sees too far around a pixel for tiles of up to 2048 pixels.
    """
    for size in range(-(-SMALLEST // align) * align, LARGEST + 1, align):
        for overlap in range(1, MOST_OVERLAP + 1):
            tiling = Tiling(size, overlap)
            if tiling.overlap_pixels // 2 >= margin and tiling.stride % align == 0:
                return tiling
    raise ExportError(
        f"Expected a model that sees {LARGEST * MOST_OVERLAP // 200} pixels around each at the "
        f"most for tiles of up to {LARGEST}; received one that sees {margin}, and whose tiles "
        f"begin at multiples of {align}."
    )


def export_deepness(
    served: Servable, path: Path, form: Form = PLAIN, card: Card | None = None
) -> float:
    """Write an ONNX model for the plugin, check it, and only then put it in its place.

    Its one input is a tile, float32 `[1, channels, size, size]`: raw values divided by 255. Its one
    output are probabilities, float32 `[1, classes, size, size]`.

    Args:
        served: the model, a `ServedSegmenter`.
        path: the file.
        form: must be the plain one.
        card: what is to be known of it; beside the file, and, but for the resolution, which the
            plugin wants in centimetres, among its metadata.

    Returns:
        The largest difference of two probabilities from the Keras model's.

    Raises:
        InputError: a model of whole images, one whose labels depend on the scene as a whole, or
            another form; nothing is written.
        ExportError: as `export_onnx`, or see `tiling_for`.
    """
    _require_fit(served, form)
    tiling = tiling_for(served.margin, served.align)
    told = {**(card or {}), **_of_tiles(served, tiling)}
    with contextlib.ExitStack() as places:
        write_json(places.enter_context(replacing(card_path(path))), told)
        temporary = places.enter_context(replacing(path))
        with progress("2/3  converting to ONNX"):
            texts = {**card_texts(told), **metadata(told, tiling)}
            save_model(_convert(served, tiling), temporary, texts)
        shape = (1, tiling.size, tiling.size)
        return check(_as_served(run_file(temporary), served), served, examples=(shape,))


def metadata(card: Card, tiling: Tiling) -> dict[str, str]:
    """What the plugin reads: JSON by its own keys."""
    names = {str(channel): one["name"] for channel, one in enumerate(card.get("classes", ()))}
    values = {
        "model_type": "Segmentor",
        "class_names": names,
        # Its documentation has the first, its code reads the second.
        "tiles_size": tiling.size,
        "tile_size": tiling.size,
        "tiles_overlap": tiling.overlap,
        # What lies below becomes 0, and then the first class: any other would change labels.
        "seg_thresh": 0.0,
        # The size of a median filter: of 0 none.
        "seg_small_segment": 0,
    }
    ground = card.get("resolution")
    if ground is not None:
        # Ground and map differ by the projection's scale, 4 in 10,000 in UTM: by three digits
        # images of that size are not resampled.
        values["resolution"] = float(f"{100 * ground:.3g}")
    # Without a size the plugin keeps the one it shows, and the user's.
    return {key: json.dumps(value) for key, value in values.items()}


def describe(served: Servable, form: Form) -> list[str]:
    """Lines that say what goes in and comes out."""
    channels, classes = served.model.channels, served.model.classes
    tiling = tiling_for(served.margin, served.align)
    size = f"{tiling.size}, {tiling.size}"
    return [
        f"  input   {IMAGE}: float32 [1, {channels}, {size}], values of the layer divided by 255, "
        "as the plugin does with any",
        f"  output  {PROBABILITIES}: float32 [1, {classes}, {size}]",
        f"  tiles   of {tiling.size} pixels, {tiling.overlap} % overlap; threshold 0, no small "
        "segments removed",
        "  no data the plugin knows none: limit its area by a polygon",
    ]


def _require_fit(served: Servable, form: Form) -> None:
    wanted = "for Deepness, which labels the pixels of tiles"
    if "height" not in served.axes:
        raise InputError(f"Expected a segmentation run {wanted}; received one of whole images.")
    if served.scene_features:
        raise InputError(
            f"Expected a model that labels each pixel by what lies around it {wanted}; received "
            "one whose labels depend on the scene as a whole. iic-tf predict labels scenes with it."
        )
    if form != PLAIN:
        raise InputError(
            f"Expected neither --labels-only, --uint8 nor --uint16 {wanted}, gives floats and "
            "takes probabilities; received one of them."
        )


def _of_tiles(served: Servable, tiling: Tiling) -> Json:
    """What the card says differently of this format."""
    return {
        "input": {IMAGE: "float32"},
        "outputs": {PROBABILITIES: "float32"},
        "no_data": None,
        "tile": {"size": tiling.size, "overlap": tiling.overlap},
    }


def _convert(served: Servable, tiling: Tiling) -> Any:
    side, channels, classes = tiling.size, served.model.channels, served.model.classes
    spec = tf.TensorSpec((1, channels, side, side), tf.float32, name=IMAGE)

    def segment(image: tf.Tensor) -> dict[str, tf.Tensor]:
        raw = tf.transpose(image, (0, 2, 3, 1)) * BYTE
        found = tf.transpose(served(raw)[PROBABILITIES], (0, 3, 1, 2))
        # The plugin takes the number of classes from the shape.
        found = tf.ensure_shape(found, (1, classes, side, side))
        return {PROBABILITIES: tf.identity(found, PROBABILITIES)}

    return convert_graph(as_graph(segment, input_signature=[spec]), [spec])


def _as_served(
    run: Callable[[dict[str, NDArray[np.generic]]], Outputs], served: Servable
) -> Callable[[NDArray[np.generic]], Outputs]:
    """What the plugin does with a tile, with the outputs of a served model."""

    def found(pixels: NDArray[Any]) -> Outputs:
        tile = (pixels / np.float32(BYTE)).astype(np.float32).transpose(0, 3, 1, 2)
        probabilities = run({IMAGE: tile})[PROBABILITIES].transpose(0, 2, 3, 1)
        labels = np.asarray(numbered(probabilities.argmax(-1).astype(np.int32), served.model))
        labels = np.where(probabilities.sum(-1) == 0, np.int32(NO_LABEL), labels)
        return {LABELS: labels, PROBABILITIES: probabilities}

    return found
