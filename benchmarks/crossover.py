"""Where the direct way of computing the joints stops being the cheaper one."""

from __future__ import annotations

import statistics
from typing import Any

from cases import Case
from textbook_names import WAYS
from workers import Workers

RADII = (1, 2, 3, 4, 5)


def crossover_cases(quick: bool) -> list[Case]:
    """Small windows on two sizes and few to many clusters."""
    sizes, ks = ((64,), (3,)) if quick else ((64, 128), (3, 15, 45))
    return [Case(k, size, radius, 2) for size in sizes for k in ks for radius in RADII]


def measure_crossover(case: Case, workers: Workers) -> dict[str, Any]:
    """Median seconds of both ways, forward and backward, one thread, in turns."""
    worker = workers.get("tf", 1)
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for way in WAYS:
        worker.ask(do="prepare", job=way, version=way, case=case.as_dict())
        for _ in range(2):
            worker.ask(do="call", job=way)
    for _ in range(7):
        for way in WAYS:
            times[way].append(worker.ask(do="call", job=way)["seconds"])
    workers.forget()
    return {
        "case": case.as_dict(),
        "seconds": {way: statistics.median(found) for way, found in times.items()},
    }
