"""Sections of a report: how good it is, against labels and against what is simpler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iic_tf.annotations import Facts
from iic_tf.export.report.kept import Kept
from iic_tf.export.report.markup import Html, missing, percent, section, table, tag
from iic_tf.training.meaning import NamedClass
from iic_tf.training.run_config import CONSENSUS
from iic_tf.training.score_table import BASELINES, GIVEN, PROBED

_MOST_CONFUSED = 30
"""Classes of which the confusion is a table here; of more the picture alone is shown."""


def scores_section(kept: Kept, command: str) -> Html:
    """Of the run's own data, then of others it was evaluated on."""
    parts: list[object] = []
    if kept.evaluation:
        parts += _scores(kept.evaluation, kept.whole_images)
    else:
        parts.append(missing("Not evaluated yet. Where there are labels", command))
    for name, _, result in kept.others:
        parts += [tag("h3", f"On other data: {name}"), *_scores(result, kept.whole_images)]
    return section("How good it is", *parts)


def _scores(result: Facts, whole: bool) -> list[Html]:
    unit = "images" if whole else "pixels"
    baselines = result.get("baselines", {})
    rows = [_row(f"this run, {result.get('mapping', 'matched')}", result)]
    rows += [_row(BASELINES.get(name, name), one) for name, one in baselines.items()]
    over = result.get("overclustering")
    if over:
        rows.append(_row("this run, overclusters many to one", over))
        rows += [
            _row(f"{BASELINES.get(name, name)}, as many clusters", one["overclustering"])
            for name, one in baselines.items()
            if "overclustering" in one
        ]
    if "groups" in result:
        rows.append(_row(f"this run, {result['groups'].get('groups')} groups", result["groups"]))
    if "accuracy" in result.get("named", {}):
        rows.append(_row("this run, named classes", result["named"]))
    largest = result.get("largest_class")
    if largest:
        name = f"always saying “{largest.get('name')}”, the largest class"
        rows.append([name, percent(largest.get("share")), "—", "—", "—"])
    head = ["", f"{unit} right", "mean IoU", "NMI", "ARI"]
    parts = [table(f"Scores on {result.get('images', '?')} labelled images", head, rows, own=True)]
    parts += [tag("p", f"{line[0].upper()}{line[1:]}.") for line in result.get("verdict") or []]
    if result.get("probe"):
        parts.append(_probe(result["probe"]))
    if result.get("protocol"):
        parts.append(tag("p", f"How it was scored: {result['protocol']}.", class_="quiet"))
    parts += [_classes(result, baselines), *_confusion(result)]
    for note in result.get("notes") or []:
        parts.append(tag("p", note, class_="warning"))
    return [part for part in parts if part]


def _probe(found: Facts) -> Html:
    """What linear classifiers make of labels, by what they are given."""
    head = ["a linear classifier of", *(f"labels of {text}" for text in GIVEN.values())]
    rows = [
        [PROBED.get(name, name), *(percent(row.get(kind)) for kind in GIVEN)]
        for name, row in found.get("linear", {}).items()
    ]
    return table("What the features hold, by labels of other images", head, rows)


def _row(name: str, result: Facts) -> list[str]:
    figures = [_figure(result.get(key)) for key in ("mean_iou", "nmi", "ari")]
    return [name, percent(result.get("accuracy")), *figures]


def _figure(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, int | float) else "—"


def _classes(result: Facts, baselines: Facts) -> Html:
    lines = result.get("per_class", [])
    if not lines:
        return Html("")
    others = {
        BASELINES.get(name, name): {line["name"]: line for line in one.get("per_class", [])}
        for name, one in baselines.items()
    }
    head = ["class", "share of all", "found (recall)", "right where said (precision)", "IoU"]
    head += [f"IoU of {name}" for name in others]
    rows = [
        [
            line["name"],
            *(percent(line.get(key)) for key in ("share", "recall", "precision")),
            _figure(line.get("iou")),
            *(_figure(own.get(line["name"], {}).get("iou")) for own in others.values()),
        ]
        for line in lines
    ]
    return table("Class by class, beside what is simpler", head, rows)


