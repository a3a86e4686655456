"""What changes of the recipe `textures` give, one at a time, on several sets.

    python benchmarks/trials.py --data FOLDER --out runs/trials

FOLDER holds the data sets as for `benchmarks/trunks.py`. Every trial is an `iic-tf train` with the
options of its row; the main head is scored one to one, overclusters many to one across five folds
of images, both without baselines. Writes `trials.md` into the folder of `--out` after each run;
runs that are scored already are not done again.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from seeded_runs import call, wanted
from smoothing import HEADS, scored
from trunks import ROWS, TUNED, placed, there

from iic_tf.training.run import Run

TRIALS: dict[str, Sequence[str]] = {
    "as shipped": (),
    "less 0.25 · I(z; crop), main head": ("--set", "crop_weight=0.25"),
    "crops of a batch from 5 images": ("--set", "batch_scenes=5"),
    "colours twice as strong": (
        "--set",
        "photometry={brightness: 0.8, contrast: 0.8, saturation: 0.8, hue: 0.2}",
    ),
    "full size": ("--downscale", "1"),
    "a quarter of the size, cells of 2": ("--downscale", "4", "--set", "trunk_stride=2"),
    "displacements of up to 16 pixels, not 8": ("--set", "radius=16"),
    "15 overclusters a class, not 5": ("--set", "overclusters_per_class=15"),
    "λ 1.5": ("--set", "lamb=1.5", "--set", "overclustering_lamb=1.5"),
    "λ 0.9": ("--set", "lamb=0.9", "--set", "overclustering_lamb=0.9"),
    "no features left out of views": ("--set", "dropout=0"),
    "a dictionary of patches beside them": ("--trunk", "textures,dictionary"),
    "three times as many steps": ("--set", "steps=90"),
}
"""Each differs from the recipe in one idea."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and table")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", default=TUNED, help="beginnings of the sets' names")
    parser.add_argument("--trials", nargs="+", default=[""], help="beginnings of the trials' names")
    given = parser.parse_args()
    out = given.out.resolve()
    data = placed(given.data, out)
    found: dict[str, dict[str, list[float]]] = {}
    for trial, changes in TRIALS.items():
        for name, (own, *_) in ROWS.items():
            if wanted(name, given.only) and wanted(trial, given.trials):
                options = [*(there(one, data) for one in own), "--recipe", "textures", *changes]
                run = out / f"{name}-{short(trial)}-{given.seed}"
                found.setdefault(trial, {})[name] = one(run, options, given.seed)
                write(out / "trials.md", found)
    return 0


def one(run: Path, options: Sequence[str], seed: int) -> list[float]:
    """Train and score one run, unless it is scored already: main head, overclusters."""
    done = run / "trial.json"
    if not done.is_file():
        call(["train", *options, "--seed", str(seed), "--out", str(run), "--overwrite"])
        found = [scored(Run.open(run), head, ())[0] for head in HEADS]
        done.write_text(json.dumps(found), encoding="utf-8")
    return list(json.loads(done.read_text(encoding="utf-8")))


def short(trial: str) -> str:
    """A trial's name as part of a folder's."""
    return re.sub(r"\W+", "-", trial)


def write(file: Path, found: dict[str, dict[str, list[float]]]) -> None:
    """The table of what there is, `main head, overclusters` in each cell."""
    names = list(dict.fromkeys(name for row in found.values() for name in row))
    lines = [f"| | {' | '.join(names)} | mean |", "|---" * (len(names) + 2) + "|"]
    for trial, row in found.items():
        cells = [_cell(row[name]) if name in row else "" for name in names]
        means = [statistics.mean(values) for values in zip(*row.values(), strict=True)]
        cells.append(_cell(means) if len(row) == len(names) else "")
        lines.append(f"| {trial} | {' | '.join(cells)} |")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _cell(values: Sequence[float]) -> str:
    return ", ".join(f"{value:.3f}" for value in values)


if __name__ == "__main__":
    sys.exit(main())
