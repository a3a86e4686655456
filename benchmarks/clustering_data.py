"""MNIST and CIFAR-10 clustered without labels: three seeds each, beside the baselines.

    python benchmarks/clustering_data.py --data FOLDER --out runs/clustering

trains, scores and writes `table.md` and `table.json` into the folder of `--out`. FOLDER holds
`mnist` and `cifar10`, the original files of each. Runs that are already scored are not done again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

from seeded_runs import each_seed, one, spread

ALONE = "without overclustering head"
SETS: dict[str, tuple[list[str], tuple[int, ...]]] = {
    "mnist": (["--dataset", "mnist", "--recipe", "mnist-cpu"], (0, 1, 2)),
    f"mnist {ALONE}": (
        [
            *("--dataset", "mnist", "--recipe", "mnist-cpu"),
            *("--set", "overclustering=false", "--set", "turns=[main]"),
        ],
        (0,),
    ),
    "cifar10": (["--dataset", "cifar10", "--recipe", "cifar10-cpu"], (0, 1, 2)),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--out", required=True, help="folder for runs and table")
    parser.add_argument("--only", nargs="+", help="beginnings of the rows' names")
    given = parser.parse_args()
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, list[dict[str, Any]]] = {}
    for name, (options, seeds) in SETS.items():
        if given.only and not any(name.startswith(o) for o in given.only):
            continue
        data = str(Path(given.data) / name.split()[0])
        runs = [
            one(out / f"{name.replace(' ', '-')}-{s}", [*options, "--data", data], s) for s in seeds
        ]
        results[name] = runs
        (out / "table.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
        (out / "table.md").write_text(table(results), encoding="utf-8")
    print((out / "table.md").read_text(encoding="utf-8"))
    return 0


def table(results: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown: mean ± standard deviation over the seeds, and every seed's figure."""
    lines = [
        "| data | accuracy, chosen by loss (each seed) | NMI | ARI | all sub-heads | best "
        "sub-head, chosen with labels | k-means on pixels | on untrained features | "
        "overclusters, many to one | minutes a run |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, runs in results.items():
        scores = [run["scores"] for run in runs]
        beside = [s["baselines"] for s in scores]
        accuracies = [s["accuracy"] for s in scores]
        cells = [
            name,
            f"**{spread(accuracies)}** ({each_seed(accuracies)})",
            spread([s["nmi"] for s in scores]),
            spread([s["ari"] for s in scores]),
            spread([s["sub_heads"]["mean"] for s in scores]),
            each_seed([s["sub_heads"]["best_with_labels"] for s in scores]),
            each_seed([b["kmeans"]["accuracy"] for b in beside]),
            each_seed([b["kmeans_features"]["accuracy"] for b in beside]),
            spread([s["overclustering"]["accuracy"] for s in scores])
            if "overclustering" in scores[0]
            else "–",
            f"{statistics.mean(run['seconds'] for run in runs) / 60:.1f}",
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
