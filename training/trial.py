"""A trial of a few steps of each phase, by which the schedule of a budget is made."""

from __future__ import annotations

import copy
import gc
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import keras
import tensorflow as tf

from iic_tf.annotations import Logs
from iic_tf.errors import expected
from iic_tf.training.budget import (
    Budget,
    PhaseTime,
    begun_budget,
    check_minutes,
    fitted,
)
from iic_tf.training.callbacks import Evaluate
from iic_tf.training.explained import explained
from iic_tf.training.kept_features import on_features
from iic_tf.training.memory_estimate import check_memory, weights_in_training
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.strategy import workers
from iic_tf.training.tasks.task import Task
from iic_tf.training.training_clock import now
from iic_tf.views.distributed import distributed

STEPS = 5
"""Of an epoch of the trial, of which the first one is not counted."""

T = TypeVar("T", bound=Task)


def with_recipe(task: T, recipe: Recipe) -> T:
    """The same data with another recipe of the same kind."""
    other = copy.copy(task)
    other.recipe = recipe
    return other


def budget_of(
    task: Task,
    out: Path,
    seed: int,
    overwrite: bool,
    say: Callable[[str], None],
    resume: bool,
    strategy: tf.distribute.Strategy,
    minutes: float | None,
) -> Budget | None:
    """The budget of a run: what it began with, or what a trial says of so many minutes.

    Args:
        task: with the recipe's own schedule; `Budget.applied` makes the run's of it.
        out: the run folder.
        seed: of the run.
        overwrite: whether an earlier run there may be replaced.
        say: gets each line shown to the user.
        resume: whether one that is there goes on.
        strategy: of the devices.
        minutes: of training time; None: none, or whatever the run began with.

    Raises:
        InputError: minutes that are no time, or other ones than the run's; several machines; or
            a folder that is used.
    """
    if resume and Run(out).config_file.is_file():
        return begun_budget(Run.open(out), minutes)
    if minutes is None:
        return None
    check_minutes(minutes)
    if workers() > 1:
        raise expected("no --minutes with several machines, whose clocks differ", minutes)
    Run.check_free(out, overwrite)
    if task.recipe.trains:
        say("trying a few steps, to see how many there can be")
    with explained(Run(out), task.pairs(seed)):
        return tried(task, seed, strategy, minutes)


def tried(task: Task, seed: int, strategy: tf.distribute.Strategy, minutes: float) -> Budget:
    """The budget's schedule, by a trial on a model that is thrown away.

    Of each phase two epochs of a few steps are gone through, with what is fitted and evaluated
    beside them: the second one, in which no graph is traced, says how long things take.

    Args:
        task: with the recipe's own schedule.
        seed: of the run.
        strategy: of the devices.
        minutes: of training time.
    """
    recipe, steps = task.recipe, task.pairs(seed).steps
    if not recipe.trains:
        own = {"recipe_epochs": recipe.epochs, "recipe_steps": steps}
        return Budget(minutes, recipe.epochs, steps, **own)
    times = _phase_times(with_recipe(task, recipe.replaced(steps=STEPS)), seed, strategy)
    # The model of the run begins with all the memory.
    gc.collect()
    return fitted(recipe, steps, times, minutes)


def _phase_times(task: Task, seed: int, strategy: tf.distribute.Strategy) -> list[PhaseTime]:
    recipe = task.recipe
    pairs, fixed = task.pairs(seed), task.fixed_pairs(seed)
    with strategy.scope():
        model = task.model(seed)
        check_memory(weights_in_training(model), "a training")
        model.compile(
            recipe.optimizer(STEPS), jit_compile=recipe.jit, micro_batches=recipe.micro_batches
        )
    epochs: dict[str, list[int]] = {}
    for epoch in range(recipe.epochs):
        epochs.setdefault(model.phase_of(epoch), []).append(epoch)
    watches = []
    with on_features(model, recipe, pairs, fixed, None, lambda line: None) as (pairs, fixed):
        for own in epochs.values():
            watch = _Watch()
            # The last one is as good as any where there is but one.
            for epoch in (own[0], own[min(1, len(own) - 1)]):
                model.fit(
                    distributed(pairs, strategy, epoch * STEPS, (epoch + 1) * STEPS),
                    initial_epoch=epoch,
                    epochs=epoch + 1,
                    steps_per_epoch=STEPS,
                    callbacks=[
                        _Mark(watch, 0),
                        *recipe.fitting(pairs),
                        Evaluate(distributed(fixed, strategy, 0, fixed.steps), fixed.steps),
                        _Mark(watch, 1),
                    ],
                    verbose=0,
                )
            watches.append(watch.time(len(own)))
    return watches


class _Watch:
    """When the parts of epochs began and ended."""

    def __init__(self) -> None:
        self.beside: list[float] = []
        self.steps: list[float] = []
        self.left = 0.0

    def time(self, epochs: int) -> PhaseTime:
        step = (self.steps[-1] - self.steps[0]) / (len(self.steps) - 1)
        return PhaseTime(epochs, step, self.beside[-1], self.beside[0])


class _Mark(keras.callbacks.Callback):  # type: ignore[misc]
    """Stands before what is fitted and evaluated (place 0), and behind it (1)."""

    def __init__(self, watch: _Watch, place: int):
        super().__init__()
        self.watch = watch
        self.place = place

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        watch = self.watch
        if self.place == 0:
            watch.left, watch.steps = now(), []
        else:
            watch.beside.append(now() - watch.left)

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        if self.place == 1:
            # Asking for the loss waits for the step.
            float((logs or {}).get("loss", 0.0))
            self.watch.steps.append(now())

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if self.place == 0:
            self.watch.left = now()
        else:
            self.watch.beside[-1] += now() - self.watch.left
