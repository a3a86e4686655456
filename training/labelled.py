"""A run's data with the labels that the user gives: of scenes, or of whole images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Json, Tensor
from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.registry import IMAGES, SCENES
from iic_tf.data.scene import ClassTable, SceneSet
from iic_tf.errors import expected
from iic_tf.graphs import as_graph
from iic_tf.metrics import confusion_matrix
from iic_tf.models.linear_head import LinearHead
from iic_tf.models.served import ServedSegmenter
from iic_tf.pictures import to_rgb
from iic_tf.pictures.colours import cycled
from iic_tf.training.cluster_sample import cluster_sample
from iic_tf.training.fine_tune import FineTuned, fine_tune
from iic_tf.training.fine_tune_images import fine_tune_images
from iic_tf.training.folds import split_folds
from iic_tf.training.labelled_points import MOST_POINTS, LabelledPoints, labelled_points
from iic_tf.training.labellers import NetworkLabeller
from iic_tf.training.progress import progress
from iic_tf.training.segmentation_scores import as_trained, confusions
from iic_tf.training.survey import View, survey_scenes
from iic_tf.training.tasks.segmentation import SEGMENTATION
from iic_tf.training.tasks.task import source_of
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.models.segmenter import Segmenter
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.models.served_clusterer import ServedClusterer
    from iic_tf.training.recipe import Recipe
    from iic_tf.training.run import Run
    from iic_tf.training.tasks.clustering import ClusteringRecipe
    from iic_tf.training.tasks.segmentation import SegmentationRecipe

FOLDS = 5
SAMPLE = 2000
"""Whole images at most that are looked at for what is typical."""


@dataclass(frozen=True)
class Counts:
    """How labels and clusters meet.

    Attributes:
        folds: `[classes, clusters]` of each fold of images.
        votes: `[classes, clusters]`, how many images gave a cluster mostly this class.
    """

    folds: list[NDArray[np.int64]]
    votes: NDArray[np.int64]

    @property
    def whole(self) -> NDArray[np.int64]:
        """Of all folds together."""
        return np.asarray(np.sum(self.folds, axis=0))


class Labelled:
    """The data of a run, or others like them, of which some are labelled.

    Attributes:
        unit: what is counted, `pixels` or `images`.
        classes: names and colours; None where nothing is labelled.
        images: the names of the labelled images.
        of: how many images there are.
        notes: what the user has to know, a line each.
    """

    unit: str
    classes: ClassTable | None
    images: tuple[str, ...]
    of: int
    notes: tuple[str, ...]
    seed: int

    def counts(self, head: str, sub_head: int | None) -> Counts:
        """How the labels meet the clusters of a head."""
        raise NotImplementedError

    def linear_head(self, model: Any) -> LinearHead:
        """One that fits the data and a model's features."""
        raise NotImplementedError

    def points(self, model: Any, head: LinearHead, most: int = MOST_POINTS) -> LabelledPoints:
        """Labelled pixels, `most` at most, or images, with a linear head's inputs there."""
        raise NotImplementedError

    def fine_tune(self, model: Any, say: Callable[[str], None]) -> FineTuned:
        """A copy of a model, trained on with the labels, and a linear head on its features."""
        raise NotImplementedError

    def views(self, served: Any) -> list[View]:
        """A look at all data, labelled or not, by what answers with the clusters."""
        raise NotImplementedError


def labelled_data(
    run: Run,
    recipe: Recipe,
    model: SelfSupervised,
    place: Json,
    points: Path | None,
    attribute: str | None,
    count: int | None,
) -> Labelled:
    """A run's data at a place, with labels of masks or sub-folders, or from a file of points.

    Args:
        run: whose data.
        recipe: the run's.
        model: its best one.
        place: values of the data set.
        points: a table of points, or a file of shapes; see `iic_tf.data.marks`.
        attribute: which attribute of shapes is the class.
        count: take the labels of so many images alone, drawn by the run's seed; None: of all.

    Raises:
        InputError: data or labels that cannot be read, or of other bands than the run's.
    """
    kind: Any = _Scenes if recipe.task == SEGMENTATION else _Images
    found: Labelled = kind(run, recipe, model, place, points, attribute, count)
    return found


