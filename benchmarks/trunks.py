"""The same objective on features learned before and on none: five sets, several seeds.

    python benchmarks/trunks.py --data FOLDER --trunk lite0.keras --out runs/trunks

FOLDER holds `labelmefacade`, `dubai`, `s2_india_rgbir`, `camvid` and `naip_chesapeake` in their
publishers' layouts; `--trunk` is what `benchmarks/efficientnet_lite.py` writes, or any other one.
Writes `trunks.md` and `trunks.json` into the folder of `--out`. Runs that are scored already are
not done again. Of the frozen trunk every set has the same recipe, `pretrained`.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from label_sets import SETS
from machine import machine
from real_data import DUBAI_3, HERE
from seeded_runs import each_seed, wanted

CAMVID = [option for option in SETS["camvid"] if option not in ("--recipe", "folder")]
FACADE = [option for option in SETS["facade"] if option not in ("--recipe", "folder")]
S2 = SETS["s2"][: SETS["s2"].index("--recipe")]
NAIP = [
    *("--data", "naip/images", "--masks", "naip/masks"),
    *("--class-file", "naip-2.yaml", "--classes", "2"),
]
TUNED = ("labelmefacade", "dubai-3", "s2_india_rgbir")
"""Sets that recipes were chosen on; the others are for reporting, but for CamVid: see `_write`."""

ROWS: dict[str, tuple[list[str], str, list[str]]] = {
    "labelmefacade": ([*FACADE, "--use-masks"], "folder", []),
    "dubai-3": (DUBAI_3, "aerial-cpu", []),
    "s2_india_rgbir": (S2, "satellite-cpu", ["--trunk-bands", "0,1,2"]),
    "camvid": ([*CAMVID, "--use-masks"], "folder", []),
    "naip_chesapeake": (NAIP, "aerial-cpu", ["--trunk-bands", "0,1,2"]),
}
"""Of each set: its options, the recipe that begins from nothing, what a trunk of three sees."""

KINDS = ("scratch", "heads", "infoseg", "tuned")
SAID = {
    "scratch": "network C from nothing",
    "heads": "frozen, IIC's heads",
    "infoseg": "frozen, InfoSeg",
    "tuned": "IIC, trained on",
}


def options_of(kind: str, name: str, trunk: str) -> list[str]:
    """Of `iic-tf train`."""
    own, scratch, bands = ROWS[name]
    if kind == "scratch":
        return [*own, "--recipe", scratch]
    common = [*own, "--recipe", "pretrained", "--trunk", trunk, *bands]
    if kind == "infoseg":
        return [*common, "--method", "infoseg"]
    return [*common, "--fine-tune-trunk"] if kind == "tuned" else common


def main() -> int:
    given = _arguments()
    data = placed(given.data, given.out)
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for seed in given.seeds:
        for name in ROWS:
            for kind in given.kinds:
                if not wanted(name, given.only):
                    continue
                options = [there(o, data) for o in options_of(kind, name, str(given.trunk))]
                run = given.out / f"{name}-{kind}-{seed}"
                found.setdefault(name, {}).setdefault(kind, []).append(one(run, options, seed))
                _write(given.out, found)
    return 0


def one(run: Path, options: Sequence[str], seed: int) -> dict[str, Any]:
    """Train and score one run, unless it is scored already; seconds and peak memory beside."""
    done = run / "result.json"
    if not done.is_file():
        began = time.monotonic()
        train = ["train", *options, "--seed", str(seed), "--out", str(run), "--overwrite"]
        peak = measured(train)
        seconds = time.monotonic() - began
        measured(["evaluate", str(run)])
        measured(["label", str(run), "--head", "linear"])
        naming = json.loads((run / "naming.json").read_text(encoding="utf-8"))
        scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
        done.write_text(
            json.dumps(
                {
                    "seconds": seconds,
                    "gigabytes": peak,
                    "linear": naming["expected_accuracy"],
                    "scores": scores,
                }
            )
        )
    return dict(json.loads(done.read_text(encoding="utf-8")))


def measured(command: Sequence[str]) -> float:
    """Run `iic-tf`; its peak memory in GB.

    Raises:
        SystemExit: it failed.
    """
    print("iic-tf", *command, flush=True)
    process = subprocess.Popen([sys.executable, "-m", "iic_tf.cli", *command])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"iic-tf {command[0]} ended with {status}")
    return usage.ru_maxrss / 1e6


def there(option: str, data: Path) -> str:
    """An option that names a file of classes or of the data, by where that lies."""
    if option.endswith(".yaml"):
        return str(HERE / "classes" / option)
    return str(data / option) if (data / option).exists() and option != "." else option


def placed(data: Path, out: Path) -> Path:
    """A folder of links in which NAIP's masks stand beside images of their names."""
    place = out / "data"
    place.mkdir(parents=True, exist_ok=True)
    for inner in data.iterdir():
        link = place / inner.name
        if not link.exists():
            link.symlink_to(inner.resolve())
    for part in ("images", "masks"):
        (place / "naip" / part).mkdir(parents=True, exist_ok=True)
    for image in sorted((data / "naip_chesapeake").glob("*_RGBIR.tif")):
        where = image.name.split("_naip-")[0]
        mask = image.with_name(f"{where}_lc.png")
        for link, file in (
            (place / "naip" / "images" / image.name, image),
            (place / "naip" / "masks" / f"{image.stem}.png", mask),
        ):
            if not link.exists():
                link.symlink_to(file.resolve())
    return place


