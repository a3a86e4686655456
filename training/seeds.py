"""Several seeds, one answer: runs of the same values side by side, and which one stands for all.

See `iic_tf.training.seeds_file` for the folder.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected, require_text
from iic_tf.training.agreement import Agreement, agreement
from iic_tf.training.best_losses import best_losses
from iic_tf.training.budget import check_minutes
from iic_tf.training.consensus import is_consensus_of, make_consensus
from iic_tf.training.json_files import plain_json, write_json
from iic_tf.training.processes import Share, cores, how_it_ended, side_by_side
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.run_lock import LOCK, only_writer
from iic_tf.training.seeds_file import (
    CONSENSUS_FOLDER,
    SEEDS,
    is_of_seeds,
    read_seeds,
    seed_folder,
    told_of,
)
from iic_tf.training.tasks.registry import task_of
from iic_tf.turns import MAIN

Say = Callable[[str], None]


@dataclass(frozen=True)
class SeveralSeeds:
    """What is trained, several times.

    Attributes:
        recipe: of all runs.
        place: where the images are: plain values of a data set's options.
        seeds: one for each run, of their own.
        minutes: of training for each run; None: as long as the recipe has it.
        processes: runs side by side, each with its share of the cores; None: as many as there are
            cores, and no more than runs.
        consensus: whether one model is made of all.
        command: as it was typed.

    Raises:
        InputError: no seeds, one of them twice or out of range, or no processes.
    """

    recipe: Recipe
    place: Json
    seeds: Sequence[int]
    minutes: float | None = None
    processes: int | None = None
    consensus: bool = False
    command: str | None = None

    def __post_init__(self) -> None:
        if not self.seeds:
            raise expected("at least 1 seed", 0, "seeds")
        if len(set(self.seeds)) < len(self.seeds) or min(self.seeds) < 0:
            raise expected("seeds from 0, each once", list(self.seeds))
        if max(self.seeds) >= 2**31:
            raise expected("seeds below 2147483648", max(self.seeds))
        if self.processes is not None and self.processes < 1:
            raise expected("at least 1 process", self.processes, "processes")
        if self.consensus and len(self.seeds) < 2:
            raise expected("at least 2 seeds for a consensus", len(self.seeds), "seeds")
        if self.minutes is not None:
            check_minutes(self.minutes)

    @property
    def began(self) -> Json:
        """What a folder of these runs is known by, as it is read again."""
        values = {
            "seeds": list(self.seeds),
            "recipe": self.recipe.to_dict(),
            "source": self.place,
            "minutes": self.minutes,
        }
        found: Json = json.loads(plain_json(values))
        return found


@dataclass
class SeedsFound:
    """What became of the runs.

    Attributes:
        folder: of all.
        runs: by seed, those that are done.
        failed: by seed, what was wrong with the others.
        agreement: of two runs or more.
        losses: by seed, the lowest loss of the main head in the epoch that is kept.
        consensus: the run made of all, if it was asked for.
    """

    folder: Path
    runs: dict[int, Run] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    agreement: Agreement | None = None
    losses: dict[int, float] = field(default_factory=dict)
    consensus: Run | None = None

    @property
    def chosen(self) -> int:
        """The seed whose run agrees most with the others.

        Two agree with each other alike: of fewer than three the lowest loss chooses.
        """
        if self.agreement is None or len(self.runs) < 3:
            return self.lowest_loss
        return list(self.runs)[self.agreement.chosen]

    @property
    def lowest_loss(self) -> int:
        """The seed that the lowest loss chooses; of two the first."""
        return min(self.losses, key=lambda seed: self.losses[seed])

    def lines(self) -> list[str]:
        """Which run is which, for people."""
        losses = ", ".join(f"{seed_folder(s)} {loss:.4f}" for s, loss in self.losses.items())
        found = list(self.agreement.lines()) if self.agreement else []
        same = "the same" if self.lowest_loss == self.chosen else "another one"
        if len(self.runs) < 3:
            same = "which decides: fewer than three runs cannot outvote one"
        return [*found, f"by the lowest loss: {seed_folder(self.lowest_loss)}, {same} ({losses})"]


def train_seeds(
    several: SeveralSeeds,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    say: Say = print,
) -> SeedsFound:
    """Train all seeds, each in a process of its own, and say how far they agree.

    Args:
        several: what is trained.
        out: the folder of all, new or empty.
        overwrite: replace an earlier one.
        resume: go on with those in `out`, where there are some: by the seeds and values that they
            began with.
        say: gets each line shown to the user, those of runs behind their seed.

    Raises:
        InputError: data that cannot be read, a folder of something else, or to be resumed with
            other values.
    """
    folder = Path(out)
    require_text(folder)
    # What is wrong with the data is told once, and not by every run.
    task: Any = task_of(several.recipe, several.place)
    task.pairs(several.seeds[0]).drawn(0, 0)
    del task
    with only_writer(folder):
        _prepare(folder, several, overwrite, resume)
        found = SeedsFound(folder)
        _train(several, found, resume, say)
        if found.runs:
            _compare(several, found, say)
        write_json(folder / SEEDS, several.began | _kept(several, found))
    if not found.runs:
        return found
    for line in (*found.lines(), told_of(folder)):
        if line:
            say(line)
    return found


def _prepare(folder: Path, several: SeveralSeeds, overwrite: bool, resume: bool) -> None:
    """See to it that the folder is one of these runs, or empty.

    Raises:
        InputError: it is one of something else, or of other seeds or values.
    """
    if is_of_seeds(folder) and resume:
        began, now = read_seeds(folder), several.began
        for name, value in now.items():
            if began[name] != value:
                raise _other_values(folder, name, began[name], value)
        return
    if is_of_seeds(folder) and overwrite:
        for seed in read_seeds(folder)["seeds"]:
            shutil.rmtree(folder / seed_folder(seed), ignore_errors=True)
        shutil.rmtree(folder / CONSENSUS_FOLDER, ignore_errors=True)
        (folder / SEEDS).unlink()
    if any(inner.name != LOCK for inner in folder.iterdir()):
        raise InputError(
            f"Expected a new or empty folder for runs of several seeds; received {folder}, which "
            "holds files. Choose another --out; --overwrite replaces earlier runs of several "
            "seeds, --resume goes on with them."
        )
    write_json(folder / SEEDS, several.began | {"consensus": several.consensus})


def _other_values(folder: Path, name: str, began: Any, now: Any) -> InputError:
    if isinstance(began, dict) and isinstance(now, dict):
        names = sorted({*began, *now})
        different = [
            f"{key} {now.get(key)} (began with {began.get(key)})"
            for key in names
            if began.get(key) != now.get(key)
        ]
    else:
        different = [f"{name} {now} (began with {began})"]
    return InputError(
        f"Expected the values that {folder} began with, to resume it; received "
        f"{', '.join(different)}. To train on other values, choose another --out."
    )


def _train(several: SeveralSeeds, found: SeedsFound, resume: bool, say: Say) -> None:
    """Train the seeds that are not done, and go on with those that were stopped."""
    processes = several.processes or min(len(cores()), len(several.seeds))
    lock = threading.Lock()

    def tell(line: str) -> None:
        with lock:
            say(line)

    def one(seed: int, share: Share) -> None:
        run = found.folder / seed_folder(seed)
        own = {"seed": seed, "run": str(run), "command": several.command, "resume": resume}
        job = several.began | own
        last = ""
        process = share.start(
            [sys.executable, "-m", "iic_tf.training.seed_run"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdin is not None
        # One that has ended by now says why.
        with contextlib.suppress(BrokenPipeError), process.stdin as given:
            given.write(plain_json(job).encode())
        assert process.stdout is not None
        with process.stdout as said:
            for raw in said:
                last = raw.decode("utf-8", "replace").rstrip()
                tell(f"seed {seed}: {last}")
        status = process.wait()
        if status == 0:
            found.runs[seed] = Run.open(run)
        if status == 0 or share.stopped:
            return
        found.failed[seed] = last if status > 0 and last else how_it_ended(status)
        tell(f"seed {seed}: failed: {found.failed[seed]}")

    try:
        side_by_side(several.seeds, processes, one)
    except KeyboardInterrupt:
        say(f"stopped; go on with: iic-tf train --resume --out {found.folder}")
        raise
    # In the order of the seeds, and not in that in which they were done.
    found.runs = {seed: found.runs[seed] for seed in several.seeds if seed in found.runs}


def _compare(several: SeveralSeeds, found: SeedsFound, say: Say) -> None:
    """How far those agree that are done, what their losses say, and one model of all."""
    found.losses = {seed: min(best_losses(run)[MAIN]) for seed, run in found.runs.items()}
    if len(found.runs) > 1:
        found.agreement = agreement(list(found.runs.values()), say)
        found.agreement.keep()
        if several.consensus:
            out = found.folder / CONSENSUS_FOLDER
            # One that stands is kept: it may have been labelled.
            if is_consensus_of(out, found.agreement):
                found.consensus = Run.open(out)
            else:
                found.consensus = make_consensus(found.agreement, out, out.exists(), say)


def _kept(several: SeveralSeeds, found: SeedsFound) -> Json:
    """What `seeds.json` says of the runs."""
    asked: Json = {"consensus": several.consensus, "failed": found.failed}
    if not found.runs:
        return asked
    chosen, met = seed_folder(found.chosen), found.agreement
    return asked | {
        "done": len(found.runs),
        "chosen": chosen,
        "lowest_loss": seed_folder(found.lowest_loss),
        "losses": found.losses,
        "mean_agreement": dict(zip(found.runs, met.means.tolist(), strict=True)) if met else None,
        "answers": CONSENSUS_FOLDER if found.consensus else chosen,
    }
