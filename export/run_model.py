"""A run's own model, as predictions ask it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.legend import Legend
from iic_tf.export.model import ImageModel, SceneModel
from iic_tf.export.served_run import answer_served_as, background_of, trained_bands, weights_digest
from iic_tf.graphs import as_graph
from iic_tf.models.served import ServedSegmenter
from iic_tf.models.served_clusterer import ServedClusterer
from iic_tf.training.run import Run


def scene_model_of(
    run: Run, head: str | None = None, classes: int | None = None, probabilities: bool = False
) -> SceneModel:
    """The best model of a segmentation run.

    Args:
        run: a trained run.
        head: what to label with, see `iic_tf.training.answer.answer_of`.
        classes: or groups of clusters, likewise.
        probabilities: whether all of them will be asked for.

    Raises:
        InputError: a run of another task, no finished epoch, or damaged files.
    """
    answer = answer_served_as(run, ServedSegmenter, head, classes)
    served = answer.served
    return SceneModel(
        f"run {run.folder}",
        KerasPredictor(served, probabilities),
        Legend.of(answer),
        served.low,
        served.high,
        served.fill,
        trained_bands(run),
        run.config(),
        digest=weights_digest(served),
    )


def image_model_of(run: Run, head: str | None = None, classes: int | None = None) -> ImageModel:
    """The best model of a clustering run; see `scene_model_of`."""
    answer = answer_served_as(run, ServedClusterer, head, classes)
    served = answer.served
    spec = tf.TensorSpec((None, served.side, served.side, served.model.channels), tf.float32)
    graph = as_graph(served.probabilities, input_signature=[spec])

    def probabilities(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(graph(tf.constant(images.astype(np.float32))))

    return ImageModel(
        f"run {run.folder}",
        probabilities,
        answer.names,
        answer.numbers,
        answer.meaning is not None,
        served.model.channels,
        served.side,
        background_of(run),
        run.config(),
    )
