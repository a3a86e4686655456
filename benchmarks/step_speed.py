"""Time of a whole training step and of its parts, beside the same step in PyTorch."""

from __future__ import annotations

import statistics
from typing import Any

from workers import Workers

PARTS = (
    *("views", "undo", "network float32", "network mixed_bfloat16", "objective", "optimiser"),
    *("step float32", "step mixed_bfloat16"),
)
TORCH_STEP = "step in PyTorch"


def measure_step(
    case: dict[str, Any], threads: int, workers: Workers, runs: int, torch: bool
) -> dict[str, Any]:
    """Medians of `runs` runs of every part, all in turns.

    Raises:
        SystemExit: the networks of the two libraries have unequal numbers of parameters.
    """
    jobs = {part: ("tf", part) for part in PARTS}
    if torch:
        jobs[TORCH_STEP] = ("torch", "step")
    facts = {}
    for name, (library, version) in jobs.items():
        worker = workers.get(library, threads)
        facts[name] = worker.ask(do="prepare", job=name, version=version, case=case)
        for _ in range(2):
            worker.ask(do="call", job=name)
    parameters = {name: f["parameters"] for name, f in facts.items() if "parameters" in f}
    if len(set(parameters.values())) > 1:
        raise SystemExit(f"Networks of unequal numbers of parameters: {parameters}")
    times: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(runs):
        for name, (library, _) in jobs.items():
            answer = workers.get(library, threads).ask(do="call", job=name)
            times[name].append(answer["seconds"])
    workers.forget()
    return {
        "case": case,
        "threads": threads,
        "runs": runs,
        "parameters": next(iter(parameters.values())),
        "seconds": {name: statistics.median(values) for name, values in times.items()},
    }
