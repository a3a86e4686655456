"""A training that is ready to begin, or to go on: model, pairs, and what goes with its epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import tensorflow as tf

from iic_tf.annotations import Callback, Json
from iic_tf.training.budget import Budget
from iic_tf.training.callbacks import Evaluate, StopOnNonFiniteLoss, lowest_loss
from iic_tf.training.checkpoints import Checkpoint
from iic_tf.training.explained import explained
from iic_tf.training.kept_features import on_features
from iic_tf.training.recipe import LAST
from iic_tf.training.run import Run
from iic_tf.training.strategy import is_chief
from iic_tf.training.tasks.task import Task
from iic_tf.training.training_clock import TrainingClock, trained_seconds
from iic_tf.views.distributed import distributed
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised


@dataclass(frozen=True)
class Work:
    """A training that is ready to begin, or to go on."""

    task: Task
    seed: int
    model: SelfSupervised
    pairs: NumberedBatches
    fixed: NumberedBatches
    strategy: tf.distribute.Strategy
    checkpoint: Checkpoint | None
    budget: Budget | None

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
        if self.first == epochs or (self.budget and self.budget.used_up(self.rows)):
            return
        clock = None
        if self.budget:
            clock = TrainingClock(trained_seconds(self.rows), self.budget.seconds)
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
                    *([clock.begins] if clock else []),
                    *recipe.fitting(pairs),
                    Evaluate(
                        distributed(fixed, self.strategy, 0, fixed.steps),
                        fixed.steps,
                        best,
                        keep_last=recipe.keep == LAST,
                    ),
                    *([clock.ends] if clock else []),
                    *callbacks,
                ],
                verbose=0,
            )
