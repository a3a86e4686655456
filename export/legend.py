"""What the clusters are called and how they look."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, ClassTable, Scene, read_with_valid, with_nan
from iic_tf.errors import InputError
from iic_tf.export.labelling import Predictor
from iic_tf.metrics import confusion_matrix, one_to_one
from iic_tf.pictures import palette
from iic_tf.training.json_files import write_json
from iic_tf.training.whole_scene import shows_all

WINDOWS = 4
"""How much of an image the matching looks at: so many windows nearest its middle."""


@dataclass(frozen=True)
class Legend:
    """Names and colours, by cluster index.

    Attributes:
        names: one for each cluster.
        colours: uint8 `[clusters, 3]`.
        classes: of the masks, where there are any.
        matched: int64 `[clusters]`, the class whose name and colour each cluster has; None where
            clusters go by number.
    """

    names: tuple[str, ...]
    colours: NDArray[np.uint8]
    classes: ClassTable | None = None
    matched: NDArray[np.int64] | None = None

    def write(self, path: Path) -> None:
        """Write `{"0": {"name": ..., "colour": "#0072b2"}, ...}`."""
        write_json(
            path,
            {
                str(index): {"name": name, "colour": "#" + bytes(colour).hex()}
                for index, (name, colour) in enumerate(zip(self.names, self.colours, strict=True))
            },
        )


def make_legend(predictor: Predictor, shown: Sequence[Scene], classes: ClassTable | None) -> Legend:
    """Number the clusters, or name them after the masks' classes where there are as many.

    Clusters and classes are matched one to one by the Hungarian method on the middle parts of
    the shown images, about a megapixel of each.

    Args:
        predictor: makes the labels.
        shown: the scenes of the sheet.
        classes: of the masks, or None without masks.

    Raises:
        InputError: more than 256 clusters.
    """
    clusters = predictor.clusters
    colours = palette(clusters)
    labelled = [scene for scene in shown if scene.has_mask]
    if classes is None or not labelled or len(classes) != clusters:
        names = tuple(f"cluster {index}" for index in range(clusters))
        return Legend(names, colours, classes)
    matrix = np.zeros((clusters, clusters), np.int64)
    for scene in labelled:
        # A damaged file is reported when its turn comes.
        with contextlib.suppress(InputError):
            matrix += _confusion(predictor, scene)
    matched = one_to_one(matrix)
    names = tuple(classes.names[index] for index in matched)
    return Legend(names, classes.colours[matched], classes, matched)


def _confusion(predictor: Predictor, scene: Scene) -> NDArray[np.int64]:
    predictor.require(scene)
    middle = scene.height / 2, scene.width / 2
    nearest = sorted(
        predictor.windows(scene),
        key=lambda w: abs(w.top + w.height / 2 - middle[0]) + abs(w.left + w.width / 2 - middle[1]),
    )
    sums = None if shows_all(nearest[0], scene) else predictor.sums(scene)
    k = predictor.clusters
    total = np.zeros((k, k), np.int64)
    for window in itertools.islice(nearest, WINDOWS):
        labels, _ = predictor(with_nan(*read_with_valid(scene, *window.outer)), sums)
        truth = scene.read_mask(window.top, window.left, window.height, window.width)
        found = labels[window.inner]
        # Pixels without data have no label.
        empty = found >= k
        total += confusion_matrix(np.where(empty, IGNORE, truth), np.where(empty, 0, found), k, k)
    return total
