"""What the figures of an evaluation mean, in words: beside k-means and the largest class."""

from __future__ import annotations

from collections.abc import Mapping

from iic_tf.annotations import Facts
from iic_tf.training.score_table import BASELINES

LEVEL = 0.005
"""Accuracies that differ by less are level."""

HARDLY = 0.03
"""A gain below this is no reason to prefer the network."""


def verdict(result: Facts) -> list[str]:
    """Sentences on the main head, and on the overclusters where there are any.

    Args:
        result: what `iic_tf.training.evaluate.evaluate` found: accuracies in 0 to 1 at the top and
            in `overclustering`, those of `baselines`, and the `largest_class`.

    Examples:
        >>> verdict({"accuracy": 0.7, "baselines": {"kmeans": {"accuracy": 0.6}},
        ...          "largest_class": {"name": "ground", "share": 0.5}})
        ['the main head gets .700: 10.0 points above k-means on pixels (.600)']
    """
    lines = [_told("the main head", result["accuracy"], _kmeans(result["baselines"]), result)]
    if "overclustering" in result:
        inner = {
            name: row["overclustering"]
            for name, row in result["baselines"].items()
            if "overclustering" in row
        }
        accuracy = result["overclustering"]["accuracy"]
        lines.append(_told("overclusters", accuracy, _kmeans(inner), result, plural=True))
    return lines


def _kmeans(rows: Mapping[str, Facts]) -> dict[str, float]:
    """Accuracies of k-means by what it was given."""
    return {name: row["accuracy"] for name, row in rows.items() if name.startswith("kmeans")}


def _told(
    what: str,
    accuracy: float,
    others: Mapping[str, float],
    result: Facts,
    plural: bool = False,
) -> str:
    largest = result["largest_class"]
    begun = f"{what} {'get' if plural else 'gets'} {_figure(accuracy)}: "
    if accuracy < largest["share"] - LEVEL:
        told = f"less than calling everything {largest['name']} ({_figure(largest['share'])})"
    elif accuracy < largest["share"] + LEVEL:
        told = f"no more than calling everything {largest['name']} ({_figure(largest['share'])})"
    else:
        told = ""
    best = max(others, key=lambda name: others[name], default=None)
    if best is None:
        return begun + (told or f"more than calling everything {largest['name']}")
    gain = accuracy - others[best]
    beside = f"{BASELINES[best]} ({_figure(others[best])})"
    if len(others) > 1:
        beside += f", the best of {len(others)} baselines by k-means"
    if gain < -LEVEL:
        compared = f"{-100 * gain:.1f} points below {beside}"
    elif gain < LEVEL:
        compared = f"level with {beside}"
    elif gain < HARDLY:
        compared = f"hardly above {beside}"
    else:
        compared = f"{100 * gain:.1f} points above {beside}"
    return begun + (f"{told}, and {compared}" if told else compared)


def _figure(share: float) -> str:
    return f"{share:.3f}".removeprefix("0")
