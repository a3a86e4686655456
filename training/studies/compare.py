"""Methods beside each other: runs of all of them on the same data, with the same training time.

OUT/
  runs/METHOD-seedN/   run folders as `iic-tf train` and `evaluate` leave them
  results/             what each run gave, a file each, and the images that it is shown on
  logs/                what each run said
  baselines/           scores of k-means, which runs of as many clusters share
  table.md, table.csv, compare.html, compare.json
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected
from iic_tf.training.agreement import agreement
from iic_tf.training.budget import check_minutes
from iic_tf.training.json_files import plain_json, write_json
from iic_tf.training.processes import Share, how_it_ended, side_by_side
from iic_tf.training.progress import clock
from iic_tf.training.run import Run
from iic_tf.training.run_lock import only_writer
from iic_tf.training.studies.columns import Column
from iic_tf.training.tasks.registry import task_of

Say = Callable[[str], None]


@dataclass(frozen=True)
class Comparison:
    """What is compared, and how.

    Attributes:
        columns: the methods.
        place: where the images are: plain values of a data set's options.
        seeds: so many, from 0.
        minutes: of training for each run; None: as long as each recipe has it.
        processes: runs side by side, each with its share of the cores.
        command: as it was typed.

    Raises:
        InputError: a number outside its range.
    """

    columns: Sequence[Column]
    place: Json
    seeds: int = 3
    minutes: float | None = None
    processes: int = 1
    command: str | None = None

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise expected("at least 1 seed", self.seeds, "seeds")
        if self.processes < 1:
            raise expected("at least 1 process", self.processes, "processes")
        if self.minutes is not None:
            check_minutes(self.minutes)


@dataclass
class Compared:
    """What a comparison found.

    Attributes:
        comparison: what was compared.
        folder: where.
        results: by the label of each method, a result for each seed, in order.
        agreement: by label, the mean NMI of each seed's labels with the other seeds'; of data
            without labels alone.
        unit: `pixels` or `images`.
    """

    comparison: Comparison
    folder: Path
    results: dict[str, list[dict[str, Any]]]
    agreement: dict[str, list[float]] = field(default_factory=dict)
    unit: str = "pixels"

    @property
    def failed(self) -> list[tuple[str, int, str]]:
        """Method, seed, and what was wrong, of the runs that failed."""
        return [
            (label, seed, str(one["error"]))
            for label, results in self.results.items()
            for seed, one in enumerate(results)
            if one["status"] == "failed"
        ]

    @property
    def labelled(self) -> bool:
        """Whether there were labels to score against."""
        return any(one.get("scores") for own in self.results.values() for one in own)


def compare(comparison: Comparison, out: str | Path, say: Say = print) -> Compared:
    """Train, score and show all runs that are not scored yet.

    A run that was stopped goes on behind its last epoch, one that failed is tried again. Runs are
    taken seed by seed, so that a comparison that was cut short has all methods.

    Args:
        comparison: what is compared.
        out: the folder of the comparison.
        say: gets each line shown to the user.

    Raises:
        InputError: data that cannot be read, or a folder whose runs have other values.
    """
    folder = Path(out)
    # What is wrong with the data is told once, and not by every run.
    first: Any = task_of(comparison.columns[0].recipe, comparison.place)
    unit = "pixels" if hasattr(first, "scenes") else "images"
    del first
    with only_writer(folder):
        jobs = [
            _job(comparison, column, seed, folder)
            for seed in range(comparison.seeds)
            for column in comparison.columns
        ]
        # Wrong values are met before anything is trained.
        done = [_kept(job) for job in jobs]
        left = [job for job, one in zip(jobs, done, strict=True) if one is None]
        count = len(jobs) - len(left)
        say(f"{len(jobs)} runs of {len(comparison.columns)} methods, {count} of them scored before")
        for part in ("runs", "results", "logs", "baselines"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        _carry_out(left, comparison.processes, say)
        results: dict[str, list[dict[str, Any]]] = {c.label: [] for c in comparison.columns}
        for job in jobs:
            results[job["label"]].append(_result(job))
        found = Compared(comparison, folder, results, unit=unit)
        if not found.labelled:
            _agree(found, say)
        write_json(
            folder / "compare.json",
            {
                "place": comparison.place,
                "minutes": comparison.minutes,
                "results": results,
                "agreement": found.agreement,
            },
        )
    return found


def _job(comparison: Comparison, column: Column, seed: int, folder: Path) -> Json:
    name = f"{column.folder}-seed{seed}"
    folder = folder.absolute()
    return {
        "label": column.label,
        "recipe": json.loads(plain_json(column.recipe.to_dict())),
        "place": json.loads(plain_json(comparison.place)),
        "seed": seed,
        "minutes": comparison.minutes,
        "command": comparison.command,
        "run": str(folder / "runs" / name),
        "result": str(folder / "results" / f"{name}.json"),
        "shown": str(folder / "results" / f"{name}.npz"),
        "log": str(folder / "logs" / f"{name}.txt"),
        "baselines": str(folder / "baselines"),
    }


_SAME = ("recipe", "place", "seed", "minutes")
"""Of a job what its run goes by."""


def _result(job: Json) -> Json:
    found: Json = json.loads(Path(job["result"]).read_text(encoding="utf-8"))
    return found


def _kept(job: Json) -> Json | None:
    """The result of a run that is scored already.

    Raises:
        InputError: it is one of other values.
    """
    try:
        found = _result(job)
        began = {name: found["job"][name] for name in _SAME}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    for name in _SAME:
        if began[name] != job[name]:
            raise InputError(
                f"Expected the {name} that {job['label']} of {job['run']} began with, to go on; "
                "received another one. To compare with other values, choose another --out."
            )
    return found if found["status"] == "scored" and Path(job["shown"]).is_file() else None


def _carry_out(jobs: Sequence[Json], processes: int, say: Say) -> None:
    """Run the jobs, so many side by side; what one meets ends no other."""
    count = 0

    def one(job: Json, share: Share) -> None:
        result = Path(job["result"])
        result.unlink(missing_ok=True)
        file = result.with_suffix(".job")
        write_json(file, job)
        command = [sys.executable, "-m", "iic_tf.training.studies.compare_run", str(file)]
        with Path(job["log"]).open("ab") as log:
            status = share.start(command, stdout=log, stderr=subprocess.STDOUT).wait()
        if not result.is_file() and not share.stopped:
            error = f"{how_it_ended(status)}; see {job['log']}"
            write_json(result, {"job": job, "status": "failed", "error": error})

    def done(job: Json) -> None:
        nonlocal count
        count += 1
        say(f"{count} of {len(jobs)}: {_told(job)}")

    side_by_side(jobs, processes, one, done)


def _told(job: Json) -> str:
    found = _result(job)
    begun = f"{job['label']}, seed {job['seed']}"
    if found["status"] == "failed":
        return f"{begun}: failed: {found['error']}"
    told = f"{found['epochs']} epochs in {clock(found['trained_seconds'] or 0.0)}"
    scores = found["scores"]
    return f"{begun}: {told}" + (f", accuracy {scores['accuracy']:.3f}" if scores else "")


def _agree(found: Compared, say: Say) -> None:
    """How far the seeds of each method find the same, where there is nothing else to go by."""
    for label, results in found.results.items():
        runs = [Run.open(one["job"]["run"]) for one in results if one["status"] == "scored"]
        if len(runs) < 2:
            continue
        try:
            met = agreement(runs, lambda line: None)
        except InputError as error:
            say(f"note: no agreement of {label}: {error}")
            continue
        met.keep()
        found.agreement[label] = [float(mean) for mean in met.means]