def _drawn(names: Sequence[str], count: int | None, seed: int) -> list[str]:
    if count is None or not names:
        return list(names)
    if not 1 <= count <= len(names):
        raise expected(f"1 to {len(names)} labelled images, as many as there are", count)
    order = generator(seed, 0, 0, "labelled").permutation(len(names))[:count]
    return [names[i] for i in sorted(order)]


class _Scenes(Labelled):
    unit = "pixels"

    def __init__(
        self,
        run: Run,
        recipe: SegmentationRecipe,
        model: Segmenter,
        place: Json,
        points: Path | None,
        attribute: str | None,
        count: int | None,
    ):
        from iic_tf.training.tasks.registry import TASKS

        config = run.config()
        every: SceneSet = source_of(place, SCENES, classes=recipe.classes).load()
        if every.channels != config["channels"]:
            raise expected(f"images of {config['channels']} channels", every.channels, "channels")
        if points is not None:
            from iic_tf.data.label_file import marked

            every = marked(every, points, attribute)
        self.seed = config["seed"]
        self.every = as_trained(every, config)
        given = self.every.labelled
        names = _drawn([s.name for s in given.scenes] if given else [], count, self.seed)
        self.scenes = self.every.pick(names) if names else None
        self.classes = every.classes if names else None
        self.images, self.of, self.notes = tuple(names), len(every.scenes), every.notes
        self.served: ServedSegmenter = TASKS[SEGMENTATION].served(run, model, recipe)
        self.downscale = recipe.downscale

    def counts(self, head: str, sub_head: int | None) -> Counts:
        assert self.scenes is not None
        assert self.classes is not None
        labeller = NetworkLabeller(self.served)
        each = confusions(labeller, self.scenes, [(n,) for n in self.images], "comparing labels")
        sub = self.served.model.sub_head if sub_head is None else sub_head
        shape = (len(self.classes), labeller.clusters[head])
        per_image = [c[head][sub] if c else np.zeros(shape, np.int64) for c in each.folds]
        index = {name: i for i, name in enumerate(self.images)}
        parts = split_folds(self.images, FOLDS, self.seed)
        folds = [np.asarray(sum(per_image[index[n]] for n in part)) for part in parts]
        votes = np.zeros(shape, np.int64)
        for counts in per_image:
            voted = np.flatnonzero(counts.sum(0))
            np.add.at(votes, (counts[:, voted].argmax(0), voted), 1)
        return Counts(folds, votes)

    def linear_head(self, model: Segmenter) -> LinearHead:
        assert self.classes is not None
        return LinearHead(len(self.classes), int(model.trunk.features), model.channels)

    def points(self, model: Segmenter, head: LinearHead, most: int = MOST_POINTS) -> LabelledPoints:
        assert self.scenes is not None
        return labelled_points(model, head, self.scenes, self.downscale, self.seed, most)

    def fine_tune(self, model: Segmenter, say: Callable[[str], None]) -> FineTuned:
        assert self.scenes is not None
        return fine_tune(model, self.scenes, self.downscale, self.seed, say)

    def views(self, served: ServedSegmenter) -> list[View]:
        return survey_scenes(served, self.every, self.seed)


