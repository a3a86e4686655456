"""One run of a comparison, in a process of its own: trained, scored, and shown on some images.

    python -m iic_tf.training.studies.compare_run JOB.json

A process of its own has its own peak memory, and what stops it stops no other.
"""

from __future__ import annotations

import hashlib
import json
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iic_tf.annotations import Facts, Json
from iic_tf.console import one_line, prepare_console
from iic_tf.errors import InputError
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.evaluate import evaluate
from iic_tf.training.json_files import plain_json, write_json
from iic_tf.training.run import Run
from iic_tf.training.studies.columns import recipe_of_values
from iic_tf.training.studies.shown import save_shown
from iic_tf.training.tasks.registry import task_of
from iic_tf.training.train import train
from iic_tf.training.training_clock import trained_seconds
from iic_tf.training.training_facts import read_facts

if TYPE_CHECKING:
    from iic_tf.training.tasks.task import Task

SHARED = ("kmeans", "kmeans_statistics")
"""Baselines that know nothing of the network: the same for all methods of as many clusters."""


def main(file: str) -> int:
    """Carry out the job of a file; its result goes to the file that it names."""
    prepare_console()
    job = json.loads(Path(file).read_text(encoding="utf-8"))
    try:
        found = {"status": "scored", **carry_out(job)}
    except Exception as error:
        if not isinstance(error, InputError):
            traceback.print_exc()
        kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
        found = {"status": "failed", "error": f"{kind}{one_line(error)[:500]}"}
        print(found["error"])
    write_json(Path(job["result"]), {"job": job, **found})
    return 0


def carry_out(job: Facts) -> Json:
    """Train, or go on; score where there are labels; the figures."""
    recipe, place, seed = recipe_of_values(job["recipe"]), job["place"], job["seed"]
    task: Task = task_of(recipe, place)
    run = train(
        *(task, job["run"], seed), resume=True, command=job["command"], minutes=job["minutes"]
    )
    facts = read_facts(run)
    checkpoint = Checkpoints(run.checkpoints).newest(print)
    rows = checkpoint.rows if checkpoint else []
    planned = run.config()["recipe"]["epochs"]
    found = {
        "clusters": recipe.clusters,
        "trained_seconds": trained_seconds(rows) or facts.get("seconds"),
        "peak_memory_bytes": facts.get("peak_memory_bytes"),
        "epochs": facts.get("epochs"),
        "planned_epochs": planned,
        "recipe_epochs": recipe.epochs,
        "ended_by_budget": facts.get("ended_by_budget", False),
        "scores": _scores(job, run, task),
    }
    save_shown(Path(job["shown"]), run, recipe, task)
    return found


def _scores(job: Facts, run: Run, task: Any) -> Json | None:
    data = getattr(task, "scenes", None) or task.images
    if not data.labelled:
        return None
    recipe = task.recipe
    # Of other clusters, seeds, scales or views they are other ones.
    alike = [job["seed"], recipe.clusters, *(
        getattr(recipe, name, None) for name in ("downscale", "masks", "x", "side")
    )]  # fmt: skip
    key = hashlib.sha256(plain_json([str(one) for one in alike]).encode()).hexdigest()[:16]
    kept = Path(job["baselines"]) / f"{key}.json"
    known = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    # Of one seed: it takes as long as the trained network.
    result = evaluate(run, known=known, untrained=job["seed"] == 0)
    if not known:
        write_json(kept, {n: s for n, s in result["baselines"].items() if n in SHARED})
    wanted = ("accuracy", "mean_iou", "nmi", "mapping", "largest_class", "class_of_cluster")
    found = {name: result[name] for name in wanted}
    found["overclusters"] = (result.get("overclustering") or {}).get("accuracy")
    found["best_with_labels"] = result["sub_heads"]["best_with_labels"]
    found["baselines"] = {
        name: {
            "accuracy": row["accuracy"],
            "overclusters": (row.get("overclustering") or {}).get("accuracy"),
        }
        for name, row in result["baselines"].items()
    }
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
