"""InfoSeg beside IIC, k-means and the untrained network on real data, and its ablations.

    python benchmarks/infoseg_data.py --data FOLDER --out runs/table

trains, scores and writes `infoseg.md` and `infoseg.json` into the folder of `--out`. FOLDER is that
of `real_data.py`; with the same `--out` its runs of IIC are taken as they are. Runs that are scored
already are not done again.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
from typing import Any

from real_data import DATA, RECIPES, scored
from seeded_runs import arguments, each_seed, spread, wanted

INFOSEG: dict[str, list[str]] = {
    "Dubai-3": [
        *("--method", "infoseg", "--recipe", "aerial-cpu", "--set", "radius=4"),
        *("--set", "photometry={brightness: 0.1, contrast: 0.1, saturation: 0.1, hue: 0.1}"),
        *("--set", "jitter_x=false"),
    ],
    "Dubai-5": ["--method", "infoseg", "--recipe", "aerial-cpu"],
    "s2_india_rgbir": ["--method", "infoseg", "--recipe", "satellite-cpu"],
    "labelmefacade (mask of valid pixels in training)": ["--method", "infoseg"],
}
ABLATED = "labelmefacade (mask of valid pixels in training)"
ABLATIONS: dict[str, list[str]] = {
    "JSD, hard": ["--set", "assignment=hard"],
    "DV, soft": ["--set", "objective=dv"],
    "DV, hard": ["--set", "objective=dv", "--set", "assignment=hard"],
    "IIC-MI": ["--set", "objective=iic"],
    "JSD, soft, different images at the same place": ["--set", "elsewhere=false"],
    "JSD, soft, not centred": ["--set", "centred=false"],
}


def main() -> int:
    given = arguments(__doc__.splitlines()[0])
    out, data = given.out, given.data

    def of_seeds(name: str, options: list[str], variant: str = "") -> list[dict[str, Any]]:
        every = [*DATA[name], *options]
        return [scored(out, name, every, data, seed, variant) for seed in given.seeds]

    results: dict[str, Any] = {"sets": {}, "ablations": {}}
    for name in (name for name in INFOSEG if wanted(name, given.only)):
        iic, infoseg = of_seeds(name, RECIPES[name]), of_seeds(name, INFOSEG[name], "-infoseg")
        results["sets"][name] = {"IIC": iic, "InfoSeg": infoseg}
    for name, options in ABLATIONS.items():
        if wanted(name, given.only):
            variant = "-infoseg-" + name.lower().replace(",", "").replace(" ", "-")
            results["ablations"][name] = of_seeds(ABLATED, [*INFOSEG[ABLATED], *options], variant)
    text = table(results)
    (out / "infoseg.json").write_text(json.dumps(results, indent=1), encoding="utf-8")
    (out / "infoseg.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def table(results: dict[str, Any]) -> str:
    """Markdown: the sets, then the ablations, mean ± standard deviation and every seed's figure."""
    lines = [
        f"{platform.machine()}, {os.cpu_count()} cores; epoch chosen by the unsupervised loss.",
        "",
        "| data | InfoSeg: accuracy (each seed) | mean IoU | IIC | k-means | untrained InfoSeg | "
        "minutes a run, InfoSeg and IIC |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in results["sets"].items():
        infoseg, iic = ([run["scores"] for run in runs[method]] for method in ("InfoSeg", "IIC"))
        accuracies = [s["accuracy"] for s in infoseg]
        minutes = [f"{_minutes(runs[method]):.1f}" for method in ("InfoSeg", "IIC")]
        cells = [
            name,
            f"**{spread(accuracies)}** ({each_seed(accuracies)})",
            spread([s["mean_iou"] for s in infoseg]),
            spread([s["accuracy"] for s in iic]),
            *(
                spread([s["baselines"][beside]["accuracy"] for s in infoseg])
                for beside in ("kmeans", "untrained")
            ),
            ", ".join(minutes),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += [
        "",
        f"| ablation, on {ABLATED} | accuracy (each seed) | mean IoU | minutes a run |",
        "|---|---|---|---|",
    ]
    whole = {"JSD, soft (InfoSeg)": results["sets"].get(ABLATED, {}).get("InfoSeg", [])}
    for name, runs in {**whole, **results["ablations"]}.items():
        if runs:
            accuracies = [run["scores"]["accuracy"] for run in runs]
            iou = spread([run["scores"]["mean_iou"] for run in runs])
            cells = [name, f"{spread(accuracies)} ({each_seed(accuracies)})", iou]
            lines.append("| " + " | ".join([*cells, f"{_minutes(runs):.1f}"]) + " |")
    return "\n".join(lines) + "\n"


def _minutes(runs: list[dict[str, Any]]) -> float:
    return float(statistics.mean(run["seconds"] for run in runs)) / 60


if __name__ == "__main__":
    sys.exit(main())