class _Images(Labelled):
    unit = "images"

    def __init__(
        self,
        run: Run,
        recipe: ClusteringRecipe,
        model: Clusterer,
        place: Json,
        points: Path | None,
        attribute: str | None,
        count: int | None,
    ):
        every: ImageSet = source_of(place, IMAGES).load()
        config = run.config()
        if every.channels != config["channels"]:
            raise expected(f"images of {config['channels']} channels", every.channels, "channels")
        if points is not None:
            from iic_tf.data.labelled_images import with_labels

            every = with_labels(every, points, attribute or "class")
        self.seed = config["seed"]
        self.model, self.view, self.copies = model, recipe.x, recipe.gx
        labels = every.labels if every.labels is not None else np.full(len(every), NO_LABEL)
        names = every.files or tuple(f"number {i}" for i in range(len(every)))
        there = np.flatnonzero(labels != NO_LABEL)
        if count is not None and len(there):
            picked = _drawn([str(i) for i in there], count, self.seed)
            there = np.array([int(i) for i in picked])
        self.set, self.there = every, there
        self.labels = np.full(len(every), NO_LABEL)
        self.labels[there] = labels[there]
        self.classes = None
        if len(there):
            k = every.classes or 1
            self.classes = ClassTable(every.class_names or tuple(map(str, range(k))), cycled(k))
        self.images = tuple(names[i] for i in there)
        self.of, self.notes = len(every), every.notes

    def counts(self, head: str, sub_head: int | None) -> Counts:
        assert self.classes is not None
        sub = self.model.sub_head if sub_head is None else sub_head
        found = self._each(lambda v: tf.argmax(self.model.probabilities(v, head)[sub], -1))
        order = generator(self.seed, 0, 0, "folds").permutation(len(found)) % FOLDS
        labels = self.labels[self.there]
        k, clusters = len(self.classes), self.model.clusters[head]
        folds = [
            confusion_matrix(labels[order == f], found[order == f], k, clusters)
            for f in range(min(FOLDS, len(found)))
        ]
        return Counts(folds, np.asarray(np.sum(folds, axis=0)))

    def linear_head(self, model: Clusterer) -> LinearHead:
        assert self.classes is not None
        return LinearHead(len(self.classes), int(model.features(self._first()).shape[-1]))

    def points(self, model: Clusterer, head: LinearHead, most: int = MOST_POINTS) -> LabelledPoints:
        found = self._each(lambda v: tf.cast(model.features(v), tf.float32))
        return LabelledPoints(found, self.labels[self.there], np.arange(len(found)))

    def fine_tune(self, model: Clusterer, say: Callable[[str], None]) -> FineTuned:
        head = self.linear_head(model)
        given = (model, self._picked(), self.points, head, self.copies, self.seed, say)
        return fine_tune_images(*given)

    def _first(self) -> tf.Tensor:
        return next(iter(central_views(self._picked(), self.view)))[:1]

    def _picked(self) -> ImageSet:
        """The labelled images; at least two, as a set has."""
        there = np.resize(self.there, max(2, len(self.there)))
        images = self.set.read(there)
        return replace(self.set, images=images, labels=None, extra=None, files=None, test=0)

    def _each(self, what: Callable[[tf.Tensor], Tensor]) -> NDArray[Any]:
        """Something of the view of every labelled image."""
        graph, picked = as_graph(what), self._picked()
        found = []
        with progress("comparing labels", len(picked)) as bar:
            for views in central_views(picked, self.view):
                found.append(np.asarray(graph(views)))
                bar.advance(len(views))
        return np.concatenate(found)[: len(self.there)]

    def views(self, served: ServedClusterer) -> list[View]:
        sample = cluster_sample(self.set, SAMPLE, self.seed)
        drawn = generator(self.seed, 0, 0, "sample").permutation(len(self.set))[: len(sample)]
        names = sample.files or tuple(f"number {i}" for i in drawn)
        seen = []
        for views in central_views(sample, self.view):
            seen.append(np.asarray(served.model(views)))
        probabilities = np.concatenate(seen)
        shape = sample.images.shape[1:3]
        bands = list({1: (0, 0, 0), 2: (0, 1, 1)}.get(sample.channels, (0, 1, 2)))
        return [
            View(
                *(name, 0, 0, 1, to_rgb(image[..., bands] / np.float32(255))),
                np.full(shape, p.argmax(), np.uint8),
                np.full(shape, p.max(), np.float32),
            )
            for name, image, p in zip(names, sample.images, probabilities, strict=True)
        ]
