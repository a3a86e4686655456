"""What the further losses and whitening do to IIC: an ablation of two data sets and three seeds.

    python benchmarks/further_losses.py --data FOLDER --out runs/further

trains, scores and writes `table.md` and `table.json` into the folder of `--out`. FOLDER holds
`dubai` and `s2_india_rgbir` in their publishers' layouts. Recipes are those of `real_data.py`, cut
down to less than a minute a run on one core (`SHORT`), and every third labelled image is scored, so
figures are others than in its table: rows are to be compared with one another. Weights are by the
scale of the losses and not tuned. Runs that are already scored are not done again.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from real_data import DATA, RECIPES, placed
from seeded_runs import arguments, each_seed, spread, wanted

from iic_tf.cli import main as command
from iic_tf.metrics import scores
from iic_tf.training.evaluate import chosen_overclusters, summary
from iic_tf.training.folds import FoldConfusions, split_folds
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import MAIN

SETS = ("Dubai-3", "s2_india_rgbir")
SHORT = [
    *("--epochs", "4", "--steps", "10", "--batch", "10"),
    *("--set", "crop=64", "--set", "evaluation_steps=4"),
]
"""In place of 8 and 6 epochs of 20 steps of 20 crops, of 64 and 96 pixels."""
FOLDS = 5
EVERY = 3
"""One of so many labelled images is scored."""
NCUT, SMOOTH, RECONSTRUCTION = "ncut=0.5", "smooth=5", "reconstruction=10"
"""So that each begins at about half of the information, or less, which is about 1: the cut divided
by k − 1 begins at 1, a mean squared error of images in 0 to 1 at some 0.05, and differences of
neighbours, where a tenth of the pixels are at a border, are some 0.02."""
VARIANTS: dict[str, tuple[str, ...]] = {
    "plain IIC": (),
    "+ soft cut": (NCUT,),
    "+ smooth": (SMOOTH,),
    "+ reconstruction": (RECONSTRUCTION,),
    "+ reconstruction and soft cut": (RECONSTRUCTION, NCUT),
    "ZCA channels": ("whitening=channels",),
    "ZCA patches": ("whitening=patches",),
}
KMEANS, MAJORITY = "k-means on pixels", "largest class everywhere"
Results = dict[str, dict[str, list[dict[str, Any]]]]


def main() -> int:
    given = arguments(__doc__.splitlines()[0])
    results: Results = {}
    # A seed after the other, so that a table that is cut short has all rows.
    for seed in given.seeds:
        for data in SETS:
            if not wanted(data, given.only):
                continue
            rows = results.setdefault(data, {})
            for name, values in VARIANTS.items():
                run = Path(given.out) / f"{data}{''.join(f'-{v}' for v in values)}-seed{seed}"
                options = [*DATA[data], *RECIPES[data], *SHORT]
                for value in values:
                    options += ["--set", value]
                found = one(run, placed(options, given.data), seed, baselines=not values)
                for row, figures in {name: found["trained"], **found["baselines"]}.items():
                    rows.setdefault(row, []).append(figures)
                text = json.dumps(results, indent=1)
                (given.out / "table.json").write_text(text, encoding="utf-8")
                (given.out / "table.md").write_text(table(results), encoding="utf-8")
    print((given.out / "table.md").read_text(encoding="utf-8"))
    return 0


def one(folder: Path, options: list[str], seed: int, baselines: bool) -> dict[str, Any]:
    """Train and score a run, unless it is scored already, in this process."""
    done = folder / "result.json"
    if not done.is_file():
        began = time.monotonic()
        given = ["train", "--dataset", "folder", *options, "--seed", str(seed)]
        if command([*given, "--out", str(folder), "--overwrite"]):
            raise SystemExit(f"{folder} could not be trained.")
        seconds = time.monotonic() - began
        found = scored(Run.open(folder), baselines)
        found["trained"]["seconds"] = seconds
        done.write_text(json.dumps(found), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def scored(run: Run, baselines: bool) -> dict[str, Any]:
    """Scores of the trained network and, if wanted, of the baselines by name."""
    recipe = run_recipe(run)
    own: Any = TASKS[recipe.task].scored(run, recipe, run.config()["source"], FOLDS)
    scenes = own.scenes
    own.scenes = dataclasses.replace(scenes, scenes=scenes.scenes[::EVERY])
    # Those of all would leave some without an image.
    names = [scene.name for scene in own.scenes.scenes]
    own.fold_images = split_folds(names, FOLDS, run.config()["seed"])
    over = chosen_overclusters(run)
    found = own.found("trained")
    trained = summary(found, own.names, run.load_best().sub_head, over)
    beside = {}
    if baselines:
        beside = {
            KMEANS: summary(own.found("kmeans"), own.names, 0, 0),
            MAJORITY: majority(found, own.names),
        }
    return {"trained": trained, "baselines": beside}


def majority(found: FoldConfusions, names: Any) -> dict[str, Any]:
    """Scores of the largest class everywhere."""
    truth = found.whole(MAIN, 0).sum(axis=1)
    matrix = truth[:, None] * (truth == truth.max())[None, :]
    return dict(scores(matrix, np.arange(len(truth)), names).to_json())


def table(results: Results) -> str:
    """Markdown: mean ± standard deviation over the seeds, and every seed's accuracy."""
    lines = [
        "Short trainings, 4 epochs of 10 steps of 10 crops of 64×64, a third of the labelled "
        "images scored; the epoch is chosen by the information alone.",
        "",
        "| data | | accuracy, one to one (each seed) | mean IoU | overclusters, many to one | "
        "seconds a training |",
        "|---|---|---|---|---|---|",
    ]
    for data, rows in results.items():
        for name in (*VARIANTS, KMEANS, MAJORITY):
            runs = rows.get(name, [])
            if not runs:
                continue
            accuracy = [run["accuracy"] for run in runs]
            over = [run["overclustering"]["accuracy"] for run in runs if "overclustering" in run]
            seconds = [run["seconds"] for run in runs if "seconds" in run]
            cells = [
                *(data, name, f"**{spread(accuracy)}** ({each_seed(accuracy)})"),
                spread([run["mean_iou"] for run in runs]),
                spread(over) if over else "—",
                f"{statistics.mean(seconds):.0f}" if seconds else "—",
            ]
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
