"""The table on real data: every set, three seeds, chosen without labels, beside two baselines.

    python benchmarks/real_data.py --data FOLDER --out runs/table

trains, scores and writes `table.md` and `table.json` into the folder of `--out`. FOLDER holds
`dubai`, `s2_india_rgbir` and `labelmefacade` in their publishers' layouts. Runs that are already
scored are not done again, so that a table that was cut short goes on where it ended.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from pathlib import Path
from typing import Any

from seeded_runs import arguments, each_seed, one, spread, wanted

HERE = Path(__file__).parent
DUBAI = ["--data", "dubai", "--image-glob", "*/*/images/*.jpg", "--mask-glob", "*/*/masks/*.png"]
DUBAI_3 = [*DUBAI, "--class-file", "dubai-3.yaml", "--classes", "3"]
FINE = "Dubai-3-fine (half scale, half width)"
DATA: dict[str, list[str]] = {
    "Dubai-3": DUBAI_3,
    FINE: DUBAI_3,
    "Dubai-5": [*DUBAI, "--class-file", "dubai-5.yaml", "--classes", "5"],
    "s2_india_rgbir": [
        *("--data", "s2_india_rgbir", "--image-glob", "*_RGBIR.tif", "--mask-glob", "*_label.png"),
        *("--class-file", "s2.yaml", "--classes", "3", "--stretch", "2", "98"),
    ],
    "labelmefacade (mask of valid pixels in training)": [
        *("--data", "labelmefacade/images", "--masks", "labelmefacade/labels"),
        *("--class-file", "facade-3.yaml", "--classes", "3", "--use-masks"),
    ],
}
RECIPES: dict[str, list[str]] = {
    "Dubai-3": [
        *("--recipe", "aerial-cpu", "--overclusters", "48", "--rate", "4e-4"),
        *("--set", "lamb=1.5", "--set", "overclustering_lamb=1.5"),
    ],
    FINE: [
        *("--recipe", "aerial-cpu", "--overclusters", "48", "--rate", "4e-4"),
        *("--set", "lamb=1.5", "--set", "overclustering_lamb=1.5", "--precision", "bfloat16"),
        *("--set", "downscale=2", "--set", "crop=96", "--set", "radius=5", "--set", "width=0.5"),
        *("--set", "geometry={flip: 0.5, quarter_turns: true}", "--set", "jitter_x=true"),
        *("--set", "photometry={brightness: 0.2, contrast: 0.2, saturation: 0.2, hue: 0.1}"),
    ],
    "Dubai-5": ["--recipe", "aerial-cpu"],
    "s2_india_rgbir": ["--recipe", "satellite-cpu"],
    "labelmefacade (mask of valid pixels in training)": ["--recipe", "folder"],
}


def main() -> int:
    given = arguments(__doc__.splitlines()[0])
    results: dict[str, list[dict[str, Any]]] = {}
    for name, options in DATA.items():
        if not wanted(name, given.only):
            continue
        for seed in given.seeds:
            results.setdefault(name, []).append(
                scored(given.out, name, [*options, *RECIPES[name]], given.data, seed)
            )
            (given.out / "table.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
            (given.out / "table.md").write_text(table(results), encoding="utf-8")
    print((given.out / "table.md").read_text(encoding="utf-8"))
    return 0


def scored(
    out: Path, name: str, options: list[str], data: Path, seed: int, variant: str = ""
) -> dict[str, Any]:
    """The run of a set, a variant of it and a seed, in a folder of its own."""
    run = out / f"{name.split()[0]}{variant}-seed{seed}"
    return one(run, ["--dataset", "folder", *placed(options, data)], seed)


def placed(options: list[str], data: Path) -> list[str]:
    """The options with paths to the data and to the class files beside this script."""
    names = list(options)
    for i, option in enumerate(options[:-1]):
        if option in ("--data", "--masks"):
            names[i + 1] = str(data / options[i + 1])
        elif option == "--class-file":
            names[i + 1] = str(HERE / "classes" / options[i + 1])
    return names


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
        accuracies = [s["accuracy"] for s in scores]
        kmeans = [s["baselines"]["kmeans"] for s in scores]
        cells = [
            name,
            f"**{spread(accuracies)}** ({each_seed(accuracies)})",
            spread([s["mean_iou"] for s in scores]),
            spread([s["accuracy"] for s in kmeans]),
            spread([s["baselines"]["untrained"]["accuracy"] for s in scores]),
            spread([s["overclustering"]["accuracy"] for s in scores]),
            spread([s["overclustering"]["accuracy"] for s in kmeans]),
            f"{statistics.mean(run['seconds'] for run in runs) / 60:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
