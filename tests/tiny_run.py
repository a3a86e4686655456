"""A run folder made by hand: an untrained model whose batch statistics mean something."""

from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.training.run import Run
from iic_tf.training.segmentation import build_model
from iic_tf.training.segmentation_recipe import SegmentationRecipe


def make_run(
    folder: Path,
    channels: int = 3,
    low: float = 0.0,
    high: float = 255.0,
    seed: int = 0,
    **values: Any,
) -> Run:
    """A run of a tiny model in `folder`/run; `values` are the recipe's."""
    recipe = SegmentationRecipe().replaced(
        **{"width": 0.05, "radius": 1, "overclusters": 4, **values}
    )
    config = {
        "recipe": recipe.to_dict(),
        "source": {"dataset": "folder"},
        "seed": seed,
        "channels": channels,
        "low": [low] * channels,
        "high": [high] * channels,
    }
    run = Run.create(folder / "run", config)
    model = build_model(recipe, channels, seed)
    randomise(model, seed)
    model.chosen.assign(recipe.sub_heads - 1)
    model.compile()
    model.save(run.best)
    return run


def randomise(model: Any, seed: int) -> None:
    """Draw BatchNormalization's statistics and offsets, which begin as 0 and 1."""
    rng = np.random.default_rng(seed)
    for variable in model.variables:
        shape = tuple(variable.shape)
        if variable.name == "moving_mean":
            variable.assign(rng.normal(0, 0.3, shape))
        elif variable.name == "moving_variance":
            variable.assign(rng.uniform(0.3, 2.0, shape))
        elif variable.name in ("gamma", "beta"):
            variable.assign(rng.uniform(0.5, 1.5, shape) - (variable.name == "beta"))
