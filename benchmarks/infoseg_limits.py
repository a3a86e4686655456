"""What InfoSeg does with small batches, more clusters than classes, one image, and more epochs.

    python benchmarks/infoseg_limits.py --out benchmarks

writes `INFOSEG.md` into the folder of `--out`, and runs into its `--runs` (runs/infoseg-limits).
The images are 24 made-up scenes of three classes, the recipe is `infoseg-scenes-cpu`.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from machine import code, machine
from seeded_runs import call, each_seed

from iic_tf.data import load_scenes
from iic_tf.metrics import normalised_mutual_information, scores
from iic_tf.training.best_losses import best_losses
from iic_tf.training.folds import Split
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.segmentation import SegmentationTask
from iic_tf.turns import MAIN

CASES: dict[str, list[str]] = {
    "the recipe: batches of 20, 3 clusters, 24 images": [],
    "batches of 2": ["--batch", "2"],
    "batches of 2, ten times the steps": ["--batch", "2", "--steps", "200"],
    "batches of 5": ["--batch", "5"],
    "6 clusters for 3 classes": ["--classes", "6"],
    "12 clusters for 3 classes": ["--classes", "12"],
    "a single image": [],
    "three times the steps": ["--epochs", "30"],
}
ONE = "a single image"


def write(folder: Path, count: int) -> None:
    """Scenes of three classes as a user's folder would hold them: TIFF files and masks."""
    if (folder / "classes.yaml").is_file():
        return
    scenes = load_scenes(count=count, size=256, classes=3)
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for scene in scenes.scenes:
        whole = (0, 0, scene.height, scene.width)
        tifffile.imwrite(folder / "images" / f"{scene.name}.tif", scene.read(*whole))
        mask = scene.read_mask(*whole).astype(np.uint8)
        tifffile.imwrite(folder / "masks" / f"{scene.name}.tif", mask)
    assert scenes.classes is not None
    lines = [f"  {name}: {{values: [{i}]}}" for i, name in enumerate(scenes.classes.names)]
    (folder / "classes.yaml").write_text("\n".join(["classes:", *lines, ""]), encoding="utf-8")


def measured(run: Path, options: list[str], seed: int) -> dict[str, Any]:
    """Train unless done, and score: many to one, each fifth of the images by the others' mapping.

    A single image is mapped by itself.
    """
    done = run / "limits.json"
    if not done.is_file():
        began = time.monotonic()
        call(["train", *options, "--seed", str(seed), "--out", str(run), "--overwrite"])
        seconds = time.monotonic() - began
        trained = Run.open(run)
        scored = SegmentationTask.scored(trained, run_recipe(trained), {}, Split())
        found = scored.found("trained")
        whole = found.whole(MAIN, 0)
        shares = whole.sum(0) / whole.sum()
        result = {
            "accuracy": scores(*found.across(MAIN, 0), scored.names).to_json()["accuracy"],
            "nmi": normalised_mutual_information(whole),
            "used": math.exp(-sum(s * math.log(s) for s in shares if s > 0)),
            "loss": min(best_losses(trained)[MAIN]),
            "seconds": seconds,
        }
        done.write_text(json.dumps(result), encoding="utf-8")
    return dict(json.loads(done.read_text(encoding="utf-8")))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for INFOSEG.md")
    parser.add_argument("--runs", default="runs/infoseg-limits", help="folder for the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    given = parser.parse_args()
    runs, about = Path(given.runs), machine()
    write(runs / "scenes", 24)
    write(runs / "scene", 1)
    rows = []
    for i, (name, options) in enumerate(CASES.items()):
        data = runs / ("scene" if name == ONE else "scenes")
        place = ["--dataset", "folder", "--data", str(data / "images")]
        place += ["--masks", str(data / "masks"), "--class-file", str(data / "classes.yaml")]
        every = [*place, "--recipe", "infoseg-scenes-cpu", *options]
        found = [measured(runs / f"{i}-{seed}", every, seed) for seed in given.seeds]
        rows.append((name, found))
    lines = [
        "# What InfoSeg does at its limits",
        "",
        "Many to one, each fifth of the images with the mapping of the others; NMI against the",
        "three classes; how many clusters are used, as the exponential of their shares' entropy;",
        f"the lowest loss of an epoch. Seeds {given.seeds}.",
        "",
        "| | accuracy | NMI | clusters used | loss, of −1.39 | seconds a run |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in rows:
        cells = [each_seed([f[key] for f in found]) for key in ("accuracy", "nmi")]
        cells += [", ".join(f"{f['used']:.1f}" for f in found)]
        cells += [", ".join(f"{f['loss']:.2f}" for f in found)]
        cells += [f"{sum(f['seconds'] for f in found) / len(found):.0f}"]
        lines.append("| " + " | ".join([name, *cells]) + " |")
    lines += [
        "",
        f"{about['processor']}, {about['cores']} cores; code {code()}.",
        "",
        "```",
        "python benchmarks/infoseg_limits.py --out benchmarks",
        "```",
        "",
    ]
    Path(given.out).mkdir(parents=True, exist_ok=True)
    (Path(given.out) / "INFOSEG.md").write_text("\n".join(lines), encoding="utf-8")
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
