"""The training part of a data set, and its test part, which neither training nor mapping sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts
from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError
from iic_tf.metrics import confusion_matrix
from iic_tf.training.best_model import best_model
from iic_tf.training.labellers import NetworkLabeller
from iic_tf.training.progress import track
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import as_trained, confusions
from iic_tf.training.studies.label_counts import LabelCounts
from iic_tf.training.tasks.clustering import ClusteringTask
from iic_tf.training.tasks.registry import task_of
from iic_tf.training.tasks.segmentation import SegmentationTask
from iic_tf.turns import MAIN
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.training.recipe import Recipe


@dataclass(frozen=True)
class Parting:
    """How a data set is parted.

    Attributes:
        share: of the labelled images, drawn, that are the test part where the publisher has none.
        images: how many of the training part are taken, drawn; None: all.
        seed: of the draws.
    """

    share: float = 0.2
    images: int | None = None
    seed: int = 0

    def drawn(self, labelled: NDArray[np.integer]) -> NDArray[np.int64]:
        """The test part of these labelled images, in order; at least one of each part."""
        count = min(max(round(self.share * len(labelled)), 1), len(labelled) - 1)
        order = generator(self.seed, 0, 0, "test part").permutation(len(labelled))
        return np.sort(labelled[order[:count]]).astype(np.int64)

    def taken(self, train: NDArray[np.integer]) -> NDArray[np.int64]:
        """What is taken of the training part, in order."""
        if self.images is None or self.images >= len(train):
            return train.astype(np.int64)
        order = generator(self.seed, 0, 0, "training part").permutation(len(train))
        return np.sort(train[order[: self.images]]).astype(np.int64)


class Parts(Protocol):
    """A recipe with the training part of its data, and what its runs find in both parts."""

    task: Any
    """With the training part alone."""
    names: tuple[str, ...]
    """Of the classes."""
    unit: str
    """What is counted."""
    told: str
    """What the parts are, in a line."""
    sizes: dict[str, int]
    """Images of the training part, with labels those of it, and of the test part."""

    def counts(self, run: Run, seconds: float) -> LabelCounts:
        """What a run found."""
        ...


def parted(recipe: Recipe, place: Facts, parting: Parting) -> Parts:
    """A recipe with its data in two parts.

    Raises:
        InputError: anything unfit in the data, or fewer than 2 labelled images.
    """
    task = task_of(recipe, place)
    return _PARTS[task.name](task, parting)


class ImageParts:
    """Parts of whole images: the publisher's test part, or a share."""

    unit = "images"

    def __init__(self, task: ClusteringTask, parting: Parting):
        every: ImageSet = task.images
        labels = every.labels
        known = np.flatnonzero(labels != NO_LABEL) if labels is not None else np.zeros(0, int)
        _require_labels(every.name, len(known))
        assert labels is not None
        if every.test:
            test = known[known >= len(every) - every.test]
            rest = np.arange(len(every) - every.test)
        else:
            test = parting.drawn(known)
            rest = np.setdiff1d(np.arange(len(every)), test)
        train = parting.taken(rest)
        self.names = every.class_names or tuple(map(str, range(every.classes or 0)))
        whose = "the publisher's test part" if every.test else "a drawn part"
        self.told = _told(len(train), len(test), whose, len(every) - len(train) - len(test))
        self.test, self.known = _of(every, test), _of(every, np.intersect1d(train, known))
        self.sizes = {"train": len(train), "labelled": len(self.known), "test": len(test)}
        task.images = _of(every, train, (*every.notes, self.told))
        self.task = task

    def counts(self, run: Run, seconds: float) -> LabelCounts:
        model = best_model(run, self.task.recipe.model_class)
        clusters = self.task.recipe.clusters[MAIN]
        found = self._clusters(model, self.known, "labelling the training part")
        truth = self.known.labels
        assert truth is not None
        rows = np.stack([np.arange(len(found)), truth, found, np.ones(len(found), int)], axis=1)
        there = self._clusters(model, self.test, "labelling the test part")
        assert self.test.labels is not None
        test = confusion_matrix(self.test.labels, there, len(self.names), clusters)
        return LabelCounts(rows.astype(np.int64), len(found), test, seconds)

    def _clusters(self, model: SelfSupervised, images: ImageSet, what: str) -> NDArray[np.int64]:
        views = central_views(images, self.task.recipe.x)
        batches = [
            np.asarray(model(v)).argmax(-1) for v in track(views, what, -(-len(images) // 256))
        ]
        return np.concatenate(batches).astype(np.int64)


class SceneParts:
    """Parts of scenes: a share of those with masks is held out, whole scenes of it."""

    unit = "pixels"

    def __init__(self, task: SegmentationTask, parting: Parting):
        every: SceneSet = task.scenes
        names = [scene.name for scene in every.scenes]
        known = np.asarray([i for i, scene in enumerate(every.scenes) if scene.has_mask], np.int64)
        _require_labels(every.name, len(known))
        assert every.classes is not None
        test = parting.drawn(known)
        train = parting.taken(np.setdiff1d(np.arange(len(names)), test))
        self.names = every.classes.names
        left = len(names) - len(train) - len(test)
        self.told = _told(len(train), len(test), "a drawn part", left)
        self.test = every.pick([names[i] for i in test])
        self.known = every.pick([names[i] for i in np.intersect1d(train, known)])
        self.sizes = {"train": len(train), "labelled": len(self.known.scenes), "test": len(test)}
        picked = every.pick([names[i] for i in train])
        task.scenes = dataclasses.replace(picked, notes=(*picked.notes, self.told))
        self.task = task

    def counts(self, run: Run, seconds: float) -> LabelCounts:
        recipe = self.task.recipe
        model = best_model(run, recipe.model_class)
        labeller = NetworkLabeller(SegmentationTask.served(run, model, recipe))
        known = self._matrices(labeller, run, self.known, "labelling the training part")
        test = self._matrices(labeller, run, self.test, "labelling the test part")
        places = np.argwhere(known)
        rows = np.column_stack([places, known[known > 0]]).astype(np.int64)
        return LabelCounts(rows, len(known), test.sum(axis=0), seconds)

    def _matrices(
        self, labeller: NetworkLabeller, run: Run, scenes: SceneSet, what: str
    ) -> NDArray[np.int64]:
        """Of each scene the counts of the chosen sub-head, `[scenes, classes, clusters]`."""
        alone = [(scene.name,) for scene in scenes.scenes]
        found = confusions(labeller, as_trained(scenes, run.config()), alone, what)
        chosen = run.load_best(compiled=False).sub_head
        return np.stack([fold[MAIN][chosen] for fold in found.folds])


_PARTS: dict[str, Callable[[Any, Parting], Parts]] = {
    ClusteringTask.name: ImageParts,
    SegmentationTask.name: SceneParts,
}


def _of(images: ImageSet, chosen: NDArray[np.integer], notes: tuple[str, ...] = ()) -> ImageSet:
    return dataclasses.replace(
        images,
        images=images.images[chosen],
        labels=None if images.labels is None else images.labels[chosen],
        files=None if images.files is None else tuple(images.files[i] for i in chosen),
        notes=notes,
        test=0,
    )


def _require_labels(name: str, count: int) -> None:
    if count < 4:
        raise InputError(
            f"Expected at least 4 labelled images in '{name}', for a training and a test part; "
            f"received {count}."
        )


def _told(train: int, test: int, whose: str, left: int) -> str:
    more = f"; {left} are left out" if left else ""
    return (
        f"trained and mapped on {train} images; {test} others, {whose}, are held out of both{more}"
    )
