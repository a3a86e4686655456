"""What a small naming page shows: five clusters, one of which never occurs."""

from dataclasses import dataclass, field

import numpy as np

from iic_tf.export.page import Crop, Example, PageCluster, PageContent, Suggestion

COLOURS = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9")
SHARES = (0.4, 0.28, 0.22, 0.1, 0.0)


@dataclass(frozen=True)
class Tree:
    # Node 5 = {0, 1}, node 6 = {2, 4}, node 7 = {2, 3, 4}, node 8 is all.
    merges: np.ndarray = field(default_factory=lambda: np.array([[0, 1], [2, 4], [3, 6], [5, 7]]))
    losses: np.ndarray = field(default_factory=lambda: np.array([0.01, 0.0, 0.05, 0.3]))


@dataclass(frozen=True)
class NamedClass:
    name: str
    colour: str
    clusters: tuple[int, ...]
    number: int = 0


def label_map():
    """Quarters of clusters 0 to 3, [60, 80], and a corner of no data."""
    labels = np.zeros((60, 80), np.uint8)
    labels[:30, 40:], labels[30:, :40], labels[30:, 40:] = 1, 2, 3
    labels[:5, :5] = 255
    return labels


def page_content(**other):
    rng = np.random.default_rng(0)
    labels = label_map()
    rgb = rng.integers(0, 256, (60, 80, 3), dtype=np.uint8)
    clusters = []
    for number, (colour, share) in enumerate(zip(COLOURS, SHARES, strict=True)):
        crops = [Crop(rgb, labels == number), Crop(rgb[:40, :40])] if share else []
        clusters.append(PageCluster(share, colour, crops))
    given = {
        "run": "small",
        "head": "overclustering",
        "clusters": clusters,
        "tree": Tree(),
        "examples": [Example("first", rgb, labels), Example("second", rgb, labels[::-1].copy())],
        "suggestions": [Suggestion("first", 400, 700, 3, "far from labels", 0, (40, 70))],
        "groups": 4,
    }
    return PageContent(**{**given, **other})


def image_content():
    """The same clusters, of whole images."""
    rgb = np.full((32, 32, 3), 90, np.uint8)
    clusters = [
        PageCluster(s, c, [Crop(rgb)] * 6 if s else [])
        for s, c in zip(SHARES, COLOURS, strict=True)
    ]
    examples = [Example(f"{n}.png", rgb, cluster=n % 4) for n in range(10)]
    return page_content(
        clusters=clusters, examples=examples, suggestions=[], unit="images", head="main"
    )
