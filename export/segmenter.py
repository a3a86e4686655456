"""A run's best model as it is served: float32, with its preprocessing and a named signature."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.run import Run
from iic_tf.training.segmentation_recipe import SegmentationRecipe

INPUT = "pixels"
LABELS = "labels"
PROBABILITIES = "probabilities"


class ExportError(InputError):
    """A model could not be exported, or the exported one does not compute the same."""


def load_segmenter(run: Run) -> ServedSegmenter:
    """The best model of a run, ready for raw pixels.

    It is float32 also where training was in mixed precision: ONNX Runtime's CPU refuses bfloat16,
    and the labels of a prediction should be those of an export.

    Raises:
        InputError: the run has no finished epoch, or its files are damaged.
    """
    config, recipe = run.config(), run.recipe()
    if not isinstance(recipe, SegmentationRecipe):
        raise InputError(
            f"Expected a segmentation run; received {run.folder}, trained by {recipe.method}."
        )
    trained = run.load_best()
    if not isinstance(trained, IICSegmenter):
        raise InputError(
            f"Expected an IICSegmenter in {run.best}; received {type(trained).__name__}."
        )
    # A fresh one in any case: the loaded one carries its optimiser along.
    model = IICSegmenter.from_config({**trained.get_config(), "dtype": "float32"})
    model.set_weights(trained.get_weights())
    try:
        low, high = config["low"], config["high"]
    except KeyError as error:
        raise InputError(f"Expected low and high in {run.config_file}; received none.") from error
    return ServedSegmenter(model, low, high, recipe.downscale)


def input_spec(served: ServedSegmenter) -> tf.TensorSpec:
    """The one input: raw values, float32 `[batch, height, width, channels]`, any size."""
    return tf.TensorSpec((None, None, None, served.model.channels), tf.float32, name=INPUT)


def signature(served: ServedSegmenter) -> Any:
    """The graph that every export holds, as a `tf.function`.

    Input `pixels`: raw values, float32 `[batch, height, width, channels]`. Outputs `labels`: int32
    `[batch, height, width]`, and `probabilities`: float32 `[batch, height, width, classes]`.
    """

    def segment(pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        found = served(pixels)
        return {
            LABELS: tf.identity(found["labels"], LABELS),
            PROBABILITIES: tf.identity(found["probabilities"], PROBABILITIES),
        }

    return tf.function(segment, input_signature=[input_spec(served)])
