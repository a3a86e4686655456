"""Training: a task and a seed become a run folder."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

import iic_tf
from iic_tf.errors import InputError, expected
from iic_tf.training.callbacks import Evaluate, Keep, Progress, Record, StopOnNonFiniteLoss, clock
from iic_tf.training.look import DrawCurves
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.task import Task
from iic_tf.views.numbered_batches import NumberedBatches


def train(
    task: Task,
    out: str | Path,
    seed: int = 0,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> Run:
    """Train without labels and leave a run folder (see `iic_tf.training.run`).

    Args:
        task: what is trained on what, as `iic_tf.training.methods.task_of` makes it.
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
    recipe = task.recipe
    # Everything that can be wrong is met before the folder exists.
    model = task.model(seed)
    pairs, fixed = task.pairs(seed), task.fixed_pairs(seed)
    pairs.drawn(0, 0)
    model.compile(_optimizer(recipe, pairs.steps))
    run = Run.create(out, _config(task, seed), overwrite)

    with run.log_file.open("a", encoding="utf-8", buffering=1) as log:

        def tell(line: str) -> None:
            say(line)
            log.write(line + "\n")

        data, work = task.greeting(pairs)
        tell(data)
        tell(f"recipe {recipe.name}, seed {seed}: {work}")
        tell(
            "losses are −I in nats, from 0 down to −ln k (−(2λ − 1) ln k where λ is not 1); "
            f"run folder {run.folder}"
        )
        started = time.monotonic()

        def names_of(epoch: int, step: int) -> list[str]:
            return task.names(pairs.drawn(epoch, step))

        history = Record(run, model.turn_of)
        callbacks = [
            StopOnNonFiniteLoss(names_of, run.best),
            Evaluate(fixed.dataset(0, fixed.steps)),
            Keep(run),
            history,
            DrawCurves(run, history),
            *task.callbacks(run),
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
        found = [str(run.pictures / name) for name in task.look(run)]
        tell(f"model {run.best}; look at {', '.join([*found, str(run.pictures / 'losses.png')])}")
    return run


@contextlib.contextmanager
def _explained(run: Run, *pairs: NumberedBatches) -> Iterator[None]:
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


def _config(task: Task, seed: int) -> dict[str, Any]:
    return {
        "recipe": task.recipe.to_dict(),
        "seed": seed,
        **task.facts(),
        "versions": {
            "iic_tf": iic_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }
