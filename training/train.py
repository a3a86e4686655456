"""Training: a task and a seed become a run folder."""

from __future__ import annotations

import contextlib
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import keras
import tensorflow as tf

import iic_tf
from iic_tf.annotations import Json
from iic_tf.backend import require_no_limits
from iic_tf.errors import InputError, expected, require_text
from iic_tf.training.budget import Budget
from iic_tf.training.callbacks import (
    KeepBest,
    Record,
    SaveCheckpoint,
    lowest_loss,
)
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.epoch_progress import Progress, lowest
from iic_tf.training.look import DrawCurves
from iic_tf.training.memory_estimate import check_memory, weights_in_training
from iic_tf.training.progress import clock
from iic_tf.training.recipe import LAST, Recipe
from iic_tf.training.resume import check_same, load
from iic_tf.training.run import Run
from iic_tf.training.run_lock import only_writer
from iic_tf.training.strategy import is_chief
from iic_tf.training.tasks.task import Task
from iic_tf.training.training_facts import note_begun, note_done
from iic_tf.training.trial import budget_of, with_recipe
from iic_tf.training.trunk_file import write_trunk
from iic_tf.training.whole_best import require_best
from iic_tf.training.work import Work
from iic_tf.views.numbered_batches import NumberedBatches

LETTERS = "backslashreplace"
"""Names of files may hold bytes that are no text."""


def train(
    task: Task,
    out: str | Path,
    seed: int = 0,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
    resume: bool = False,
    strategy: tf.distribute.Strategy | None = None,
    command: str | None = None,
    minutes: float | None = None,
) -> Run:
    """Train without labels and leave a run folder (see `iic_tf.training.run`).

    After every epoch all that the next one needs is saved. A run that was stopped, whatever by,
    goes on from there and ends as if it had never been.

    Args:
        task: what is trained on what, as `iic_tf.training.tasks.registry.task_of` makes it.
        out: the run folder, new or empty.
        seed: of initial weights and of every draw.
        overwrite: replace an earlier run in `out`.
        say: gets each line shown to the user; `log.txt` has them too.
        resume: go on with the run in `out`, where there is one.
        strategy: what devices and machines it is spread over (`iic_tf.training.strategy`). Of
            several machines only the chief writes; to resume, all must see the folder.
        command: what was typed to begin it, kept for the run's report.
        minutes: of training time, which the whole schedule is made to fit into
            (`iic_tf.training.budget`); it is the run's, however often that is resumed. None: the
            recipe's own schedule, or the budget that a run began with which is resumed.

    Raises:
        InputError: anything unfit in the arguments, or in the files that the first batch and a look
            at some others come to, before `out` is made, or another process that trains there; or
            a file further on that cannot be read, or a loss that is not finite, afterwards.
    """
    if not 0 <= seed < 2**31:
        raise expected("seed >= 0 and below 2147483648", seed, "seed")
    require_no_limits()
    strategy = strategy or tf.distribute.get_strategy()
    require_text(Path(out))
    _check_shares(task.recipe, strategy)
    task.pairs(seed).drawn(0, 0)
    budget = budget_of(task, Path(out), seed, overwrite, say, resume, strategy, minutes)
    if budget is not None:
        task = with_recipe(task, budget.applied(task.recipe))
    config = _config(task, seed) | ({"budget": asdict(budget)} if budget else {})
    # What is wrong is met before the folder exists, as far as it can be without reading all files.
    pairs, fixed = task.pairs(seed), task.fixed_pairs(seed)
    pairs.drawn(0, 0)
    # Of several machines the chief alone writes.
    with only_writer(Path(out)) if is_chief() else contextlib.nullcontext():
        return _in_folder(
            *(task, Path(out), seed, overwrite, say, resume, strategy, config, pairs, fixed),
            command=command,
            budget=budget,
        )


