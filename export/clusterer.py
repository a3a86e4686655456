"""The clusterer of a run, ready for raw pixels."""

from __future__ import annotations

from iic_tf.errors import InputError
from iic_tf.export.best_model import best_model
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.served_clusterer import ServedClusterer
from iic_tf.training.clustering_recipe import ClusteringRecipe
from iic_tf.training.run import Run


def load_clusterer(run: Run) -> ServedClusterer:
    """The best model of a clustering run, in float32.

    Raises:
        InputError: another kind of run, no finished epoch, or damaged files.
    """
    config, recipe = run.config(), run.recipe()
    if not isinstance(recipe, ClusteringRecipe):
        raise InputError(
            f"Expected a clustering run; received {run.folder}, trained by {recipe.method}."
        )
    model = best_model(run, IICClusterer)
    try:
        side = min(config["height"], config["width"])
    except KeyError as error:
        raise InputError(
            f"Expected height and width in {run.config_file}; received none."
        ) from error
    return ServedClusterer(model, recipe.x, side)
