"""How fast the objective is and what memory it takes, beside the textbook's convolution.

    python benchmarks/objective.py --out benchmarks

writes `RESULTS.md`, `objective.svg` and `results.json` into the folder of `--out`. Cases that
`results.json` already has are not measured again, so that a run that was cut short goes on where
it ended; `--fresh` begins anew, `--render` only writes the text and the picture again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cases import Case, grid
from crossover import crossover_cases, measure_crossover
from machine import code, machine, memory_measurable
from report import render
from speed import measure, memory
from step_case import STEPS
from step_speed import measure_step
from textbook_names import TENSORFLOW, TORCH
from workers import Workers


class Results:
    """The measured cases, saved after each."""

    def __init__(self, file: Path, fresh: bool):
        self.file = file
        here = machine()
        self.data: dict[str, Any] = {"machine": here, "code": code(), "seconds": 0.0}
        self.data |= {"objective": {}, "crossover": {}, "step": {}}
        if file.is_file() and not fresh:
            self.data = json.loads(file.read_text(encoding="utf-8"))
            if self.data["machine"] != here or self.data["code"] != code():
                raise SystemExit(
                    f"{file.name} was measured on another machine, other versions or "
                    "other code of iic_tf: "
                    "--fresh measures all anew."
                )
        self.began = time.monotonic()

    def save(self) -> None:
        now = time.monotonic()
        self.data["seconds"] += now - self.began
        self.began = now
        self.data["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
        part = self.file.with_suffix(".part")
        part.write_text(json.dumps(self.data, indent=1), encoding="utf-8")
        part.replace(self.file)

    def measured(self, version: str, threads: int) -> list[tuple[Case, float]]:
        """What is known of a textbook version, to foresee other cases by."""
        found = []
        for entry in self.data["objective"].values():
            times = entry["threads"].get(str(threads), {}).get(version, {})
            if "seconds" in times:
                found.append((Case(**entry["case"]), times["seconds"]))
        return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for RESULTS.md, picture and figures")
    parser.add_argument("--quick", action="store_true", help="a small grid, for trying it out")
    parser.add_argument("--only", choices=("objective", "step"), help="leave the other out")
    parser.add_argument(
        "--torch",
        action=argparse.BooleanOptionalAction,
        help="compare with PyTorch (where it is installed, unless told else)",
    )
    parser.add_argument(
        "--limit", type=float, default=6.0, help="seconds a call of the textbook's may take"
    )
    parser.add_argument(
        "--full", action="store_true", help="both textbooks for 8 pairs too, not PyTorch's alone"
    )
    parser.add_argument("--fresh", action="store_true", help="measure everything anew")
    parser.add_argument("--render", action="store_true", help="measure nothing, write text anew")
    given = parser.parse_args()
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    file = out / "results.json"
    if given.render:
        render(json.loads(file.read_text(encoding="utf-8")), out)
        return 0
    results = Results(file, given.fresh)
    torch = results.data["machine"]["versions"]["torch"] is not None
    if given.torch and not torch:
        parser.error("PyTorch is not installed")
    torch = torch and given.torch is not False
    results.data["limit"] = given.limit
    with Workers() as workers:
        if given.only != "step":
            crossover(results, workers, given.quick)
            objective(results, workers, given, torch)
        if given.only != "objective":
            steps(results, workers, given, torch)
    render(results.data, out)
    print(f"{out / 'RESULTS.md'} after {results.data['seconds'] / 60:.1f} minutes")
    return 0


def objective(results: Results, workers: Workers, given: argparse.Namespace, torch: bool) -> None:
    """Time and memory of every case of the grid, with one thread and with all."""
    cores = os.cpu_count() or 1
    cases = grid(given.quick)
    for number, case in enumerate(cases):
        entry = results.data["objective"].setdefault(
            case.key, {"case": case.as_dict(), "threads": {}}
        )
        for threads in sorted({1, cores}):
            if str(threads) not in entry["threads"]:
                # Two textbooks side by side are shown for two pairs; for more, one is enough.
                both = torch and (given.full or case.n == 2)
                textbooks = [TORCH, TENSORFLOW] if both else [TORCH if torch else TENSORFLOW]
                measured = {name: results.measured(name, threads) for name in textbooks}
                times = measure(case, threads, workers, given.limit, measured)
                entry["threads"][str(threads)] = times
                results.save()
                told = ", ".join(f"{name} {_told(found)}" for name, found in times.items())
                print(
                    f"{number + 1}/{len(cases)} {case.key}, threads {threads}: {told}", flush=True
                )
        if "memory" not in entry and memory_measurable():
            entry["memory"] = memory(case, cores, workers, entry["threads"][str(cores)])
            results.save()
            told = ", ".join(f"{name} {mb:.3g} MB" for name, mb in entry["memory"].items())
            print(f"{number + 1}/{len(cases)} {case.key}, memory: {told}", flush=True)


def crossover(results: Results, workers: Workers, quick: bool) -> None:
    """Both of our ways to the joints of small windows."""
    for case in crossover_cases(quick):
        if case.key not in results.data["crossover"]:
            found = measure_crossover(case, workers)
            results.data["crossover"][case.key] = found
            results.save()
            told = ", ".join(f"{way} {_time(value)}" for way, value in found["seconds"].items())
            print(f"crossover {case.key}: {told}", flush=True)


def steps(results: Results, workers: Workers, given: argparse.Namespace, torch: bool) -> None:
    """The training steps, with all threads."""
    cores = os.cpu_count() or 1
    for name, case in list(STEPS.items())[: 1 if given.quick else None]:
        if name in results.data["step"]:
            continue
        runs = 3 if given.quick else 7
        results.data["step"][name] = measure_step(case, cores, workers, runs, torch)
        results.save()
        seconds = results.data["step"][name]["seconds"]
        told = ", ".join(f"{part} {_time(value)}" for part, value in seconds.items())
        print(f"step {name}: {told}", flush=True)


def _told(found: dict[str, Any]) -> str:
    if "seconds" in found:
        return _time(found["seconds"])
    return f"not run (about {found['foreseen']:.0f} s)"


def _time(seconds: float) -> str:
    return f"{seconds * 1000:.4g} ms"


if __name__ == "__main__":
    sys.exit(main())
