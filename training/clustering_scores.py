"""The scores of a clustering run: the test views of labelled images."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.fingerprint import said
from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.registry import Source
from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph
from iic_tf.metrics import PixelKMeans, confusion_matrix
from iic_tf.training.cluster_pictures import draw_matched
from iic_tf.training.folds import FoldConfusions, Split
from iic_tf.training.progress import progress, track
from iic_tf.training.run import Run
from iic_tf.turns import MAIN
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator
from iic_tf.views.image_view import ImageView

if TYPE_CHECKING:
    from iic_tf.models.class_map import MappedClusterer
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.models.served_clusterer import ServedClusterer

SAMPLE = 10_000
"""Images that k-means is fitted on."""

Labels = dict[str, list[NDArray[np.integer]]]
"""For each head the clusters `[n]` of its sub-heads."""


class ClusteringScores:
    """What there is to score of a clustering run.

    Args:
        run: a trained run.
        model: gives the trained model, or that before training.
        clusters: how many, by the model's answers.
        view: the view x of the training.
        source: where the images are.
        split: of the labelled images, for the mapping.

    Raises:
        InputError: nothing labelled, too few for the split, or data missing.
    """

    unit = "images"
    baselines = ("kmeans", "kmeans_features", "untrained")
    fold_images = None

    def __init__(
        self,
        run: Run,
        model: Callable[[bool], Clusterer],
        clusters: dict[str, int],
        view: ImageView,
        source: Source,
        split: Split,
    ):
        self.model = model
        self.clusters = clusters
        self.view = view
        self.config = run.config()
        self.set: ImageSet = source.load()
        if not self.set.labelled:
            raise InputError(
                f"Expected images with labels to score against; received none in "
                f"'{self.set.name}'. Sub-folders of a folder of images are its classes."
            )
        if self.set.channels != self.config["channels"]:
            wanted = f"images of {self.config['channels']} channels"
            raise expected(wanted, self.set.channels, "channels")
        assert self.set.labels is not None
        self.truth = np.where(self.set.labels == NO_LABEL, IGNORE, self.set.labels)
        self.images, self.of = int((self.truth != IGNORE).sum()), len(self.set)
        own = said(self.config, self.set, getattr(source, "data", None))
        self.notes = (*self.set.notes, *own)
        self.names = self.set.class_names or tuple(map(str, range(self.set.classes or 0)))
        self.split = split
        self.folds, self.fold_of = self._parts(self.config["seed"])

    def _parts(self, seed: int) -> tuple[int, NDArray[np.int64]]:
        """How many parts there are, and that of each image."""
        if self.split.labelled is None:
            folds = min(self.split.folds, self.images)
            return folds, generator(seed, 0, 0, "folds").permutation(len(self.set)) % folds
        known = np.flatnonzero(self.truth != IGNORE)
        of = np.ones(len(self.set), np.int64)
        of[known[self.split.draw(len(known), seed)]] = 0
        return 2, of

    def found(self, which: str) -> FoldConfusions:
        """The confusion matrices of `trained`, `untrained`, `kmeans` or `kmeans_features`."""
        labels = self._labels(which)
        clusters = self.clusters
        parts = [self.fold_of == fold for fold in range(self.folds)]
        return FoldConfusions(
            [
                {
                    head: [
                        confusion_matrix(
                            self.truth[part], found[part], len(self.names), clusters[head]
                        )
                        for found in labels[head]
                    ]
                    for head in self.clusters
                }
                for part in parts
            ],
            mapped_first=self.split.labelled is not None,
        )

    def named(
        self, served: ServedClusterer, without: Collection[str]
    ) -> tuple[NDArray[np.int64], int]:
        """Counts of a model's own classes, as `SegmentationScores.named`."""
        names = self.set.files or tuple(f"number {i}" for i in range(len(self.set)))
        out = set(without)
        kept = (self.truth != IGNORE) & np.array([name not in out for name in names])
        kept = kept if kept.any() else self.truth != IGNORE
        labels = self._of_network(served.model, "named classes")[MAIN][0]
        k = served.model.classes
        counts = confusion_matrix(self.truth[kept], labels[kept], len(self.names), k)
        return counts, int(kept.sum())

    def draw(self, mapping: NDArray[np.integer], folder: Path) -> list[str]:
        """Draw the clusters under the names of their classes, with what is right and wrong."""
        seed, names = self.config["seed"], tuple(self.names)
        return draw_matched(folder, self.model(True), self.set, self.view, names, mapping, seed)

    def _labels(self, which: str) -> Labels:
        if which in ("trained", "untrained"):
            return self._of_network(self.model(which == "trained"), which)
        if which == "kmeans":
            return self._of_kmeans(lambda views: tf.reshape(views, (views.shape[0], -1)), which)
        model = self.model(False)
        return self._of_kmeans(
            as_graph(lambda views: tf.cast(model.features(views), tf.float32)), which
        )

    def _views(self, what: str) -> Iterator[tf.Tensor]:
        """Views of all images, under a bar."""
        with progress(what, len(self.set)) as bar:
            for views in central_views(self.set, self.view):
                yield views
                bar.advance(len(views))

    def _of_network(self, model: Clusterer | MappedClusterer, which: str) -> Labels:
        @as_graph  # type: ignore[untyped-decorator]
        def clusters(views: tf.Tensor) -> dict[str, list[Tensor]]:
            features = model.features(views)
            return {
                head: [tf.argmax(p, -1) for p in model.answers(features, head)]
                for head in model.clusters
            }

        found = [clusters(views) for views in self._views(f"scoring {which}")]
        return {
            head: [
                np.concatenate([batch[head][i] for batch in found])
                for i in range(len(found[0][head]))
            ]
            for head in found[0]
        }

    def _of_kmeans(self, values_of: Callable[[tf.Tensor], tf.Tensor], which: str) -> Labels:
        """k-means of some values of each view, fitted on `SAMPLE` images drawn from all."""
        seed = self.config["seed"]
        drawn = generator(seed, 0, 0, "kmeans").permutation(len(self.set))[:SAMPLE]
        picked = np.zeros(len(self.set), bool)
        picked[drawn] = True
        sample, first = [], 0
        for views in self._views(f"sampling for {which}"):
            here = picked[first : first + len(views)]
            first += len(views)
            if here.any():
                sample.append(np.asarray(values_of(views))[here])
        values = np.concatenate(sample)
        fits = {
            head: PixelKMeans(self.clusters[head], seed, restarts=2).fit(values)
            for head in track(self.clusters, f"fitting {which}")
        }
        found: dict[str, list[Any]] = {head: [] for head in self.clusters}
        for views in self._views(f"scoring {which}"):
            values = np.asarray(values_of(views))
            for head, fit in fits.items():
                found[head].append(fit.predict(values))
        return {head: [np.concatenate(parts)] for head, parts in found.items()}
