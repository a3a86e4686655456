"""The study of labels as Markdown: the paper's supplementary tables 3 and 4, ours beside them."""

from __future__ import annotations

from collections.abc import Sequence

from iic_tf.annotations import Json
from iic_tf.training.studies.published import (
    BY_CLUSTERS,
    BY_LABELS,
    CLUSTER_SHARES,
    LABEL_SHARES,
    STL10_BY_LABELS,
)


def tables(result: Json) -> str:
    """The two tables, with how they were made, and the published figures."""
    return "\n".join([*_head(result), "", *_by_clusters(result), "", *_by_labels(result), ""])


def _head(result: Json) -> list[str]:
    recipe, largest, study = result["recipe"], result["largest_class"], result["study"]
    return [
        f"# Labels: recipe {recipe['name']}, data set {result['source']['dataset']}",
        "",
        f"IIC*: one head alone, learned without labels; {result['parts']['told']}. Each cluster is "
        "the class that it overlaps most on the labelled images (many to one); a cluster that "
        "none of them touches is their commonest class. Accuracies are in % of the test part's "
        f"{result['unit']}; of labels fewer than all, mean ± standard deviation of "
        f"{study['draws']} draws of one run (seed {study['seed']}). Always saying the largest "
        f"class ({largest['name']}) gives {_percent(largest['share'])}.",
        "",
        "Published: IIC 2019, supplementary tables 3 and 4: the full data sets in the publishers' "
        "parts, networks at full width trained far longer, one draw of labels. The paper's two "
        "tables disagree where they state the same (CIFAR10, k = 140, all labels: 65.0 and 62.9).",
    ]


def _by_clusters(result: Json) -> list[str]:
    """As table 3: by the number of clusters, with all labels."""
    names = list(BY_CLUSTERS)
    columns = ["% of max k", "k, ours", "ACC, ours", *(f"{n}: k, ACC (published)" for n in names)]
    lines = ["## By the number of clusters, all labels (table 3)", "", *_header(columns)]
    for run in result["runs"]:
        # k is rounded: the share that was asked for is the nearest.
        share = min(result["study"]["cluster_shares"], key=lambda s: abs(s - run["share"]))
        cells = [f"{100 * share:g}", str(run["clusters"]), f"**{_percent(run['accuracy'])}**"]
        for name in names:
            found = dict(zip(CLUSTER_SHARES, BY_CLUSTERS[name], strict=True)).get(share)
            cells.append("–" if found is None else f"{found[0]}, {found[1]}")
        lines.append(_row(cells))
    return lines


def _by_labels(result: Json) -> list[str]:
    """As table 4: by the number of labels."""
    first = result["runs"][0]["labels"]
    shares = [row["share"] for row in first]
    columns = ["", *(f"{100 * row['share']:g} %: {row['images']} labelled" for row in first)]
    lines = ["## By the number of labelled images (table 4)", "", *_header(columns)]
    for run in result["runs"]:
        cells = [f"**{_accuracy(row)}**" for row in run["labels"]]
        lines.append(_row([f"ours, k = {run['clusters']}", *cells]))
    for (k, _), accuracies in zip(BY_CLUSTERS["STL10"], STL10_BY_LABELS, strict=True):
        lines.append(_published(f"STL10, k = {k}", 5000, accuracies, shares))
    for name, (labels, accuracies) in BY_LABELS.items():
        if name != "STL10":
            lines.append(_published(name, labels, accuracies, shares))
    return lines


def _published(name: str, labels: int, accuracies: Sequence[float], shares: Sequence[float]) -> str:
    known = dict(zip(LABEL_SHARES, accuracies, strict=True))
    cells = [str(known.get(share, "–")) for share in shares]
    return _row([f"{name}, published ({labels} labels)", *cells])


def _accuracy(row: Json) -> str:
    spread = "" if row["sd"] is None else f" ± {100 * row['sd']:.1f}"
    return f"{_percent(row['mean'])}{spread}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _header(columns: Sequence[str]) -> list[str]:
    return [_row(columns), "|" + "---|" * len(columns)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
