"""The best model of a run, ready for raw pixels."""

from __future__ import annotations

from iic_tf.export.best_model import best_model
from iic_tf.export.servable import Servable
from iic_tf.training.recipe import Recipe
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import TASKS


def load_served(run: Run, recipe: Recipe | None = None) -> Servable:
    """The best model of a run in float32, with its preprocessing.

    Args:
        run: a trained run.
        recipe: its recipe, if it is at hand.

    Raises:
        InputError: no finished epoch, or damaged files.
    """
    recipe = recipe or run_recipe(run)
    return TASKS[recipe.task].served(run, best_model(run, recipe.model_class), recipe)
