"""Runs of several seeds by the command line, each trained and scored once."""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def arguments(about: str) -> argparse.Namespace:
    """What the command line says of `data`, `out` (which is made), `seeds` and `only`."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of the rows' names")
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    return given


def wanted(name: str, only: Sequence[str]) -> bool:
    """Whether a row's name begins as one of those does."""
    return any(name.lower().startswith(beginning.lower()) for beginning in only)


def one(run: Path, options: Sequence[str], seed: int) -> dict[str, Any]:
    """Train and score one run, unless it is scored already.

    Returns:
        `seed`, the `seconds` of the training, and the `scores` of `evaluation.json`.
    """
    done = run / "result.json"
    if not done.is_file():
        began = time.monotonic()
        call(["train", *options, "--seed", str(seed), "--out", str(run), "--overwrite"])
        trained = time.monotonic() - began
        call(["evaluate", str(run)])
        scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        done.write_text(json.dumps({"seed": seed, "seconds": trained, "scores": scores}))
    return dict(json.loads(done.read_text(encoding="utf-8")))


def call(command: Sequence[str]) -> None:
    """Run `iic-tf`, and say so."""
    print("iic-tf", *command, flush=True)
    subprocess.run([sys.executable, "-m", "iic_tf.cli", *command], check=True)


def each_seed(values: Sequence[float]) -> str:
    """`0.71, 0.72`."""
    return ", ".join(f"{value:.3f}" for value in values)


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"
