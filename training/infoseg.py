"""InfoSeg as a task: local and global features of crops of scenes."""

from __future__ import annotations

import keras

from iic_tf.errors import InputError
from iic_tf.models.infoseg import IIC, InfoSeg
from iic_tf.training.infoseg_recipe import InfoSegRecipe
from iic_tf.training.scene_task import SceneTask
from iic_tf.views.pairs import Pairs


class InfoSegTask(SceneTask):
    """An InfoSeg recipe and the scenes it is trained on."""

    recipe: InfoSegRecipe

    def model(self, seed: int) -> InfoSeg:
        return build_infoseg(self.recipe, self.scenes.channels, seed)

    @property
    def losses(self) -> str:
        return {
            "jsd": "−I in nats, from 0 down to −2 ln 2 (it may begin above 0)",
            "dv": "−I in nats, which has no lowest value",
        }.get(self.recipe.objective, "−I in nats, from 0 down to −(2λ − 1) ln k")

    def work(self) -> str:
        recipe = self.recipe
        assigned = "" if recipe.objective == IIC else f", {recipe.assignment} assignment"
        if recipe.paired and recipe.objective != IIC:
            assigned += ", of the other view"
        if recipe.elsewhere and recipe.objective != IIC:
            assigned += ", different images at different places"
        return f"{recipe.features} features, objective {recipe.objective}{assigned}"

    def pairs(self, seed: int) -> Pairs:
        """The crops of training.

        Raises:
            InputError: a grid of crops whose last batch would be one image, without a partner.
        """
        pairs = super().pairs(seed)
        if pairs.grid is not None and self.recipe.objective != IIC:
            crops, batch = len(pairs.grid), self.recipe.batch
            if crops % batch == 1:
                raise InputError(
                    "Expected at least 2 images in every batch, to pair with one another; received "
                    f"{crops} crops in batches of {batch}, the last of which is alone. Choose "
                    "another --batch, or --steps."
                )
        return pairs


def build_infoseg(recipe: InfoSegRecipe, channels: int, seed: int) -> InfoSeg:
    """The model of a recipe with the initial weights of a seed, not yet trained."""
    keras.utils.set_random_seed(seed)
    return InfoSeg(
        classes=recipe.classes,
        channels=channels,
        width=recipe.width,
        features=recipe.features,
        tau=recipe.tau,
        inputs=recipe.inputs,
        objective=recipe.objective,
        assignment=recipe.assignment,
        paired=recipe.paired,
        elsewhere=recipe.elsewhere,
        centred=recipe.centred,
        image_scale=recipe.image_scale,
        radius=recipe.radius,
        lamb=recipe.lamb,
        collapsed=recipe.collapsed,
        dtype=recipe.precision,
    )
