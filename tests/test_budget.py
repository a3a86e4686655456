"""A budget of training time, by clocks that are made up: no test here waits or measures."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from contract_runs import arguments

from iic_tf.cli import main
from iic_tf.errors import InputError
from iic_tf.training import training_clock, trial
from iic_tf.training.budget import PhaseTime, check_minutes, fitted
from iic_tf.training.methods.registry import recipe_class
from iic_tf.training.recipe_files import load_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.segmentation import SEGMENTATION, SegmentationTask
from iic_tf.training.training_clock import TrainingClock


def ticking(seconds: float) -> Callable[[], float]:
    """A clock that goes on by so much whenever it is looked at."""
    times: Iterator[float] = iter(seconds * i for i in range(10**6))
    return lambda: next(times)


def test_steps_fill_the_budget_by_hand() -> None:
    recipe = load_recipe("scan-mnist-cpu").replaced(epochs=10, feature_epochs=5)
    # 270 s of 300: 10 epochs of (50 steps · 0.5 s + 2 s).
    found = fitted(recipe, 80, [PhaseTime(10, 0.5, 2.0, 2.0)], 5)
    assert (found.epochs, found.steps) == (10, 50)
    assert (found.recipe_epochs, found.recipe_steps) == (10, 80)
    # Two phases: 2 s are lost in the first epoch of the second; a step takes 0.7 s on average.
    two = [PhaseTime(6, 0.5, 2.0, 2.0), PhaseTime(4, 1.0, 1.0, 3.0)]
    assert fitted(recipe, 80, two, 5).steps == int((270 - 2 - 6 * 2 - 4 * 1) / (10 * 0.7))


def test_fewer_epochs_only_where_the_rest_takes_more_than_half() -> None:
    recipe = load_recipe("dec-mnist-cpu")
    assert (recipe.epochs, recipe.pretraining) == (50, 30)  # type: ignore[attr-defined]
    # Half of 270 s are 13 epochs of 10 s; what is left of the other half: 140 s.
    found = fitted(recipe, 140, [PhaseTime(50, 0.1, 10.0, 10.0)], 5)
    assert (found.epochs, found.steps) == (13, int((270 - 130) / (13 * 0.1)))
    # Never fewer than one for each stage, and never no step.
    least = fitted(recipe, 140, [PhaseTime(50, 0.1, 10.0, 10.0)], 0.01)
    assert (least.epochs, least.steps) == (2, 1)


@pytest.mark.parametrize(
    ("name", "epochs", "stages"),
    [
        ("dec-mnist-cpu", 10, {"pretraining": 6}),
        ("dec-mnist-cpu", 2, {"pretraining": 1}),
        ("scan-mnist-cpu", 4, {"feature_epochs": 2, "self_labelling_epochs": 0}),
        ("prototypes-scenes-cpu", 2, {"held": 1}),
        # Thresholds meet at the same part of the training.
        ("dac-scenes-cpu", 4, {"eta": pytest.approx(0.14)}),
        ("scenes-cpu", 3, {}),
    ],
)
def test_stages_are_in_proportion(name: str, epochs: int, stages: dict[str, Any]) -> None:
    recipe = load_recipe(name)
    short = recipe.of_epochs(epochs)
    assert {"epochs": epochs, **stages} == {n: getattr(short, n) for n in ("epochs", *stages)}
    assert recipe.of_epochs(recipe.epochs) == recipe
    # What had come to be planned once is planned as the same again.
    assert short.of_epochs(epochs) == short


def test_every_turn_is_taken() -> None:
    recipe = recipe_class("iic", SEGMENTATION)()
    assert recipe.least_epochs == 2
    assert load_recipe("scenes-cpu").least_epochs == 1


class _Model:
    stop_training = False

    def phase_of(self, epoch: int) -> str:
        return "a" if epoch < 2 else "b"


def test_the_clock_leaves_out_what_is_traced(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, model, at = TrainingClock(seconds=100.0, limit=130.0), _Model(), [0.0]
    monkeypatch.setattr(training_clock, "now", lambda: at[0])
    clock.ends.set_model(model)

    def epoch(number: int) -> float:
        """Fitting 3 s, a step of 20 s, one of 2 s, evaluation 1 s; then 50 s of saving."""
        clock.begins.on_epoch_begin(number)
        at[0] += 3
        clock.ends.on_epoch_begin(number)
        for batch, seconds in enumerate((20, 2)):
            at[0] += seconds
            clock.ends.on_train_batch_end(batch)
        at[0] += 1
        logs: dict[str, Any] = {}
        clock.ends.on_epoch_end(number, logs)
        at[0] += 50
        assert logs["trained_seconds"] == clock.seconds
        return clock.seconds

    assert epoch(0) == 106
    assert not model.stop_training
    # The same phase again: nothing is traced.
    assert epoch(1) == 132
    assert model.stop_training
    assert clock.ended
    assert epoch(2) == 138


@pytest.fixture
def _clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second whenever the trial looks, 25 whenever the training does."""
    monkeypatch.setattr(SegmentationTask, "draw_results", lambda self, run: [])
    monkeypatch.setattr(trial, "now", ticking(1.0))
    monkeypatch.setattr(training_clock, "now", ticking(25.0))


@pytest.mark.usefixtures("_clocks")
def test_a_run_ends_by_its_budget_and_is_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    command = arguments(tmp_path, "prototypes", SEGMENTATION, out)
    assert main([*command, "--minutes", "1"]) == 0
    run, told = Run.open(out), capsys.readouterr().out
    kept = run.config()["budget"]
    # A step 1 s, beside it 2 s: 54 s are 3 epochs of 16 steps.
    assert (kept["minutes"], kept["epochs"], kept["steps"]) == (1, 3, 16)
    assert (kept["recipe_epochs"], kept["recipe_steps"]) == (3, 4)
    assert run.config()["recipe"]["steps"] == 16
    # 50 s an epoch by the training's clock.
    assert "the budget of 1 minutes is used up: the training ends behind epoch 2 of 3" in told
    rows = run.metrics_file.read_text(encoding="utf-8").splitlines()
    assert len(rows) == 3
    facts = json.loads(run.facts_file.read_text(encoding="utf-8"))
    assert (facts["epochs"], facts["ended_by_budget"]) == (2, True)
    assert "ended this training behind 2 of 3 epochs" in (out / "report.html").read_text("utf-8")
    best = run.best.read_bytes()
    # The time is the run's: there is none left, by either command.
    assert main(["train", "--resume", "--out", str(out)]) == 0
    assert "resumed behind epoch 2 of 3" in capsys.readouterr().out
    assert run.best.read_bytes() == best
    assert len(run.metrics_file.read_text(encoding="utf-8").splitlines()) == 3
    assert main([*command, "--resume", "--minutes", "2"]) == 2
    assert "Expected the minutes that" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_no_time(minutes: float) -> None:
    with pytest.raises(InputError, match="minutes of training above 0"):
        check_minutes(minutes)
