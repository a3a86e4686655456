"""Opening what predictions are made with: a run, or the path of an export."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from iic_tf.errors import InputError
from iic_tf.export.exported_model import (
    Exported,
    find_export,
    image_model_of_export,
    load_export,
    refuse_other_answers,
    scene_model_of_export,
)
from iic_tf.export.model import ImageModel, SceneModel

if TYPE_CHECKING:
    from iic_tf.training.run import Run


def open_scene_model(
    source: Run | str | Path | Exported,
    head: str | None = None,
    classes: int | None = None,
    confidence: bool = False,
    probabilities: bool = False,
) -> SceneModel:
    """A segmenter, ready to label.

    Args:
        source: a run; or an export, or its path.
        head: what a run is to label with, see `iic_tf.training.answer.answer_of`.
        classes: or groups of clusters, likewise.
        confidence: whether the largest probabilities will be asked for.
        probabilities: whether all of them will.

    Raises:
        InputError: no such model, or it has not what is asked for.
    """
    if isinstance(source, str | Path | Exported):
        export = _export(source, head, classes)
        return scene_model_of_export(export, confidence, probabilities)
    # Here, not above: it loads TensorFlow, which an ONNX file does without.
    from iic_tf.export.run_model import scene_model_of

    return scene_model_of(source, head, classes, probabilities)


def open_image_model(
    source: Run | str | Path | Exported, head: str | None = None, classes: int | None = None
) -> ImageModel:
    """A clusterer, likewise."""
    if isinstance(source, str | Path | Exported):
        return image_model_of_export(_export(source, head, classes))
    from iic_tf.export.run_model import image_model_of

    return image_model_of(source, head, classes)


def _export(source: str | Path | Exported, head: str | None, classes: int | None) -> Exported:
    path = source.path if isinstance(source, Exported) else find_export(source)
    if path is None:
        raise InputError(
            "Expected an ONNX file, a SavedModel's folder, or one of its numbered versions; "
            f"received '{source}'."
        )
    refuse_other_answers(path, head, classes)
    return source if isinstance(source, Exported) else load_export(path)
