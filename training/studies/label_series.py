"""The lines of the paper's figure 6: ours, and those of its supplementary tables 3 and 4."""

from __future__ import annotations

from iic_tf.annotations import Json
from iic_tf.pictures.label_curves import Panel, Series
from iic_tf.training.studies.published import (
    BY_CLUSTERS,
    BY_LABELS,
    CLUSTER_SHARES,
    LABEL_SHARES,
    STL10_BY_LABELS,
)


def series_of(result: Json) -> tuple[Panel, Panel, Panel]:
    """Left, centre and right: by labels for each k, by labels of the largest k, by k."""
    runs = result["runs"]
    ours = [_by_labels(run, f"k = {run['clusters']}") for run in runs]
    stl10 = [
        Series(f"STL10, k = {k}", LABEL_SHARES, accuracies, published=True)
        for (k, _), accuracies in zip(BY_CLUSTERS["STL10"], STL10_BY_LABELS, strict=True)
    ]
    largest = max(runs, key=lambda run: run["clusters"])
    labels = [
        Series(name, LABEL_SHARES, accuracies, published=True)
        for name, (_, accuracies) in BY_LABELS.items()
    ]
    clusters = [
        Series(name, CLUSTER_SHARES, tuple(a for _, a in rows), published=True)
        for name, rows in BY_CLUSTERS.items()
    ]
    by_k = sorted(runs, key=lambda run: -run["clusters"])
    shares, accuracies = (tuple(run[key] for run in by_k) for key in ("share", "accuracy"))
    return (
        Panel("share of the labels", (*stl10, *ours)),
        Panel("share of the labels", (*labels, _by_labels(largest, "ours"))),
        Panel("share of the largest k", (*clusters, Series("ours", shares, accuracies))),
    )


def _by_labels(run: Json, name: str) -> Series:
    rows = run["labels"]
    return Series(name, tuple(r["share"] for r in rows), tuple(r["mean"] for r in rows))
