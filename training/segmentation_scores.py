"""The scores of a run on scenes: pixels of labelled ones, window by window."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.data.fingerprint import said
from iic_tf.data.registry import Source
from iic_tf.data.scene import IGNORE, Scene, SceneSet, read_with_valid, with_nan
from iic_tf.data.windows import windows
from iic_tf.errors import InputError, expected
from iic_tf.metrics import confusion_matrix
from iic_tf.models.served import ServedSegmenter
from iic_tf.pictures import triplet_sheets
from iic_tf.training.dim_images import misfit_note
from iic_tf.training.examples import example_rows, example_views
from iic_tf.training.folds import FoldConfusions, Split
from iic_tf.training.kmeans_labeller import KMeansLabeller
from iic_tf.training.labellers import Labeller, NetworkLabeller
from iic_tf.training.picture_pages import write_pages
from iic_tf.training.pixel_values import Colours, PixelValues, Statistics, TrunkFeatures
from iic_tf.training.progress import track
from iic_tf.training.run import Run
from iic_tf.training.whole_scene import shows_all
from iic_tf.turns import MAIN

WINDOW = 512
EXAMPLES = "examples.png"


class SegmentationScores:
    """What there is to score of a run on scenes.

    Args:
        run: a trained run.
        served: gives the trained model, or that before training, as it is served.
        clusters: how many, by the model's answers.
        downscale: factor by which images are scaled down.
        source: where the labelled images are.
        trained_on: where the images of the training are.
        masks: whether the network was given pixels of a class alone.
        split: of the labelled images, for the mapping.
        frozen_trunk: whether its features are somebody else's, on which k-means is a baseline.

    Raises:
        InputError: nothing labelled, too few for the split, or data missing.
    """

    unit = "pixels"
    baselines: tuple[str, ...] = ("kmeans", "kmeans_statistics", "untrained")

    def __init__(
        self,
        run: Run,
        served: Callable[[bool], ServedSegmenter],
        clusters: dict[str, int],
        downscale: int,
        source: Source,
        trained_on: Source,
        masks: bool,
        split: Split,
        frozen_trunk: bool = False,
    ):
        self.served = served
        self.clusters = clusters
        self.downscale = downscale
        self.config = run.config()
        self.masks = masks
        every: SceneSet = source.load()
        self.scenes = labelled_scenes(every, self.config)
        self.notes = (*every.notes, *said(self.config, every, getattr(source, "data", None)))
        if source != trained_on:
            told = misfit_note(self.scenes)
            self.notes += tuple(line.removeprefix("note: ") for line in told)
        self._trained_on = every if source == trained_on else self._of_training(every, trained_on)
        assert self.scenes.classes is not None
        self.names = self.scenes.classes.names
        self.images, self.of = len(self.scenes.scenes), len(every.scenes)
        names = [scene.name for scene in self.scenes.scenes]
        self.split = split
        if frozen_trunk:
            self.baselines = ("kmeans", "kmeans_statistics", "kmeans_trunk", "untrained")
        self.fold_images = split.parts(names, self.config["seed"])
        self.folds = len(self.fold_images)

    def _of_training(self, every: SceneSet, trained_on: Source) -> SceneSet:
        """What the network was trained on, or, where that has gone, all that there is."""
        try:
            scenes: SceneSet = trained_on.load()
        except InputError as error:
            self.notes += (
                "k-means was fitted to the images that are scored: those of the training cannot "
                f"be read. {error}",
            )
            return every
        if scenes.channels != every.channels:
            return every
        return scenes

    def found(self, which: str) -> FoldConfusions:
        """The confusion matrices of `trained` or one of `baselines`."""
        return self._counted(self._labeller(which), which)

    def clustered(self, values: PixelValues, clusters: dict[str, int], what: str) -> FoldConfusions:
        """Those of k-means with so many clusters by head, on pixels that the network learned from.

        Args:
            values: what k-means is given of them.
            clusters: how many, by any names.
            what: a word for the bar.
        """
        return self._counted(self._kmeans(values, clusters), what)

    def _counted(self, labeller: Labeller, what: str) -> FoldConfusions:
        found = confusions(labeller, self.scenes, self.fold_images, f"scoring {what}")
        return replace(found, mapped_first=self.split.labelled is not None)

    def named(
        self, served: ServedSegmenter, without: Collection[str]
    ) -> tuple[NDArray[np.int64], int]:
        """Counts of a model's own classes, of images but some; of all where these are all.

        Args:
            served: answers with classes, as `MappedSegmenter` does.
            without: names of images.

        Returns:
            Counts `[classes, the model's classes]`, and of how many images.
        """
        names = [s.name for s in self.scenes.scenes]
        kept = [n for n in names if n not in without] or names
        scenes = self.scenes.pick(kept)
        found = confusions(NetworkLabeller(served), scenes, [kept], "scoring named classes")
        return found.whole(MAIN, 0), len(kept)

    def draw(self, mapping: NDArray[np.integer], folder: Path) -> list[str]:
        """Draw `examples.png`: windows from all over, under the names of classes, beside masks."""
        classes = self.scenes.classes
        assert classes is not None
        views = example_views(self._trained, self.scenes, self.config["seed"], masks=True)
        pages = triplet_sheets(example_rows(views, mapping), classes.names, classes.colours)
        return [path.name for path in write_pages(folder / EXAMPLES, pages)]

    def _labeller(self, which: str) -> Labeller:
        if which.startswith("kmeans"):
            values: dict[str, Callable[[], PixelValues]] = {
                "kmeans_statistics": Statistics,
                "kmeans_trunk": lambda: TrunkFeatures(self._trained.model),
            }
            return self._kmeans(values.get(which, Colours)(), self.clusters)
        return NetworkLabeller(self._trained if which == "trained" else self.served(False))

    @cached_property
    def _trained(self) -> ServedSegmenter:
        return self.served(True)

    def _kmeans(self, values: PixelValues, clusters: dict[str, int]) -> KMeansLabeller:
        return KMeansLabeller(
            as_trained(self._trained_on, self.config),
            self.downscale,
            clusters,
            self.config["seed"],
            self.masks,
            values=values,
        )


def labelled_scenes(scenes: SceneSet, config: Json) -> SceneSet:
    """The scenes with masks, under the value range that the run was trained with."""
    labelled = scenes.labelled
    if labelled is None:
        raise InputError(
            f"Expected images with masks to score against; received none in '{scenes.name}' "
            f"({config['source'].get('data')}). Give --masks (and --class-file), or look with "
            "iic-tf predict."
        )
    if labelled.channels != config["channels"]:
        raise expected(f"images of {config['channels']} channels", labelled.channels, "channels")
    return as_trained(labelled, config)


def as_trained(scenes: SceneSet, config: Json) -> SceneSet:
    """Scenes as the network saw them: under the value range, and the fill, of its training."""
    low, high = (np.asarray(config[key], np.float32) for key in ("low", "high"))
    fill = config.get("fill")
    return replace(
        scenes, low=low, high=high, fill=None if fill is None else np.asarray(fill, np.float32)
    )


def confusions(
    labeller: Labeller, scenes: SceneSet, parts: Sequence[Sequence[str]], what: str = "scoring"
) -> FoldConfusions:
    """Go over all labelled scenes window by window, under a bar called `what`."""
    fold_of = {name: i for i, part in enumerate(parts) for name in part}
    found = FoldConfusions([{} for _ in parts])
    places = [
        (scene, window)
        for scene in scenes.scenes
        for window in windows(scene.height, scene.width, WINDOW, labeller.margin, labeller.align)
    ]
    gone_over: Scene | None = None
    for scene, window in track(places, what):
        if scene is not gone_over:
            gone_over, sums = scene, None
            if not shows_all(window, scene):
                sums = labeller.sums(scene)
        fold = found.folds[fold_of[scene.name]]
        truth = scene.read_mask(window.top, window.left, window.height, window.width)
        if fold and (truth == IGNORE).all():
            # Points are few and scenes large.
            continue
        raw, valid = read_with_valid(scene, *window.outer)
        labels = labeller.labels(with_nan(raw, valid), sums)
        if valid is not None:
            truth = np.where(valid[window.inner], truth, IGNORE)
        for head in labeller.clusters:
            for i, map_ in enumerate(labels[head]):
                matrix = confusion_matrix(
                    truth,
                    map_[window.inner],
                    len(scenes.classes),  # type: ignore[arg-type]
                    labeller.clusters[head],
                )
                maps = fold.setdefault(head, [])
                if len(maps) == i:
                    maps.append(np.zeros_like(matrix))
                maps[i] += matrix
    return found
