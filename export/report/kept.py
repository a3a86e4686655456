"""What a run folder holds for its report. Whatever is missing or damaged is simply not there."""

from __future__ import annotations

import contextlib
import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.metrics.cluster_tree import ClusterTree
from iic_tf.training.cluster_tree_file import kept_tree
from iic_tf.training.meaning import Meaning, read_meaning
from iic_tf.training.picture_pages import page_paths
from iic_tf.training.run import Run


@dataclass(frozen=True)
class Kept:
    """A run's files, read."""

    run: Run

    @cached_property
    def config(self) -> Json:
        return dict(self.run.config())

    @property
    def recipe(self) -> Json:
        return dict(self.config.get("recipe", {}))

    @property
    def whole_images(self) -> bool:
        """Whether a label is of a whole image, not of a pixel."""
        return bool(self.recipe.get("task") == "clustering")

    @cached_property
    def rows(self) -> list[Json]:
        """`metrics.csv`: values are numbers where they can be."""
        try:
            with self.run.metrics_file.open(newline="", encoding="utf-8") as file:
                return [{k: _number(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except (OSError, ValueError, csv.Error):
            return []

    @property
    def heads(self) -> list[str]:
        """Names of the heads whose figures there are."""
        first = self.rows[-1] if self.rows else {}
        return [name.removesuffix("_bound") for name in first if name.endswith("_bound")]

    def series(self, name: str) -> list[float]:
        """A column of `metrics.csv`, NaN where it has no number."""
        values = (row.get(name) for row in self.rows)
        return [float(v) if isinstance(v, int | float) else math.nan for v in values]

    @cached_property
    def agreement(self) -> Json:
        """What `iic-tf agree` found of this run and others; empty: nothing, or damaged."""
        found = _json(self.run.agreement_file)
        wanted = {"seeds", "nmi", "this", "chosen", "places", "unit"}
        return found if wanted <= set(found) else {}

    @cached_property
    def log(self) -> list[str]:
        try:
            text = self.run.log_file.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return []
        return text.splitlines()

    @property
    def warnings(self) -> list[str]:
        """Lines of the log that warn or tell of something left out, each once."""
        lines = [line.strip() for line in self.log]
        told = [line for line in lines if line.startswith(("note:", "warning:")) or _stops(line)]
        return list(dict.fromkeys(told))

    @cached_property
    def facts(self) -> Json:
        """What the training noted of itself: `training.json`."""
        return _json(self.run.facts_file)

    @cached_property
    def found(self) -> Json:
        """What was seen when the result was looked at: `found.json`."""
        return _json(self.run.found_file)

    @cached_property
    def evaluation(self) -> Json:
        return _json(self.run.evaluation_file)

    @property
    def others(self) -> Iterator[tuple[str, Path, Json]]:
        """Evaluations on other data: name, folder of pictures, scores."""
        for file in sorted((self.run.folder / "evaluations").glob("*/evaluation.json")):
            scores = _json(file)
            if scores:
                yield file.parent.name, file.parent / "pictures", scores

    @cached_property
    def naming(self) -> Json:
        return _json(self.run.naming_file)

    @cached_property
    def meaning(self) -> Meaning | None:
        if not self.run.classes_file.is_file():
            return None
        with contextlib.suppress(InputError, OSError):
            return read_meaning(self.run.classes_file)
        return None

    @cached_property
    def tree(self) -> tuple[str, ClusterTree] | None:
        """The head and the tree of its clusters."""
        return kept_tree(self.run)

    def pictures(self, name: str, folder: Path | None = None) -> list[Path]:
        """The pages of a picture of the run, or of one of its evaluations."""
        return page_paths((folder or self.run.pictures) / name)


def _stops(line: str) -> bool:
    return line.startswith(("stopped in epoch", "resumed behind epoch"))


def _number(text: str | None) -> Any:
    try:
        return float(text or "")
    except ValueError:
        return text


def _json(path: Path) -> Json:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
