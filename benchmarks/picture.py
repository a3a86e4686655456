"""The picture of `RESULTS.md`: the ratio to the textbook's time, against k."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
from cases import Case
from matplotlib.figure import Figure
from textbook_names import OURS

COLOURS = {64: "#0072b2", 128: "#d55e00", 200: "#009e73"}
LINES = {1: (":", "o"), 5: ("--", "s"), 10: ("-", "^")}


def draw(entries: list[dict[str, Any]], baseline: str, file: Path) -> None:
    """Write an SVG: two pairs, a line a size and radius, a panel a number of threads."""
    numbers = sorted({t for entry in entries for t in entry["threads"]}, key=int)
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "objective"}):
        figure = Figure(figsize=(9, 4), facecolor="white", layout="constrained")
        panels = figure.subplots(1, len(numbers), sharey=True, squeeze=False)[0]
        for panel, threads in zip(panels, numbers, strict=True):
            for (size, radius), points in _lines(entries, threads, baseline).items():
                line, marker = LINES[radius]
                panel.plot(
                    *zip(*points, strict=True),
                    color=COLOURS[size],
                    linestyle=line,
                    marker=marker,
                    markersize=4,
                    label=f"{size}², T {radius}",
                )
            panel.axhline(1, color="#8a8a8a", linewidth=1)
            panel.set_yscale("log")
            panel.set_xlabel("clusters k")
            panel.set_title(f"{threads} thread{'s' * (threads != '1')}", fontsize=10)
            panel.grid(axis="y", color="#e4e4e4")
            panel.spines[["top", "right"]].set_visible(False)
        panels[0].set_ylabel(f"times as fast as the {baseline}", fontsize=9)
        handles, labels = panels[-1].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside right center", fontsize=8, frameon=False)
        figure.savefig(file, metadata={"Date": None})


def _lines(
    entries: list[dict[str, Any]], threads: str, baseline: str
) -> dict[tuple[int, int], list[tuple[int, float]]]:
    lines: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for entry in entries:
        case = Case(**entry["case"])
        times = entry["threads"].get(threads, {})
        if case.n == 2 and "seconds" in times.get(baseline, {}):
            ratio = times[baseline]["seconds"] / times[OURS]["seconds"]
            lines.setdefault((case.size, case.radius), []).append((case.k, ratio))
    return {key: sorted(points) for key, points in sorted(lines.items())}
