"""The segmenter of a run, ready for raw pixels."""

from __future__ import annotations

from iic_tf.errors import InputError
from iic_tf.export.best_model import best_model
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.infoseg import InfoSeg
from iic_tf.models.segmenter import Segmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.infoseg_recipe import InfoSegRecipe
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.scene_recipe import SceneRecipe
from iic_tf.training.segmentation_recipe import SegmentationRecipe

MODELS: dict[type[Recipe], type[Segmenter]] = {
    SegmentationRecipe: IICSegmenter,
    InfoSegRecipe: InfoSeg,
}
"""What kind of model a run of each kind of recipe holds."""


def load_segmenter(run: Run) -> ServedSegmenter:
    """The best model of a segmentation run, in float32.

    Raises:
        InputError: another kind of run, no finished epoch, or damaged files.
    """
    config, recipe = run.config(), run.recipe()
    if not isinstance(recipe, SceneRecipe):
        raise InputError(
            f"Expected a segmentation run; received {run.folder}, trained by {recipe.method}."
        )
    model = best_model(run, MODELS[type(recipe)])
    try:
        low, high = config["low"], config["high"]
    except KeyError as error:
        raise InputError(f"Expected low and high in {run.config_file}; received none.") from error
    return ServedSegmenter(model, low, high, recipe.downscale, recipe.core)
