"""Training: a task and a seed become a run folder."""

from __future__ import annotations

import contextlib
import math
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import tensorflow as tf

import iic_tf
from iic_tf.backend import require_no_limits
from iic_tf.errors import InputError, expected, require_text
from iic_tf.training.callbacks import (
    Evaluate,
    KeepBest,
    Record,
    SaveCheckpoint,
    StopOnNonFiniteLoss,
    lowest_loss,
)
from iic_tf.training.checkpoints import Checkpoint, Checkpoints
from iic_tf.training.epoch_progress import Progress, lowest
from iic_tf.training.explained import explained
from iic_tf.training.kept_features import on_features
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
from iic_tf.training.trunk_file import write_trunk
from iic_tf.training.whole_best import require_best
from iic_tf.types import Callback, Json
from iic_tf.views.distributed import distributed
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

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
    recipe, config = task.recipe, _config(task, seed)
    _check_shares(recipe, strategy)
    # What is wrong is met before the folder exists, as far as it can be without reading all files.
    pairs, fixed = task.pairs(seed), task.fixed_pairs(seed)
    pairs.drawn(0, 0)
    # Of several machines the chief alone writes.
    with only_writer(Path(out)) if is_chief() else contextlib.nullcontext():
        return _in_folder(
            *(task, Path(out), seed, overwrite, say, resume, strategy, config, pairs, fixed),
            command=command,
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
    work = _Work(task, seed, model, pairs, fixed, strategy, checkpoint)
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


@dataclass(frozen=True)
class _Work:
    """A training that is ready to begin, or to go on."""

    task: Task
    seed: int
    model: SelfSupervised
    pairs: NumberedBatches
    fixed: NumberedBatches
    strategy: tf.distribute.Strategy
    checkpoint: Checkpoint | None

    @property
    def first(self) -> int:
        """The number of epochs that are done."""
        return 0 if self.checkpoint is None else self.checkpoint.epoch

    @property
    def rows(self) -> list[Json]:
        """Their figures."""
        return [] if self.checkpoint is None else self.checkpoint.rows

    def fit(self, callbacks: Sequence[Callback], run: Run, tell: Callable[[str], None]) -> None:
        """Take the epochs that are left, on this process's devices."""
        epochs, steps = self.task.recipe.epochs, self.pairs.steps
        recipe = self.task.recipe
        best = min((lowest_loss(row) for row in self.rows), default=math.inf)
        if self.first == epochs:
            return
        folder = run.folder if is_chief() else None
        given = self.pairs, self.fixed
        with (
            explained(run, *given),
            on_features(self.model, recipe, *given, folder, tell) as (pairs, fixed),
            explained(run, pairs, fixed),
        ):
            self.model.fit(
                distributed(pairs, self.strategy, self.first * steps, epochs * steps),
                initial_epoch=self.first,
                epochs=epochs,
                steps_per_epoch=steps,
                callbacks=[
                    StopOnNonFiniteLoss(lambda *at: self.task.names(pairs.drawn(*at)), run),
                    *recipe.fitting(pairs),
                    Evaluate(
                        distributed(fixed, self.strategy, 0, fixed.steps),
                        fixed.steps,
                        best,
                        keep_last=recipe.keep == LAST,
                    ),
                    *callbacks,
                ],
                verbose=0,
            )


def _carry_out(work: _Work, run: Run, tell: Callable[[str], None]) -> None:
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
    tell(f"done in {clock(time.monotonic() - started)}: {_kept(work.task.recipe, record.rows)}")
    note_done(run, record.rows, work.task.recipe.batch, work.pairs.steps)
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
