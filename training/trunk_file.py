"""A run keeps the trunk that it began with: nobody has to fetch it again to compare."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras

from iic_tf.training.atomic import replacing
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run

if TYPE_CHECKING:
    from iic_tf.networks.keras_trunk import KerasTrunk


def write_trunk(trunk: KerasTrunk, file: Path) -> None:
    """Write a `KerasTrunk` as it is, in a model of its own, that `--trunk FILE` reads again."""
    channels = int(trunk.network.input_shape[-1])
    image = keras.Input((None, None, channels))
    again = type(trunk).from_config({**trunk.get_config(), "bands": None})
    model = keras.Model(image, again(image))
    again.network.set_weights(trunk.network.get_weights())
    with replacing(file) as temporary:
        model.save(temporary)


def with_trunk_of(run: Run, recipe: Any) -> Any:
    """A run's recipe with the trunk that the run began with in place of one by name."""
    if not (isinstance(recipe, Recipe) and run.trunk_file.is_file()):
        return recipe
    # The file does not say that the method trains it from the beginning, which some ask for.
    trained = {} if recipe.trunk_rests else {"fine_tune_trunk": True, "frozen_epochs": 1}
    epochs = max(recipe.epochs, 1 + len(trained))
    return recipe.replaced(trunk=str(run.trunk_file), epochs=epochs, **trained)
