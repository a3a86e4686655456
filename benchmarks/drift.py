"""What makes accuracy drift away while the loss improves: one setting changed at a time.

    python benchmarks/drift.py --data FOLDER --out runs/drift

trains Dubai-5, with 25 overclusters, once a variant with seed 0 and writes `drift.md`: loss and
cluster shares after the first epoch and after the one chosen by the loss, and the scores of that.
FOLDER as for `real_data.py`.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path

from real_data import DATA, RECIPES, placed
from seeded_runs import call

VARIANTS: dict[str, list[str]] = {
    "recipe `aerial-cpu`": [],
    "constant rate": ["schedule=constant"],
    "an epoch of each head in turn, 16 epochs": ["turns=[overclustering,main]", "epochs=16"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, help="folder of the data sets")
    parser.add_argument("--out", required=True, help="folder for runs and table")
    parser.add_argument("--seed", type=int, default=0, help="of all runs (a folder each: --out)")
    parser.add_argument("--part", type=int, nargs=2, default=(0, 1), help="I N: every Nth from I")
    given = parser.parse_args()
    out = Path(given.out)
    names = list(VARIANTS)[given.part[0] :: given.part[1]]
    for name in names:
        run = out / str(list(VARIANTS).index(name))
        if (run / "evaluation.json").is_file():
            continue
        command = ["train", "--dataset", "folder", "--seed", str(given.seed)]
        options = placed([*DATA["Dubai-5"], *RECIPES["Dubai-5"]], Path(given.data))
        command += [*options, "--out", str(run), "--overwrite"]
        command += ["--overclusters", "25"]
        for value in VARIANTS[name]:
            command += ["--set", value]
        call(command)
        call(["evaluate", str(run)])
    lines = [
        f"| Dubai-5, seed {given.seed} | loss after the first and the chosen epoch | "
        "shares after them | accuracy | mean IoU |",
        "|---|---|---|---|---|",
    ]
    for number, name in enumerate(VARIANTS):
        run = out / str(number)
        if (run / "evaluation.json").is_file():
            lines.append(row(name, run))
    (out / "drift.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print((out / "drift.md").read_text(encoding="utf-8"))
    return 0


def row(name: str, run: Path) -> str:
    with (run / "metrics.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = min(rows, key=lambda r: float(r["main_loss"]))
    scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))

    def shares(epoch: dict[str, str]) -> str:
        keys = [k for k in epoch if k.startswith("main_share_")]
        return "/".join(f"{s:.2f}"[1:] for s in sorted(float(epoch[k]) for k in keys)[::-1])

    cells = [
        name,
        f"{float(rows[0]['main_loss']):.2f}, {float(chosen['main_loss']):.2f}",
        f"{shares(rows[0])}, {shares(chosen)}",
        f"{scores['accuracy']:.3f}",
        f"{scores['mean_iou']:.3f}",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
