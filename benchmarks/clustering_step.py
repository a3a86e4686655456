"""How fast a training step of the clusterer is, beside the same step in plain PyTorch.

    python benchmarks/clustering_step.py --out benchmarks

writes `CLUSTERING.md` and `clustering.json` into the folder of `--out`. Needs PyTorch.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import code, machine
from workers import Workers

CASES: dict[str, dict[str, Any]] = {
    "B, 64 pairs of 24×24": {"network": "B", "size": 24, "channels": 1, "n": 64},
    "A, 16 pairs of 32×32": {"network": "A", "size": 32, "channels": 3, "n": 16},
}
SHARED = {"k": 10, "sub_heads": 5, "clustering": True}
JOBS = {
    "float32": ("tf", "step float32"),
    "mixed_bfloat16": ("tf", "step mixed_bfloat16"),
    "PyTorch": ("torch", "step"),
}


def measure(case: dict[str, Any], threads: int, runs: int, workers: Workers) -> dict[str, Any]:
    """Medians of `runs` steps of each, taken in turns.

    Raises:
        SystemExit: the networks of the two libraries have unequal numbers of parameters.
    """
    parameters = set()
    for name, (library, version) in JOBS.items():
        worker = workers.get(library, threads)
        facts = worker.ask(do="prepare", job=name, version=version, case={**case, **SHARED})
        parameters.add(facts["parameters"])
        for _ in range(3):
            worker.ask(do="call", job=name)
    if len(parameters) > 1:
        raise SystemExit(f"Networks of unequal numbers of parameters: {parameters}")
    times: dict[str, list[float]] = {name: [] for name in JOBS}
    for _ in range(runs):
        for name, (library, _) in JOBS.items():
            times[name].append(workers.get(library, threads).ask(do="call", job=name)["seconds"])
    workers.forget()
    medians = {name: statistics.median(values) for name, values in times.items()}
    return {"case": case, "threads": threads, "parameters": parameters.pop(), "seconds": medians}


def text(data: dict[str, Any]) -> str:
    """The figures as Markdown."""
    about = data["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in about["versions"].items())
    lines = [
        "# A training step of the clusterer",
        "",
        "Network, five sub-heads of 10 classes, loss, gradients and Adam on a ready batch: images",
        "and one copy of each. The step in PyTorch is written plainly: the same layers and numbers",
        "of parameters, its own default layout, all sub-heads in one linear layer. Medians of",
        f"{data['runs']} steps, all in turns, each library in a process of its own.",
        "",
        "| network, batch | threads | float32 | bfloat16 | PyTorch | times as fast as PyTorch |",
        "|---|---|---|---|---|---|",
    ]
    for row in data["rows"]:
        ours, half, torch = (row["seconds"][name] for name in JOBS)
        lines.append(
            f"| {row['name']}, {row['parameters']:,} parameters | {row['threads']} | "
            f"{ours * 1e3:.0f} ms | {half * 1e3:.0f} ms | {torch * 1e3:.0f} ms | "
            f"{torch / ours:.2f}, in bfloat16 {torch / half:.2f} |"
        )
    lines += [
        "",
        f"{about['processor']}, {about['cores']} cores; {versions}; code {data['code']}; "
        f"{data['date']}.",
        "",
        "```",
        f"python benchmarks/clustering_step.py --out benchmarks --runs {data['runs']}",
        "```",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for CLUSTERING.md and figures")
    parser.add_argument("--runs", type=int, default=15, help="steps of each")
    given = parser.parse_args()
    about = machine()
    if about["versions"]["torch"] is None:
        parser.error("PyTorch is not installed")
    cores = os.cpu_count() or 1
    with Workers() as workers:
        rows = [
            {"name": name, **measure(case, threads, given.runs, workers)}
            for threads in sorted({1, cores})
            for name, case in CASES.items()
        ]
    data = {"machine": about, "code": code(), "runs": given.runs, "rows": rows}
    data["date"] = datetime.now(UTC).strftime("%Y-%m-%d")
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "clustering.json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    (out / "CLUSTERING.md").write_text(text(data), encoding="utf-8")
    print(text(data))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
