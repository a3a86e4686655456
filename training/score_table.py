"""The scores of a run as lines of text, and in a sentence how they were taken."""

from __future__ import annotations

from iic_tf.annotations import Json
from iic_tf.training.scored import Scored

BASELINES = {
    "kmeans": "k-means on pixels",
    "kmeans_statistics": "k-means on local statistics",
    "kmeans_trunk": "k-means on the trunk's features",
    "kmeans_features": "k-means on untrained features",
    "untrained": "untrained network",
}

PROBED = {
    "features": "the trunk's features",
    "colours": "colours and their products",
    "statistics": "hand-made statistics",
    "together": "features and statistics",
}
"""What labels are made something of, see `iic_tf.training.probe`."""

FEW_POINTS, FEW_IMAGES = 50, 5

GIVEN = {
    f"points_{FEW_POINTS}": f"{FEW_POINTS} points",
    f"images_{FEW_IMAGES}": f"{FEW_IMAGES} images",
    "all": "all",
}
"""Whose labels: few, or all of other images."""

UNTRAINED = ("kmeans_trunk", "kmeans_features", "untrained")
"""Those that are of what the run's network was before its training."""

ONE_TO_ONE, MANY_TO_ONE = "one to one", "many to one"


def protocol(scored: Scored, overclusters: bool, matched: bool, labelled: int | None) -> str:
    """How scores were taken, in a sentence.

    Args:
        scored: what was.
        overclusters: whether there is an overclustering head.
        matched: whether the main head's clusters are matched one to one.
        labelled: how many images gave the mapping; None: folds.
    """
    one = f"{ONE_TO_ONE} (Hungarian method)"
    if labelled:
        heads = {"main head": one if matched else MANY_TO_ONE}
        how = (
            f", mapped on {labelled} drawn images, scored on the {scored.images - labelled} others"
        )
    else:
        heads = {"main head": f"{one} over all labelled {scored.unit}"} if matched else {}
        how = f", each of {scored.folds} folds of images with the mapping of the others"
        if scored.folds == 1:
            how = ", mapped and scored on the same one image"
        if not matched:
            heads["main head"] = MANY_TO_ONE + how
    if overclusters:
        heads["overclustering"] = MANY_TO_ONE + how * (not labelled)
    told = "; ".join(f"{head}: {text}" for head, text in heads.items())
    return told + how * bool(labelled)


def table(result: Json) -> list[str]:
    """The scores as lines of text."""
    lines = [f"{'':34}accuracy  mean IoU     NMI     ARI"]
    rows = [(f"trained, {result['mapping']}", result)]
    rows += [(f"  {BASELINES[name]}", row) for name, row in result["baselines"].items()]
    if "overclustering" in result:
        rows.append(("trained, overclusters many to one", result["overclustering"]))
        rows += [
            (f"  {BASELINES[name]}", row["overclustering"])
            for name, row in result["baselines"].items()
        ]
    if "groups" in result:
        row = result["groups"]
        rows.append((f"trained, {row['groups']} groups, {row['mapping']}", row))
    if "named" in result and "accuracy" in result["named"]:
        rows.append((f"named classes ({result['named']['head']})", result["named"]))
    for name, row in rows:
        figures = (row[k] for k in ("accuracy", "mean_iou", "nmi", "ari"))
        lines.append(f"{name:34}" + "".join(f"{v:8.3f}" for v in figures))
    largest = result["largest_class"]
    name = f"largest class ({largest['name']})"
    lines.append(f"{name[:33]:34}{largest['share']:8.3f}")
    lines.append(f"{'class':24}  share  precision  recall    IoU")
    for line in result["per_class"]:
        cells = (line[k] for k in ("share", "precision", "recall", "iou"))
        text = ["   —" if v is None else f"{v:.3f}" for v in cells]
        lines.append(f"{line['name'][:24]:24}  {text[0]}      {text[1]}   {text[2]}  {text[3]}")
    if len(result["sub_heads"]["losses"]) > 1:
        lines += _sub_head_lines(result)
    lines.append(result["protocol"])
    if "named" in result:
        lines.append(f"named classes: {result['named']['how']}")
    return lines


def _sub_head_lines(result: Json) -> list[str]:
    own = result["sub_heads"]
    pairs = zip(own["losses"], own["accuracies"], strict=True)
    told = ", ".join(f"{loss:.3f} → {accuracy:.3f}" for loss, accuracy in pairs)
    return [
        f"sub-heads, loss → accuracy: {told}",
        f"  chosen by loss: {result['sub_head']}; mean accuracy {own['mean']:.3f}; the best with "
        f"labels, which nobody has: {own['best_with_labels']:.3f}",
    ]
