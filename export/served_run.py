"""The best model of a run, ready for raw pixels."""

from __future__ import annotations

from typing import TypeVar

from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError
from iic_tf.export.servable import Servable
from iic_tf.training.best_model import best_model
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import TASKS

S = TypeVar("S")


def load_served(run: Run) -> Servable:
    """The best model of a run in float32, with its preprocessing.

    Args:
        run: a trained run.

    Raises:
        InputError: no finished epoch, or damaged files.
    """
    recipe = run_recipe(run)
    served: Servable = TASKS[recipe.task].served(run, best_model(run, recipe.model_class), recipe)
    return served


def load_served_as(run: Run, kind: type[S]) -> S:
    """The same of a run that must be of the task that such models are served for.

    Raises:
        InputError: a run of another task, no finished epoch, or damaged files.
    """
    served = load_served(run)
    if not isinstance(served, kind):
        raise InputError(
            f"Expected a run that is served as {kind.__name__}; received {run.folder}, served as "
            f"{type(served).__name__}."
        )
    return served


def trained_bands(run: Run) -> str | None:
    """Which bands of the user's own images a run was trained on, as `--bands` gave them.

    None: all of them, or the run was trained on another data set, whose bands are its own.
    """
    source = run.config().get("source", {})
    if source.get("dataset", "folder") != "folder":
        return None
    bands: str | None = getattr(source_from_dict(source), "bands", None)
    return bands