def _confusion(result: Facts) -> list[Html]:
    counts, names = result.get("confusion"), [line["name"] for line in result.get("per_class", [])]
    if not counts or len(counts) != len(names) or len(names) > _MOST_CONFUSED:
        return []
    rows = []
    for name, row in zip(names, counts, strict=True):
        whole = sum(row)
        rows.append([name, *(percent(n / whole, 0) if whole else "—" for n in row)])
    head = ["true class", *(f"taken for {name}" for name in names)]
    return [table("Confusion: where each true class went", head, rows)]


def _seeds(found: Facts) -> object:
    """How far this run's labels are those of others, as `iic-tf agree` found."""
    if not found:
        return missing(
            "Agreement of seeds: not measured. This is one training with one seed of chance; "
            "train again with another --seed and compare before relying on it",
            "iic-tf agree RUN RUN",
        )
    own = found["this"]
    rows = [
        [f"seed {seed}" + (" (this run)" if i == own else ""), f"{value:.3f}"]
        for i, (seed, value) in enumerate(zip(found["seeds"], found["nmi"][own], strict=True))
    ]
    chosen = found["seeds"][found["chosen"]]
    caption = (
        f"Agreement of this run's labels with those of other seeds (NMI; 1: the same partition) on "
        f"{found['places']} {found['unit']}; seed {chosen} agrees most with the others"
    )
    return table(caption, ["run", "NMI"], rows)


def _members(made_of: Facts) -> object:
    """Which runs a consensus was made of; how far they agree stands in their own reports."""
    runs, seeds = made_of.get("runs", []), made_of.get("seeds", [])
    told = ", ".join(f"{run} (seed {seed})" for run, seed in zip(runs, seeds, strict=False))
    return tag(
        "p",
        f"Made of {len(runs)} trainings, whose groups were matched and whose probabilities were "
        f"averaged: {told}. How far they agree stands in the report of each.",
    )


def agreement_section(kept: Kept) -> Html:
    """Of seeds and of sub-heads: whether another training would have found the same."""
    made_of = kept.config.get(CONSENSUS)
    parts: list[object] = [_members(made_of) if made_of else _seeds(kept.agreement)]
    own = kept.evaluation.get("sub_heads", {})
    losses, accuracies = own.get("losses", []), own.get("accuracies", [])
    if len(losses) > 1 and len(losses) == len(accuracies):
        chosen = kept.evaluation.get("sub_head")
        rows = [
            [f"{i}, chosen by its loss" if i == chosen else f"{i}", _figure(a), percent(b)]
            for i, (a, b) in enumerate(zip(losses, accuracies, strict=True))
        ]
        parts.append(
            table("Sub-heads, which began differently", ["sub-head", "loss", "right"], rows)
        )
    return section("Would it come out the same again?", *parts)


def labels_section(kept: Kept) -> Html:
    """What clusters were named, if they were."""
    meaning = kept.meaning
    command = f"iic-tf label {kept.run.folder}"
    if meaning is None:
        return section("Names", missing("The groups have no names yet. To name them", command))
    rows = [
        [_swatch(one), one.number, ", ".join(map(str, one.clusters)) or "none"]
        for one in meaning.classes
    ]
    parts: list[object] = [
        table(f"Clusters of the {meaning.head} head", ["class", "number", "clusters"], rows, False)
    ]
    expected = kept.naming.get("expected_accuracy")
    if isinstance(expected, Mapping):
        each = [[name, percent(v)] for name, v in expected.items()]
        parts.append(table("Accuracy to be expected, by the labels given", ["by", "right"], each))
    elif isinstance(expected, int | float):
        parts.append(
            tag("p", f"Accuracy to be expected, by the labels given: {percent(expected)}.")
        )
    return section("Names", *parts)


def _swatch(one: NamedClass) -> Html:
    """A class's name with its colour."""
    ink = f"#{bytes(one.colour).hex()}"
    return tag("span", tag("span", class_="swatch", style=f"background:{ink}"), one.name)
