"""What this program wrote, so that its own pictures are never taken for data.

A run is told by its config.json, predictions by the legend.json or predictions.csv in their folder.
Names alone prove nothing: `x_labels.png` in any other folder is a mask of the user's.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from pathlib import Path

_RUN_FILES = frozenset({"best.keras", "metrics.csv", "checkpoints"})
_SHEET = re.compile(r"sheet(-[0-9]+)?\.png")
_PICTURES = ("_overlay.jpg", "_confidence.png", "_confidence.tif", "_probabilities.tif")
_TABLE_HEAD = "file,label,confidence,"


def is_run(folder: Path, names: Collection[str]) -> bool:
    """Whether a folder is that of a run.

    Args:
        folder: the folder.
        names: of what lies in it, files and folders.
    """
    if "config.json" not in names:
        return False
    config = _json(folder / "config.json")
    if isinstance(config, dict):
        return "recipe" in config and "seed" in config
    return config is None and bool(_RUN_FILES & set(names))


def own_files(folder: Path, names: Collection[str]) -> set[str]:
    """Which files of a folder `iic-tf predict` wrote: none unless it wrote to this folder.

    The user's images may lie in the same folder. `<name>_labels` is a prediction where its overlay
    lies beside it, or where no image of that name does.

    Args:
        folder: the folder.
        names: of the files in it.
    """
    if not _has_predictions(folder, names):
        return set()
    there = set(names)
    stems = {name.rpartition(".")[0] for name in names}
    own = {n for n in there if _SHEET.fullmatch(n) or n.endswith(_PICTURES)}
    for name in there:
        stem, found, _ = name.rpartition("_labels.")
        if found and (f"{stem}_overlay.jpg" in there or stem not in stems):
            own.add(name)
    return own


def _has_predictions(folder: Path, names: Collection[str]) -> bool:
    if "legend.json" in names and _is_legend(_json(folder / "legend.json")):
        return True
    return "predictions.csv" in names and _start(folder / "predictions.csv") == _TABLE_HEAD


def _is_legend(legend: object) -> bool:
    """Whether it is `{"0": {"name": ..., "colour": ...}, "1": ...}`, by numbers of label files."""
    return (
        isinstance(legend, dict)
        and all(key.isdecimal() for key in legend)
        and all(isinstance(v, dict) and {"name", "colour"} <= set(v) for v in legend.values())
        and bool(legend)
    )


def _json(file: Path) -> object:
    """What a file holds; None where it is no JSON."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _start(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return opened.read(len(_TABLE_HEAD)).decode("ascii", "replace")
    except OSError:
        return ""
