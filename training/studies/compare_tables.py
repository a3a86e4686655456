"""The table of a comparison: a row a method, then what any of them has to beat."""

from __future__ import annotations

import csv
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.training.atomic import replacing
from iic_tf.training.score_table import BASELINES
from iic_tf.training.studies.compare import Compared
from iic_tf.training.studies.compare_run import SHARED

NONE = "–"

BEST = "best with labels"


@dataclass(frozen=True)
class Table:
    """Rows of text under a head.

    Attributes:
        head: of the columns.
        rows: of the methods, then of baselines.
        methods: how many of the rows are methods.
        best: of each method what labels would have chosen among sub-heads and seeds; empty without
            labels.
        notes: what the figures are, and how they came about.
    """

    head: list[str]
    rows: list[list[str]]
    methods: int
    best: list[list[str]]
    notes: list[str]

    def markdown(self) -> str:
        """As Markdown."""
        lines = [_line(self.head), "|" + "---|" * len(self.head), *map(_line, self.rows)]
        if self.best:
            lines += [
                "",
                f"Apart from all this, {BEST}: the best sub-head of the best seed, which nobody "
                "can choose who has no labels.",
                "",
                _line(["method", BEST]),
                "|---|---|",
                *map(_line, self.best),
            ]
        return "\n".join([*lines, "", *(f"{note}\n" for note in self.notes)])


def table(found: Compared) -> Table:
    """The table of a comparison."""
    head = ["method", *_score_head(found), "minutes of training", "epochs", "peak memory, GB"]
    rows = [_row(found, label) for label in found.results]
    methods = len(rows)
    rows += _baseline_rows(found, len(head))
    return Table(head, rows, methods, _best_rows(found), _notes(found))


def _scored(found: Compared, label: str) -> list[Json]:
    return [one for one in found.results[label] if one["status"] == "scored"]


def _mapping(found: Compared) -> str:
    every = {one["scores"]["mapping"] for own in found.results.values() for one in own
             if one.get("scores")}  # fmt: skip
    return " or ".join(sorted(every, reverse=True))


def _score_head(found: Compared) -> list[str]:
    if not found.labelled:
        return ["agreement of the seeds (NMI): each", "mean"]
    return [
        f"{_mapping(found)}: each seed",
        "mean",
        "overclusters, many to one: mean",
        "k-means with as many, best: mean",
        "its untrained network, seed 0",
    ]


def _row(found: Compared, label: str) -> list[str]:
    every, scored = found.results[label], _scored(found, label)
    failed = [f"seed {seed} failed" for name, seed, _ in found.failed if name == label]
    if not scored:
        return [label, "failed", *[NONE] * (len(_score_head(found)) + 2)]
    if found.labelled:
        scores = [one["scores"] for one in scored]
        own = [one["accuracy"] for one in scores]
        cells = [
            ", ".join([*map(_figure, own), *failed]),
            _mean(own),
            _overclusters(scored),
            _mean([_best_kmeans(one) for one in scores if one["overclusters"] is not None]),
            _mean(
                [s["baselines"]["untrained"]["accuracy"] for s in scores
                 if "untrained" in s["baselines"]]
            ),
        ]  # fmt: skip
    else:
        met = found.agreement.get(label, [])
        cells = [", ".join([*map(_figure, met), *failed]) or NONE, _mean(met)]
    return [label, *cells, _minutes(scored), _epochs(every), _memory(scored)]


def _overclusters(scored: Sequence[Json]) -> str:
    values = [one["scores"]["overclusters"] for one in scored]
    if None in values:
        return NONE
    clusters = list(scored[0]["clusters"].values())[-1]
    return f"{_mean(values)} ({clusters})"


def _best_kmeans(scores: Json) -> float:
    """Of k-means on colours and on statistics the better one."""
    rows = (scores["baselines"][name] for name in SHARED if name in scores["baselines"])
    return max(float(row["overclusters"]) for row in rows)


def _minutes(scored: Sequence[Json]) -> str:
    seconds = [one["trained_seconds"] for one in scored if one["trained_seconds"] is not None]
    return f"{statistics.mean(seconds) / 60:.2f}" if seconds else NONE


def _epochs(results: Sequence[Json]) -> str:
    """Done, of those planned and of the recipe's, where these differ."""
    told = []
    for one in results:
        if one["status"] != "scored":
            continue
        done, planned, own = one["epochs"], one["planned_epochs"], one["recipe_epochs"]
        cut = f"{done} of {planned}, cut short" if one["ended_by_budget"] else f"{done}"
        told.append(cut + (f" (recipe {own})" if planned != own else ""))
    return ", ".join(dict.fromkeys(told))


def _memory(scored: Sequence[Json]) -> str:
    most = [one["peak_memory_bytes"] for one in scored if one["peak_memory_bytes"]]
    return f"{max(most) / 1e9:.2f}" if most else NONE


