"""The best model of a run, ready for raw pixels."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError
from iic_tf.export.servable import Servable
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.answer import Answer, answer_of
from iic_tf.training.run import Run


def load_served(run: Run, head: str | None = None, classes: int | None = None) -> Servable:
    """What a run answers with, ready for raw pixels; see `iic_tf.training.answer.answer_of`."""
    served: Servable = answer_of(run, head, classes).served
    return served


def answer_served_as(
    run: Run, kind: type[Any], head: str | None = None, classes: int | None = None
) -> Answer:
    """What a run answers with, of a run that must be of the task that such models are served for.

    Args:
        run: a trained run.
        kind: `ServedSegmenter` or `ServedClusterer`.
        head: see `iic_tf.training.answer.answer_of`.
        classes: likewise.

    Raises:
        InputError: a run of another task, no finished epoch, or damaged files.
    """
    answer = answer_of(run, head, classes)
    if not isinstance(answer.served, kind):
        raise InputError(
            f"Expected a run that is served as {kind.__name__}; received {run.folder}, served as "
            f"{type(answer.served).__name__}."
        )
    return answer


def weights_digest(served: ServedSegmenter) -> str:
    """By which a model is told from others: of all weights, and of how they are used."""
    model = served.model
    ways = [getattr(model, name, None) for name in ("head", "sub_head", "numbers")]
    found = hashlib.sha256(f"{type(model).__name__} {served.downscale} {ways}".encode())
    values = [served.low, served.high, served.fill, getattr(model, "table", ())]
    for part in getattr(model, "tracked", [model]):
        values += part.variables
    for value in values:
        found.update(np.ascontiguousarray(value).tobytes())
    return found.hexdigest()


def trained_bands(run: Run) -> str | None:
    """Which bands of the user's own images a run was trained on, as `--bands` gave them.

    None: all of them, or the run was trained on another data set, whose bands are its own.
    """
    source = run.config().get("source", {})
    if source.get("dataset", "folder") != "folder":
        return None
    bands: str | None = getattr(source_from_dict(source), "bands", None)
    return bands


def background_of(run: Run) -> str:
    """What shows where whole images are transparent, as in the training of a run."""
    # Before 0.2 alpha was passed over.
    background: str = run.config().get("source", {}).get("background", "stored")
    return background
