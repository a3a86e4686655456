"""Training: a recipe, a data set and a seed become a run folder."""

from __future__ import annotations

import contextlib
import dataclasses
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import iic_tf
from iic_tf.data.registry import Source, load_source
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError, expected
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.models.turns import MAIN, OVERCLUSTERING
from iic_tf.training.callbacks import Evaluate, Keep, Progress, Record, StopOnNonFiniteLoss, clock
from iic_tf.training.look import DrawCurves, draw_found
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.views.pairs import Pairs

EVALUATION_SEED_OFFSET = 1_000_003
"""Evaluation pairs are drawn from another seed than the training's, the same in every epoch."""


def build_model(recipe: Recipe, channels: int, seed: int) -> IICSegmenter:
    """The model of a recipe with the initial weights of a seed, not yet trained."""
    keras.utils.set_random_seed(seed)
    clusters = recipe.head_clusters
    return IICSegmenter(
        classes=clusters[MAIN],
        overclusters=clusters[OVERCLUSTERING],
        channels=channels,
        width=recipe.width,
        sub_heads=recipe.sub_heads,
        inputs=recipe.inputs,
        radius=recipe.radius,
        lamb=recipe.lamb,
        overclustering_lamb=recipe.overclustering_lamb,
        collapsed=recipe.collapsed,
        turns=recipe.turns,
        dtype=recipe.precision,
    )


def build_pairs(recipe: Recipe, scenes: SceneSet, seed: int) -> Pairs:
    """The paired views of a recipe."""
    return Pairs(
        scenes,
        crop=recipe.crop,
        batch=recipe.batch,
        steps=recipe.steps or None,
        seed=seed,
        downscale=recipe.downscale,
        geometry=recipe.geometry,
        photometry=recipe.photometry,
        jitter_x=recipe.jitter_x,
        masks=recipe.masks,
    )


def evaluation_pairs(recipe: Recipe, scenes: SceneSet, seed: int) -> Pairs:
    """The fixed pairs on which each epoch's unsupervised loss is taken."""
    fixed = recipe.replaced(steps=recipe.evaluation_steps)
    return build_pairs(fixed, scenes, seed + EVALUATION_SEED_OFFSET)


def train(
    recipe: Recipe,
    source: Source,
    out: str | Path,
    seed: int = 0,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> Run:
    """Train without labels and leave a run folder (see `iic_tf.training.run`).

    Args:
        recipe: all values of the run; its class count goes before the source's.
        source: the data set.
        out: the run folder, new or empty.
        seed: of initial weights and of every draw.
        overwrite: replace an earlier run in `out`.
        say: gets each line shown to the user; `log.txt` has them too.

    Raises:
        InputError: anything unfit in the arguments or files, before `out` is made; or a loss that
            is not finite, afterwards.
    """
    if not 0 <= seed < 2**31:
        raise expected("seed >= 0 and below 2147483648", seed, "seed")
    scenes = load_source(dataclasses.replace(source, classes=recipe.classes))
    # Everything that can be wrong is met before the folder exists.
    model = build_model(recipe, scenes.channels, seed)
    pairs = build_pairs(recipe, scenes, seed)
    if recipe.radius >= recipe.crop:
        raise InputError(
            f"Expected a crop larger than the radius; received crop={recipe.crop}, "
            f"radius={recipe.radius}."
        )
    fixed = evaluation_pairs(recipe, scenes, seed)
    pairs.drawn(0, 0)
    model.compile(_optimizer(recipe, pairs.steps))
    run = Run.create(out, _config(recipe, source, scenes, seed), overwrite)

    with run.log_file.open("a", encoding="utf-8", buffering=1) as log:

        def tell(line: str) -> None:
            say(line)
            log.write(line + "\n")

        _greet(tell, recipe, scenes, pairs, seed, run)
        started = time.monotonic()

        def names_of(epoch: int, step: int) -> list[str]:
            return [scenes.scenes[i].name for i in pairs.drawn(epoch, step)["scene"]]

        history = Record(run, model.turn_of)
        callbacks = [
            StopOnNonFiniteLoss(names_of, run.best),
            Evaluate(fixed.dataset(0, fixed.steps)),
            Keep(run),
            history,
            DrawCurves(run, history),
            Progress(tell, recipe.epochs, pairs.steps),
        ]
        with _explained(run, pairs, fixed):
            model.fit(
                pairs.dataset(0, recipe.epochs * pairs.steps),
                epochs=recipe.epochs,
                steps_per_epoch=pairs.steps,
                callbacks=callbacks,
                verbose=0,
            )
        best = min(history.rows, key=lambda row: row["main_loss"])
        tell(
            f"done in {clock(time.monotonic() - started)}: best epoch {best['epoch']} by the "
            f"unsupervised loss {best['main_loss']:.4f} (at best {best['main_bound']:.4f})"
        )
        served = ServedSegmenter(run.load_best(), scenes.low, scenes.high, recipe.downscale)
        draw_found(run, served, scenes)
        tell(f"model {run.best}; look at {run.pictures / 'found.png'} and the curves beside it")
    return run


@contextlib.contextmanager
def _explained(run: Run, *pairs: Pairs) -> Iterator[None]:
    """Turn what stops a training into one message that says what is left."""
    try:
        yield
    except tf.errors.OpError as error:
        for one in pairs:
            if one.failure is not None:
                raise one.failure from error
        raise
    except OSError as error:
        said = f"Expected room to write in {run.folder}; received {error}."
        if run.best.is_file():
            said += f" The best model so far is {run.best}."
        raise InputError(said) from error


def _optimizer(recipe: Recipe, steps: int) -> keras.optimizers.Optimizer:
    rate: Any = recipe.rate
    if recipe.schedule == "cosine":
        rate = keras.optimizers.schedules.CosineDecay(recipe.rate, steps * recipe.epochs)
    # Epsilon as in the published runs.
    return keras.optimizers.Adam(rate, epsilon=1e-8)


def _config(recipe: Recipe, source: Source, scenes: SceneSet, seed: int) -> dict[str, Any]:
    return {
        "recipe": recipe.to_dict(),
        "source": dataclasses.asdict(source),
        "seed": seed,
        "channels": scenes.channels,
        "low": scenes.low,
        "high": scenes.high,
        "images": len(scenes.scenes),
        "class_names": list(scenes.classes.names) if scenes.classes else None,
        "versions": {
            "iic_tf": iic_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }


def _greet(
    tell: Callable[[str], None],
    recipe: Recipe,
    scenes: SceneSet,
    pairs: Pairs,
    seed: int,
    run: Run,
) -> None:
    labelled = scenes.labelled
    tell(
        f"{scenes.name}: {len(scenes.scenes)} images of {scenes.channels} channels, "
        f"{len(labelled.scenes) if labelled else 0} with masks (used for scores only"
        + (", and to leave pixels of no class out of training)" if recipe.masks else ")")
    )
    tell(
        f"recipe {recipe.name}, seed {seed}: {recipe.epochs} epochs of {pairs.steps} steps of "
        f"{recipe.batch} pairs of {recipe.crop}×{recipe.crop}, scale 1/{recipe.downscale}; "
        f"{recipe.classes} classes, {recipe.head_clusters[OVERCLUSTERING]} overclusters"
    )
    tell(
        "losses are −I in nats, from 0 down to −ln k (−(2λ − 1) ln k where λ is not 1); "
        f"run folder {run.folder}"
    )
