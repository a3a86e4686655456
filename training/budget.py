"""A budget of training time, which the whole schedule of a run fits into.

`training_clock.py` says what counts, and ends the run.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from iic_tf.errors import InputError, expected
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.training_clock import trained_seconds
from iic_tf.training.values import MOST

FILL = 0.9
"""Share of the budget that the schedule is made to fill: steps take longer at times."""

BESIDE = 0.5
"""Share of it that may go to what lies beside the steps, before there are fewer epochs."""


@dataclass(frozen=True)
class Budget:
    """What a run keeps of its budget, in `config.json`.

    Attributes:
        minutes: of training time.
        epochs, steps: that the schedule was made to have.
        recipe_epochs, recipe_steps: those of the recipe.
        step_seconds: that a step took in the trial, on average over the epochs; 0: no trial.
        beside_seconds: that an epoch took beside its steps; 0 likewise.
    """

    minutes: float
    epochs: int
    steps: int
    recipe_epochs: int
    recipe_steps: int
    step_seconds: float = 0.0
    beside_seconds: float = 0.0

    @property
    def seconds(self) -> float:
        return 60 * self.minutes

    def applied(self, recipe: Recipe) -> Recipe:
        """The recipe with the schedule that fits."""
        return recipe.of_epochs(self.epochs).replaced(steps=self.steps)

    def used_up(self, rows: Sequence[Mapping[str, Any]]) -> bool:
        """Whether the epochs of these figures have used it up."""
        return bool(rows) and trained_seconds(rows) >= self.seconds

    def told(self) -> str:
        """A line for the user."""
        own = f"{self.recipe_epochs} epochs of {self.recipe_steps} steps"
        begun = f"budget: {self.minutes:g} minutes of training"
        if not self.step_seconds:
            return f"{begun}; nothing is trained, the recipe's {own} stay"
        return (
            f"{begun}: {self.epochs} epochs of {self.steps} steps in place of the recipe's {own}; "
            f"a step takes {self.step_seconds:.3f} s, all else {self.beside_seconds:.2f} s an epoch"
        )


def check_minutes(minutes: float) -> None:
    """Raise `InputError` where they are no time to train in."""
    if not (math.isfinite(minutes) and minutes > 0):
        raise expected("minutes of training above 0", minutes, "minutes")


def begun_budget(run: Run, minutes: float | None) -> Budget | None:
    """The budget that a run began with; None where it has none.

    Args:
        run: that is to be resumed.
        minutes: as given now; None: whatever it began with.

    Raises:
        InputError: other minutes than those, or a configuration of another form.
    """
    kept = run.config().get("budget")
    began = None
    if kept is not None:
        try:
            began = Budget(**kept)
            check_minutes(began.minutes)
        except TypeError as error:
            raise expected(f"a budget in {run.config_file}", kept, "budget") from error
    if minutes is not None and minutes != (began.minutes if began else None):
        raise InputError(
            f"Expected the minutes that {run.folder} began with "
            f"({f'{began.minutes:g}' if began else 'none'}), to resume it; received "
            f"minutes={minutes:g}. To train for another time, choose another --out."
        )
    return began


@dataclass(frozen=True)
class PhaseTime:
    """What a phase of a training takes, in seconds.

    Attributes:
        epochs: the phase has in the recipe's schedule.
        step: of one step.
        beside: of all else in an epoch.
        first: of all else in the phase's first epoch.
    """

    epochs: int
    step: float
    beside: float
    first: float


def fitted(recipe: Recipe, steps: int, times: Sequence[PhaseTime], minutes: float) -> Budget:
    """The schedule that fills `FILL` of a budget.

    All epochs of the recipe stay, with more or fewer steps each, so that stages, thresholds and
    turns come as the recipe has them. Only where what lies beside the steps (k-means between
    epochs, say) would take more than `BESIDE` of the time there are fewer epochs, and stages are
    shorter in proportion.

    Args:
        recipe: its own epochs and stages.
        steps: of an epoch, as it has them.
        times: of its phases.
        minutes: the budget.

    Example:
        10 epochs of a step of 0.5 s and 2 s beside, 5 minutes: 10 epochs of 50 steps, for
        10 · (50 · 0.5 + 2) = 270 s.
    """
    epochs = sum(time.epochs for time in times)
    step = sum(time.epochs * time.step for time in times) / epochs
    beside = sum(time.epochs * time.beside for time in times) / epochs
    once = sum(max(0.0, time.first - time.beside) for time in times)
    seconds = FILL * 60 * minutes
    most = (BESIDE * seconds - once) / beside if beside > 0 else math.inf
    chosen = int(max(min(most, recipe.epochs), min(recipe.least_epochs, recipe.epochs)))
    left = seconds - once - chosen * beside
    room = left / (chosen * step) if step > 0 else float(steps)
    return Budget(
        minutes=minutes,
        epochs=chosen,
        # A little more, for 50 steps may come out as 49.999.
        steps=int(max(1, min(room + 1e-6, MOST // recipe.batch))),
        recipe_epochs=recipe.epochs,
        recipe_steps=steps,
        step_seconds=step,
        beside_seconds=beside,
    )