def _baseline_rows(found: Compared, width: int) -> list[list[str]]:
    """Those of the first method's runs, which see the same pixels, or images."""
    scored = next((own for label in found.results if (own := _scored(found, label))), [])
    scores = [one["scores"] for one in scored if one["scores"]]
    if not scores:
        return []
    largest = scores[0]["largest_class"]
    rows = [[f"always {largest['name']}", "", _figure(largest["share"])]]
    for name in SHARED:
        own = [one["baselines"][name] for one in scores if name in one["baselines"]]
        if not own:
            continue
        accuracies = [row["accuracy"] for row in own]
        row = [BASELINES[name], ", ".join(map(_figure, accuracies)), _mean(accuracies)]
        over = [row["overclusters"] for row in own]
        if None not in over:
            clusters = list(scored[0]["clusters"].values())[-1]
            row.append(f"{_mean(over)} ({clusters})")
        rows.append(row)
    return [[cell or NONE for cell in row] + [NONE] * (width - len(row)) for row in rows]


def _best_rows(found: Compared) -> list[list[str]]:
    if not found.labelled:
        return []
    return [
        [label, _figure(max(one["scores"]["best_with_labels"] for one in scored))]
        for label in found.results
        if (scored := _scored(found, label))
    ]


def _notes(found: Compared) -> list[str]:
    given, seeds = found.comparison, found.comparison.seeds
    recipes = "; ".join(f"{c.label}: {c.recipe.name}" for c in given.columns)
    notes = [
        f"Figures are shares of {found.unit}. {seeds} seed(s) from 0; epoch and sub-head are "
        "chosen without labels."
        if found.labelled
        else "No labels: how alike the partitions of the seeds are, mean NMI of each with the "
        "others; 1 is the same. It tells nothing of what the clusters mean.",
        (
            f"Each run has {given.minutes:g} minutes of training, which its schedule is made to "
            "fit; k-means needs what it needs."
            if given.minutes is not None
            else "Each run is as long as its recipe has it."
        )
        + f" {given.processes} run(s) at a time, which share the cores.",
        f"Recipes: {recipes}.",
    ]
    if given.command:
        notes.append(f"Command: `{given.command}`")
    return [*notes, *(f"Failed: {label}, seed {s}: {why}" for label, s, why in found.failed)]


def write_tables(found: Compared) -> list[Path]:
    """Write `table.md` and `table.csv`, which has a line for each run; their paths."""
    markdown, separated = found.folder / "table.md", found.folder / "table.csv"
    with replacing(markdown) as temporary:
        temporary.write_text(table(found).markdown(), encoding="utf-8")
    with (
        replacing(separated) as temporary,
        temporary.open("w", newline="", encoding="utf-8") as file,
    ):
        rows = [_run_row(label, seed, one) for label, own in found.results.items()
                for seed, one in enumerate(own)]  # fmt: skip
        for row in rows:
            row["agreement"] = ""
        for label, met in found.agreement.items():
            own = [row for row in rows if row["method"] == label and row["status"] == "scored"]
            for row, mean in zip(own, met, strict=True):
                row["agreement"] = mean
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return [markdown, separated]


def _run_row(label: str, seed: int, one: Json) -> Json:
    scores = one.get("scores") or {}
    baselines = scores.get("baselines", {})
    row = {
        "method": label,
        "seed": seed,
        "status": one["status"],
        "error": one.get("error", ""),
        "recipe": one["job"]["recipe"].get("name", ""),
        "mapping": scores.get("mapping", ""),
        "accuracy": scores.get("accuracy", ""),
        "mean_iou": scores.get("mean_iou", ""),
        "nmi": scores.get("nmi", ""),
        "overclusters_many_to_one": _or_empty(scores.get("overclusters")),
        "largest_class": scores.get("largest_class", {}).get("share", ""),
    }
    for name in BASELINES:
        own = baselines.get(name, {})
        row[f"{name}_accuracy"] = own.get("accuracy", "")
        row[f"{name}_overclusters"] = _or_empty(own.get("overclusters"))
    for name in ("trained_seconds", "epochs", "planned_epochs", "recipe_epochs"):
        row[name] = _or_empty(one.get(name))
    row["ended_by_budget"] = one.get("ended_by_budget", "")
    row["peak_memory_bytes"] = _or_empty(one.get("peak_memory_bytes"))
    row["chosen_with_labels_best"] = scores.get("best_with_labels", "")
    return row


def _or_empty(value: Any) -> Any:
    return "" if value is None else value


def _figure(share: float) -> str:
    return f"{share:.3f}"


def _mean(values: Sequence[float]) -> str:
    return _figure(statistics.mean(values)) if values else NONE


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