def _arguments() -> Any:
    import argparse

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--trunk", type=Path, required=True, help="a .keras file")
    parser.add_argument("--out", type=Path, required=True, help="folder for runs and table")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of the sets' names")
    given = parser.parse_args()
    given.trunk = given.trunk.resolve()
    given.out = given.out.resolve()
    given.out.mkdir(parents=True, exist_ok=True)
    return given


def _write(out: Path, found: dict[str, dict[str, list[dict[str, Any]]]]) -> None:
    (out / "trunks.json").write_text(json.dumps(found, indent=1), encoding="utf-8")
    lines = [
        "# Trunks\n",
        ", ".join(f"{name} {value}" for name, value in machine().items()) + "\n",
        "| set (largest class) | | one to one, each seed | mean | overclusters, many to one "
        "| linear classifier, all labels | minutes | GB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kinds in found.items():
        share = next(iter(kinds.values()))[0]["scores"]["largest_class"]["share"]
        # λ was settled between two that the tuning sets hardly told apart, with CamVid in view.
        others = {"camvid": ", λ settled with it in view"}
        note = "" if name in TUNED else others.get(name, ", never tuned on")
        said = f"{name} ({share:.3f}){note}"
        for kind, runs in kinds.items():
            lines.append(_row(said, SAID[kind], [r["scores"] for r in runs], runs))
        first = kinds.get("heads") or next(iter(kinds.values()))
        for key, title in (
            ("kmeans", "k-means on colours"),
            ("kmeans_statistics", "k-means on local statistics"),
            ("kmeans_trunk", "k-means on the trunk's features"),
        ):
            scores = [r["scores"]["baselines"].get(key) for r in first]
            if all(scores):
                lines.append(_row(said, title, scores))
    (out / "trunks.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _row(name: str, title: str, scores: Sequence[Any], runs: Sequence[Any] = ()) -> str:
    accuracies = [s["accuracy"] for s in scores]
    over = [s["overclustering"]["accuracy"] for s in scores if "overclustering" in s]
    cells = [
        *(name, title, each_seed(accuracies), f"{statistics.mean(accuracies):.3f}"),
        f"{statistics.mean(over):.3f}" if over else "",
        f"{statistics.mean(r['linear'] for r in runs):.3f}" if runs else "",
        f"{statistics.mean(r['seconds'] for r in runs) / 60:.1f}" if runs else "",
        f"{max(r['gigabytes'] for r in runs):.1f}" if runs else "",
    ]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
