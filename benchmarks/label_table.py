"""The table and the picture of `label_efficiency.py`."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any

WAYS = ("mapping", "linear", "fine-tuned", "scratch", "statistics", "colours", "largest")
TRAINED = ("fine-tuned", "scratch")
"""Of other draws and images than the rest: not to be compared with it."""
AMOUNTS = ("1 image", "5 images", "10 images", "50 points", "200 points")

Found = dict[str, dict[str, dict[str, dict[str, float]]]]
"""Accuracy by set, amount of labels, way to use them, and number of the draw."""


def table(found: Found, steps: int) -> str:
    """Markdown: percent, mean ± standard deviation over the draws, best of each row in bold."""
    tuned = [len(ways.get("fine-tuned", {})) for a in found.values() for ways in a.values()]
    lines = [
        "Pixel accuracy in percent on what gave no labels, mean ± standard deviation over draws "
        f"(5; of fine-tuned and scratch {max(tuned, default=0)} at most, on 20 images); "
        f"fine-tuned for {steps} steps, from scratch for {2 * steps}.",
        "",
        "| data | labels | " + " | ".join(WAYS) + " |",
        "|---" * (2 + len(WAYS)) + "|",
    ]
    for name, amounts in found.items():
        for amount in AMOUNTS:
            if amount in amounts:
                lines.append(f"| {name} | {amount} | " + " | ".join(_cells(amounts[amount])) + " |")
    return "\n".join([*lines, *_means(found)]) + "\n"


def _cells(ways: dict[str, dict[str, float]]) -> list[str]:
    means = {way: statistics.mean(s.values()) for way, s in ways.items() if s}
    best = max(mean for way, mean in means.items() if way not in TRAINED)
    cells = []
    for way in WAYS:
        if way not in means:
            cells.append("—")
            continue
        scores = list(ways[way].values())
        spread = f" ± {100 * statistics.stdev(scores):.1f}" if len(scores) > 1 else ""
        text = f"{100 * means[way]:.1f}{spread}"
        cells.append(f"**{text}**" if means[way] == best and way not in TRAINED else text)
    return cells


def _means(found: Found) -> list[str]:
    """A row for the mean over the sets of each amount, where all sets have it."""
    lines = []
    for amount in AMOUNTS:
        cells = []
        for way in WAYS:
            scores = [s[amount].get(way, {}) for s in found.values() if amount in s]
            whole = way not in TRAINED and len(scores) == len(found) and all(scores)
            mean = statistics.mean(statistics.mean(s.values()) for s in scores) if whole else None
            cells.append("—" if mean is None else f"{100 * mean:.1f}")
        lines.append(f"| mean | {amount} | " + " | ".join(cells) + " |")
    return lines


def draw(found: Found, file: Path) -> None:
    """Accuracy over labels, a panel a set."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, panels = plt.subplots(
        1, max(len(found), 1), figsize=(3.4 * max(len(found), 1), 3.6), sharey=True, squeeze=False
    )
    for panel, (name, amounts) in zip(panels[0], found.items(), strict=True):
        for number, way in enumerate(WAYS):
            _line(panel, amounts, way, f"C{number}")
        panel.set_title(name)
        panel.set_xticks(range(len(AMOUNTS)), AMOUNTS, rotation=40, ha="right")
        panel.grid(alpha=0.3)
    panels[0][0].set_ylabel("pixel accuracy, %")
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="upper center", ncols=len(WAYS), fontsize=8)
    figure.tight_layout(rect=(0, 0, 1, 0.93))
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


def _line(panel: Any, amounts: dict[str, dict[str, dict[str, float]]], way: str, hue: str) -> None:
    """One way: images and points are two lines, for they are no one scale."""
    label: str | None = way
    for part in (range(3), range(3, 5)):
        known = [i for i in part if amounts.get(AMOUNTS[i], {}).get(way)]
        scores = [list(amounts[AMOUNTS[i]][way].values()) for i in known]
        if known:
            means = [100 * statistics.mean(s) for s in scores]
            spread = [100 * statistics.stdev(s) if len(s) > 1 else 0 for s in scores]
            panel.errorbar(
                known, means, spread, marker="o", ms=3, capsize=2, color=hue, label=label
            )
            label = None
