"""The table on real data: every set, three seeds, chosen without labels, beside two baselines.

    python benchmarks/real_data.py --data FOLDER --out runs/table

trains, scores and writes `table.md` and `table.json` into the folder of `--out`. FOLDER holds
`dubai`, `s2_india_rgbir` and `labelmefacade` in their publishers' layouts. Runs that are already
scored are not done again, so that a table that was cut short goes on where it ended.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETS: dict[str, list[str]] = {
    "Dubai-3": [
        *("--data", "dubai", "--image-glob", "*/*/images/*.jpg", "--mask-glob", "*/*/masks/*.png"),
        *("--class-file", "dubai-3.yaml", "--classes", "3", "--recipe", "aerial-cpu"),
        *("--overclusters", "48", "--rate", "4e-4"),
        *("--set", "lamb=1.5", "--set", "overclustering_lamb=1.5"),
    ],
    "Dubai-5": [
        *("--data", "dubai", "--image-glob", "*/*/images/*.jpg", "--mask-glob", "*/*/masks/*.png"),
        *("--class-file", "dubai-5.yaml", "--classes", "5", "--recipe", "aerial-cpu"),
    ],
    "s2_india_rgbir": [
        *("--data", "s2_india_rgbir", "--image-glob", "*_RGBIR.tif", "--mask-glob", "*_label.png"),
        *("--class-file", "s2.yaml", "--classes", "3", "--stretch", "2", "98"),
        *("--recipe", "satellite-cpu"),
    ],
    "labelmefacade (mask of valid pixels in training)": [
        *("--data", "labelmefacade/images", "--masks", "labelmefacade/labels"),
        *("--class-file", "facade-3.yaml", "--classes", "3", "--recipe", "folder", "--use-masks"),
    ],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--out", required=True, help="folder for runs and table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", help="beginnings of the sets' names")
    given = parser.parse_args()
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {}
    for name, options in SETS.items():
        if given.only and not any(name.lower().startswith(o.lower()) for o in given.only):
            continue
        for seed in given.seeds:
            run = out / f"{name.split()[0]}-seed{seed}"
            results.setdefault(name, []).append(one(run, options, seed, given))
            (out / "table.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
            (out / "table.md").write_text(table(results), encoding="utf-8")
    print((out / "table.md").read_text(encoding="utf-8"))
    return 0


def one(run: Path, options: list[str], seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """Train and score one run, unless it is scored already."""
    done = run / "result.json"
    if not done.is_file():
        began = time.monotonic()
        command = ["train", "--dataset", "folder", "--seed", str(seed)]
        command += [*placed(options, Path(given.data)), "--out", str(run), "--overwrite"]
        call(command)
        trained = time.monotonic() - began
        call(["evaluate", str(run)])
        scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        done.write_text(json.dumps({"seed": seed, "seconds": trained, "scores": scores}))
    return dict(json.loads(done.read_text(encoding="utf-8")))


def placed(options: list[str], data: Path) -> list[str]:
    """The options with paths to the data and to the class files beside this script."""
    names = list(options)
    for i, option in enumerate(options[:-1]):
        if option in ("--data", "--masks"):
            names[i + 1] = str(data / options[i + 1])
        elif option == "--class-file":
            names[i + 1] = str(HERE / "classes" / options[i + 1])
    return names


def call(command: list[str]) -> None:
    print("iic-tf", *command, flush=True)
    subprocess.run([sys.executable, "-m", "iic_tf.cli", *command], check=True)


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: mean ± standard deviation over the seeds, and every seed's figure."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores"
    lines = [
        f"{machine}; epoch and sub-head chosen by the unsupervised loss.",
        "",
        "| data | trained: accuracy (each seed) | mean IoU | k-means | untrained | "
        "overclusters, many to one | k-means, many to one | minutes a run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in results.items():
        scores = [run["scores"] for run in runs]
        kmeans = [s["baselines"]["kmeans"] for s in scores]
        cells = [
            name,
            f"**{spread([s['accuracy'] for s in scores])}** ({each_seed(scores)})",
            spread([s["mean_iou"] for s in scores]),
            spread([s["accuracy"] for s in kmeans]),
            spread([s["baselines"]["untrained"]["accuracy"] for s in scores]),
            spread([s["overclustering"]["accuracy"] for s in scores]),
            spread([s["overclustering"]["accuracy"] for s in kmeans]),
            f"{statistics.mean(run['seconds'] for run in runs) / 60:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def each_seed(scores: list[dict[str, Any]]) -> str:
    return ", ".join(f"{s['accuracy']:.3f}" for s in scores)


def spread(values: list[float]) -> str:
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):.3f} ± {deviation:.3f}"


if __name__ == "__main__":
    sys.exit(main())