def _in_folder(
    task: Task,
    out: Path,
    seed: int,
    overwrite: bool,
    say: Callable[[str], None],
    resume: bool,
    strategy: tf.distribute.Strategy,
    config: Json,
    pairs: NumberedBatches,
    fixed: NumberedBatches,
    command: str | None,
    budget: Budget | None,
) -> Run:
    """Train in a folder that nobody else writes to."""
    recipe = task.recipe
    run = Run.open(out) if resume and Run(Path(out)).config_file.is_file() else None
    checkpoint = None
    changed: list[str] = []
    if run is not None:
        changed = check_same(run, config)
        checkpoint = Checkpoints(run.checkpoints).newest(say)
    if run is not None and is_chief():
        run.clear_left()
        if checkpoint is not None:
            require_best(run, checkpoint, say)
    with strategy.scope():
        model = task.model(seed) if checkpoint is None else load(checkpoint)
        if checkpoint is None:
            check_memory(weights_in_training(model), "a training")
            model.compile(
                recipe.optimizer(pairs.steps),
                jit_compile=recipe.jit,
                micro_batches=recipe.micro_batches,
            )
        else:
            model.go_on_with(checkpoint.arrays)
    work = Work(task, seed, model, pairs, fixed, strategy, checkpoint, budget)
    if not is_chief():
        work.fit([], Run(Path(out)), lambda line: None)
        return Run(Path(out))
    data, plan, *notes = task.describe(pairs)
    if run is None:
        run = Run.create(out, config, overwrite)
    with run.log_file.open("a", encoding="utf-8", errors=LETTERS, buffering=1) as log:

        def tell(line: str) -> None:
            say(line)
            log.write(line + "\n")

        note_begun(run, command, strategy.num_replicas_in_sync)
        if recipe.foreign and checkpoint is None:
            write_trunk(model.trunk, run.trunk_file)
        tell(data)
        tell(f"recipe {recipe.name}, seed {seed}: {plan}")
        if budget is not None:
            tell(budget.told())
        for note in (*notes, *changed):
            tell(note)
        if strategy.num_replicas_in_sync > 1:
            tell(f"on {strategy.num_replicas_in_sync} replicas, each with its share of a batch")
            if recipe.replicas_differ:
                tell(f"note: not equal to one device: {recipe.replicas_differ}")
        tell(f"losses are {recipe.losses}; run folder {run.folder}")
        if resume:
            tell(f"resumed behind epoch {work.first} of {recipe.epochs}")
        _carry_out(work, run, tell)
    return run


def _carry_out(work: Work, run: Run, tell: Callable[[str], None]) -> None:
    """Train, write what is to be written, and look at what was found."""
    started = time.monotonic()
    epochs = work.task.recipe.epochs
    checkpoints = Checkpoints(run.checkpoints)
    record = Record(run, work.model.phase_of, work.rows)
    own = work.task.callbacks(run, work.seed)
    if work.checkpoint is not None:
        checkpoints.delete_after(work.first)
        for one in own:
            one.restore(work.checkpoint.arrays)
    progress = Progress(tell, epochs, work.pairs.steps, work.first)
    callbacks = [
        KeepBest(run),
        record,
        DrawCurves(run, record, work.task.recipe.loss_label),
        *own,
        SaveCheckpoint(checkpoints, record, own),
        progress,
    ]
    try:
        with contextlib.closing(progress):
            work.fit(callbacks, run, tell)
    except KeyboardInterrupt:
        done = len(record.rows)
        tell(
            f"stopped in epoch {done + 1} of {epochs}, which is lost; go on with: "
            f"iic-tf train --resume --out {run.folder}"
        )
        raise
    done = len(record.rows)
    if work.budget and done < epochs:
        tell(
            f"the budget of {work.budget.minutes:g} minutes is used up: the training ends behind "
            f"epoch {done} of {epochs}"
        )
    tell(f"done in {clock(time.monotonic() - started)}: {_kept(work.task.recipe, record.rows)}")
    note_done(run, record.rows, work.task.recipe.batch, work.pairs.steps, epochs)
    found = [str(run.pictures / name) for name in work.task.draw_results(run)]
    tell(f"model {run.best}; look at {', '.join([*found, str(run.pictures / 'losses.png')])}")


def _kept(recipe: Recipe, rows: list[Json]) -> str:
    """Which epoch's model is kept."""
    if recipe.keep == LAST:
        return f"the model of the last epoch, {rows[-1]['epoch']}, is kept"
    best = min(rows, key=lowest_loss)
    bound = next(value for name, value in best.items() if name.endswith("_bound"))
    return (
        f"best epoch {best['epoch']} by the unsupervised loss {lowest_loss(best):.4f} "
        f"{lowest(bound)}"
    )


def _check_shares(recipe: Recipe, strategy: tf.distribute.Strategy) -> None:
    replicas = strategy.num_replicas_in_sync
    if recipe.batch < replicas:
        raise expected(f"a batch of at least {replicas}, one for each replica", recipe.batch)
    if recipe.micro_batches > 1 and recipe.batch % (replicas * recipe.micro_batches):
        raise expected(
            f"a batch that is a multiple of {replicas} replicas × {recipe.micro_batches} "
            "micro-batches",
            recipe.batch,
            "batch",
        )
    if recipe.jit and replicas > 1 and not tf.config.list_physical_devices("GPU"):
        raise InputError("Expected --jit on one device or on GPUs; received several CPU devices.")


def _config(task: Task, seed: int) -> Json:
    return {
        "recipe": task.recipe.to_dict(),
        "seed": seed,
        **task.data_config(),
        "versions": {
            "iic_tf": iic_tf.__version__,
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
            "python": platform.python_version(),
        },
    }
