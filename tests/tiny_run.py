"""Run folders made by hand: untrained models whose batch statistics mean something."""

from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.training.answer import Answer
from iic_tf.training.methods.iic import IICClustering, IICSegmentation
from iic_tf.training.run import Run
from iic_tf.training.tasks.task import fresh_model


def make_run(
    folder: Path,
    channels: int = 3,
    low: float = 0.0,
    high: float = 255.0,
    seed: int = 0,
    **values: Any,
) -> Run:
    """A run of a tiny model in `folder`/run; `values` are the recipe's."""
    recipe = IICSegmentation().replaced(**{"width": 0.05, "radius": 1, "overclusters": 4, **values})
    config = {
        "recipe": recipe.to_dict(),
        "source": {"dataset": "folder"},
        "seed": seed,
        "channels": channels,
        "low": [low] * channels,
        "high": [high] * channels,
    }
    run = Run.create(folder / "run", config)
    model = fresh_model(recipe, channels, seed)
    randomise(model, seed)
    balance(model, seed)
    model.chosen.assign(recipe.sub_heads - 1)
    model.compile()
    model.save(run.best)
    return run


def make_clustering_run(
    folder: Path, channels: int = 3, side: int = 24, seed: int = 0, **values: Any
) -> Run:
    """A run of a tiny clusterer of side × side images in `folder`/run, likewise."""
    view = {"crops": [16], "size": 12}
    values = {"network": "B", "width": 0.1, "overclusters": 4, "x": view, "gx": view, **values}
    recipe = IICClustering().replaced(**{"classes": 3, "sub_heads": 2, "inputs": "bands", **values})
    config = {
        "recipe": recipe.to_dict(),
        "source": {"dataset": "images"},
        "seed": seed,
        "channels": channels,
        "height": side,
        "width": side,
    }
    run = Run.create(folder / "run", config)
    model = fresh_model(recipe, channels, seed)
    randomise(model, seed)
    images = np.random.default_rng(seed).random((16, 3, 3, channels))
    x = images.repeat(model.size // 3 + 1, 1).repeat(model.size // 3 + 1, 2)
    features = np.asarray(model.features(x[:, : model.size, : model.size].astype(np.float32)))
    for head in model.heads.values():
        # They begin so small that all images would get nearly the same probabilities.
        kernel = np.asarray(head.linear.kernel)
        logits = features.astype(np.float32) @ kernel
        head.linear.kernel.assign(kernel / logits.std(0))
        head.linear.bias.assign(-logits.mean(0) / logits.std(0))
    model.chosen.assign(recipe.sub_heads - 1)
    model.compile()
    model.save(run.best)
    return run


def answering(served: Any) -> Answer:
    """What answers as given, with clusters by their numbers."""
    k = served.model.classes
    names = tuple(f"cluster {i}" for i in range(k))
    return Answer(served, names, np.zeros((k, 3), np.uint8), np.arange(k, dtype=np.int32))


def balance(model: Any, seed: int) -> None:
    """Give the heads kernels by which no cluster is the likeliest everywhere."""
    coarse = np.random.default_rng(seed).random((4, 6, 6, model.channels))
    images = coarse.repeat(9, 1).repeat(9, 2).astype(np.float32)
    mean = np.asarray(model.features(images), np.float32).mean((0, 1, 2))
    for head in model.heads.values():
        kernel = np.asarray(head.conv.kernel)
        share = np.tensordot(mean, kernel, (0, 2))[:, :, None] / (mean @ mean)
        head.conv.kernel.assign(kernel - mean[:, None] * share)


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
