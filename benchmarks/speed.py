"""Time and peak memory of the objective, ours and the textbook's, one case at a time."""

from __future__ import annotations

import math
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cases import Case
from reference import reference
from textbook_names import OURS, SPELLINGS, TENSORFLOW, TORCH
from workers import Cut, Worker, Workers

LOSS_TOLERANCE = 5e-4
"""Greatest difference of the losses, relative. The textbook's convolution adds up all pixels of all
images one by one in float32, which over 8 images of 200×200 has been off by 1.5e-4."""
GRADIENT_TOLERANCE = 1e-3
"""Greatest difference of any entry of the gradients, relative to their largest."""
LONG = 1.0
"""Seconds from which a first run counts as well as any."""
PATIENCE = 3
"""A call that was foreseen within the limit is ended after this many times the limit."""


def foreseen(case: Case, measured: list[tuple[Case, float]]) -> float:
    """Seconds of a call, from the most similar case measured so far; 0 where there is none."""

    def distance(other: Case) -> float:
        ours, theirs = case.as_dict(), other.as_dict()
        return sum(abs(math.log(ours[name] / theirs[name])) for name in ours)

    if not measured:
        return 0.0
    near, seconds = min(measured, key=lambda entry: distance(entry[0]))
    return seconds * case.cost / near.cost


def measure(
    case: Case,
    threads: int,
    workers: Workers,
    limit: float,
    measured: dict[str, list[tuple[Case, float]]],
) -> dict[str, Any]:
    """Check and time all versions of a case; `measured` names the textbooks to run.

    Returns:
        For each version either `seconds` (the median), `runs` and, for the textbooks, their
        `difference` from ours, or `foreseen` seconds, because of which it was not run.
    """
    entry: dict[str, Any] = {}
    chosen = {OURS: OURS}
    first: dict[str, float] = {}
    for name in measured:
        seconds = foreseen(case, measured[name])
        if seconds <= limit:
            tried = _try(case, threads, workers, name, limit)
            if tried:
                chosen[name], first[name] = min(tried.items(), key=lambda pair: pair[1])
            else:
                seconds = PATIENCE * limit
        if name not in chosen:
            entry[name] = {"foreseen": seconds}
    for name, version in chosen.items():
        # This run is the one checked. A first run also optimises the graph; where it was long
        # and all went well, that does not matter.
        if not _worker(workers, name, threads).holds(version) or first.get(name, 0.0) < LONG:
            again = 1 if first.get(name, 0.0) > 0.5 else 2
            first[name] = [_call(workers, name, threads, case, version) for _ in range(again)][-1]
    differences = _check(case, threads, workers, chosen)
    counts = {name: _runs(name, first[name]) for name in chosen}
    times: dict[str, list[float]] = {name: [] for name in chosen}
    for turn in range(max(counts.values())):
        for name, version in chosen.items():
            if turn < counts[name]:
                times[name].append(_call(workers, name, threads, case, version))
    for name in chosen:
        runs = [*times[name], first[name]] if first[name] >= LONG else times[name]
        entry[name] = {"seconds": statistics.median(runs), "runs": len(runs)}
        entry[name] |= {"difference": differences[name]} if name in differences else {}
        entry[name] |= {"padding": chosen[name]} if name == TENSORFLOW else {}
    if "reference" in differences:
        entry[OURS]["difference"] = differences["reference"]
    workers.forget()
    return entry


def memory(case: Case, threads: int, workers: Workers, entry: dict[str, Any]) -> dict[str, float]:
    """Peak megabytes of the versions that `entry` has times of, in processes of their own.

    Arguments lie in memory before; the two gradients, as large as they are, count.
    """
    peaks = {}
    for name, found in entry.items():
        if "seconds" in found:
            worker = _worker(workers, name, threads, trimmed=True)
            version = found.get("padding", OURS if name == OURS else "objective")
            for other in (Case(3, 64, 1, 2), case) if not worker.warm else (case,):
                worker.ask(do="prepare", job=name, version=version, case=other.as_dict())
                if found["seconds"] < LONG or other != case:
                    # A first run also makes what stays; that is little where a run is long.
                    worker.ask(do="call", job=name)
            worker.warm = True
            peaks[name] = worker.ask(do="memory", job=name)["mb"]
            worker.ask(do="forget")
    return peaks


def _worker(workers: Workers, name: str, threads: int, trimmed: bool = False) -> Worker:
    return workers.get("torch" if name == TORCH else "tf", threads, trimmed)


def _call(workers: Workers, name: str, threads: int, case: Case, version: str) -> float:
    worker = _worker(workers, name, threads)
    if not worker.holds(version):
        worker.ask(do="prepare", job=version, version=version, case=case.as_dict())
    return float(worker.ask(do="call", job=version)["seconds"])


def _try(case: Case, threads: int, workers: Workers, name: str, limit: float) -> dict[str, float]:
    """Seconds of one run of each spelling, those left out that took far too long."""
    tried: dict[str, float] = {}
    for spelling in SPELLINGS if name == TENSORFLOW else ("objective",):
        worker = _worker(workers, name, threads)
        worker.ask(do="prepare", job=spelling, version=spelling, case=case.as_dict())
        # A second spelling need not be waited for when it is far slower than the first.
        allowed = min([PATIENCE * limit, *(max(10.0, 2 * s) for s in tried.values())])
        try:
            tried[spelling] = worker.ask(allowed, do="call", job=spelling)["seconds"]
        except Cut:
            continue
    return tried


def _runs(name: str, seconds: float) -> int:
    """How many runs beside the first: fewer of slow ones, none of very slow ones."""
    if name == OURS:
        return 7 if seconds < 0.3 else 3
    return 5 if seconds < 0.15 else 3 if seconds < 0.6 else 1 if seconds < 2 else 0


def _check(case: Case, threads: int, workers: Workers, chosen: dict[str, str]) -> dict[str, Any]:
    """Differences of each textbook from ours, or of the NumPy reference where there is none.

    For more than two pairs the reference would take minutes, and the code is that of two pairs.

    Raises:
        SystemExit: the same loss or the same gradients were not found.
    """
    if len(chosen) == 1 and case.n > 2:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        found: dict[str, dict[str, Any]] = {}
        for name, version in chosen.items():
            file = Path(folder) / f"{len(found)}.npz"
            _worker(workers, name, threads).ask(do="save", job=version, file=str(file))
            with np.load(file) as arrays:
                found[name] = dict(arrays)
    if len(found) == 1:
        found["reference"] = reference(case)
    ours = found.pop(OURS)
    return {name: _difference(case, name, ours, other) for name, other in found.items()}


def _difference(
    case: Case, name: str, ours: dict[str, Any], other: dict[str, Any]
) -> dict[str, float]:
    loss = abs(float(ours["loss"] - other["loss"])) / abs(float(other["loss"]))
    gradient = max(
        float(np.abs(ours[key][: len(other[key])] - other[key]).max() / np.abs(other[key]).max())
        for key in ("dp", "dq")
    )
    if not (loss <= LOSS_TOLERANCE and gradient <= GRADIENT_TOLERANCE):
        raise SystemExit(
            f"{case.key}: ours and {name} are not the same objective: the losses differ by "
            f"{loss:.1e} (at most {LOSS_TOLERANCE:.0e}), the gradients by {gradient:.1e} of their "
            f"largest entry (at most {GRADIENT_TOLERANCE:.0e}). No speed is shown."
        )
    return {"loss": loss, "gradient": gradient}
