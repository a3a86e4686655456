"""The losses of a run's best epoch, and the sub-head that they choose."""

from __future__ import annotations

import csv

import numpy as np

from iic_tf.errors import InputError
from iic_tf.training.run import Run
from iic_tf.training.run_config import CONSENSUS
from iic_tf.turns import HEADS, MAIN, OVERCLUSTERING


def best_losses(run: Run) -> dict[str, list[float]]:
    """The losses of each head's sub-heads in the best epoch; none where there is no such head.

    It is the one whose model is kept: the last that was the best so far, by `KeepBest`. Of a
    consensus they are the means of its members' lowest.
    """
    try:
        # What was trained has figures of each epoch.
        if not run.metrics_file.exists() and CONSENSUS in run.config():
            of_members = run.config()[CONSENSUS]
            return {head: [float(v) for v in of_members["losses"][head]] for head in HEADS}
        with run.metrics_file.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        kept = [row for row in rows if row.get("best") == "1"]
        best = kept[-1] if kept else min(rows, key=lambda row: float(row["main_loss"]))
        losses: dict[str, list[float]] = {}
        for head in (MAIN, OVERCLUSTERING):
            found = losses[head] = []
            while f"{head}_loss_{len(found)}" in best:
                found.append(float(best[f"{head}_loss_{len(found)}"]))
        if not losses[MAIN]:
            raise ValueError("no losses of sub-heads")
        return losses
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise InputError(
            f"Expected the figures of each epoch in {run.metrics_file}; received {error!r}."
        ) from error


def chosen_overclusters(run: Run) -> int | None:
    """The overclustering sub-head of lowest loss in the best epoch; None without such a head."""
    losses = best_losses(run)[OVERCLUSTERING]
    return int(np.argmin(losses)) if losses else None
