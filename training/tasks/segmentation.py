"""Segmentation: crops of scenes, a label for each pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf
from pydantic import Field

from iic_tf.annotations import Batch, Facts, Json, Tensor
from iic_tf.data.fingerprint import fingerprint
from iic_tf.data.ground_size import ground_size
from iic_tf.data.mask_survey import check_class_count
from iic_tf.data.registry import SCENES
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError
from iic_tf.graphs import as_graph
from iic_tf.losses.segmentation import segmentation_joints
from iic_tf.models.class_map import MappedSegmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.best_model import best_model
from iic_tf.training.dim_images import dim_note
from iic_tf.training.folds import Split
from iic_tf.training.look import draw_found
from iic_tf.training.memory_estimate import Estimate, step, training, weights
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import SegmentationScores
from iic_tf.training.tasks.task import EVALUATION_SEED_OFFSET, Task, source_of, untrained_model
from iic_tf.training.values import Flag, Whole
from iic_tf.views.geometry import Geometry
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter
    from iic_tf.views.numbered_batches import NumberedBatches

SEGMENTATION = "segmentation"

_MASKS = ("masks", "class_file", "mask_glob")
"""Values of data sets that ask for masks."""


NEIGHBOURS = 5
"""How far apart neighbours are at most for the tree of clusters, where a method does not say."""

JOINT_IMAGES = 16
"""Crops of a batch at most that the tree of clusters is made from."""


class SegmentationRecipe(Recipe):
    """Values of a run on crops of scenes; each method adds its own."""

    task: ClassVar[str] = SEGMENTATION

    downscale: Whole = Field(1, ge=1, description="scale images to 1/F first")
    crop: Whole = Field(200, ge=2, description="side of a crop, pixels, scaled down")
    geometry: Geometry = Field(Geometry(), description="what g is drawn from: flips, warps")
    photometry: Photometry = Field(Photometry(), description="what g's colours are drawn from")
    jitter_x: Flag = Field(False, description="draw colours for x, too")
    batch_scenes: Whole = Field(
        0, ge=0, description="crops of a batch from so many images; 0: of any"
    )
    masks: Flag = Field(False, description="leave pixels of no class out of training")

    @property
    def reach(self) -> int | None:
        """How far apart pixels are compared, scaled down; None where only each with itself is."""
        return None

    def estimate_weights(self, channels: int) -> Estimate:
        return Estimate(
            weights(self.estimated_trunk("C"), self.width, channels, self.answers, self.own_weights)
        )

    def estimate(self, channels: int) -> Estimate:
        # x and gx.
        views, parts = 2 * self.batch, self.micro_batches
        own = step(
            self.estimated_trunk("C"), self.width, channels, self.answers, views, self.crop, parts
        )
        return training(self.estimate_weights(channels).parts, own)


class SegmentationTask(Task):
    """A recipe and the scenes it is trained on; its class count goes before the data set's.

    Raises:
        InputError: a crop not larger than the radius, or anything unfit in the data set.
    """

    name = SEGMENTATION
    recipe: SegmentationRecipe

    def __init__(self, recipe: SegmentationRecipe, place: Facts):
        if recipe.reach is not None and recipe.reach >= recipe.crop:
            raise InputError(
                f"Expected a crop larger than the radius; received crop={recipe.crop}, "
                f"radius={recipe.reach}."
            )
        self.recipe = recipe
        self.source = source_of(place, SCENES, classes=recipe.classes)
        given = any(getattr(self.source, name, None) for name in _MASKS)
        scenes: SceneSet = self.source.load()
        # Clusters that are mapped to classes afterwards may be of any number.
        matched = recipe.one_to_one
        self.scenes = check_class_count(scenes, recipe.classes, given) if matched else scenes

    @property
    def channels(self) -> int:
        return self.scenes.channels

    def pairs(self, seed: int) -> Pairs:
        pairs = self._pairs(seed, self.recipe.steps, self.recipe.batch_scenes)
        self.recipe.check_pairs(pairs)
        return pairs

    def fixed_pairs(self, seed: int) -> Pairs:
        return self._pairs(seed + EVALUATION_SEED_OFFSET, self.recipe.evaluation_steps)

    def _pairs(self, seed: int, steps: int, batch_scenes: int = 0) -> Pairs:
        recipe = self.recipe
        return Pairs(
            self.scenes,
            crop=recipe.crop,
            batch=recipe.batch,
            steps=steps or None,
            seed=seed,
            downscale=recipe.downscale,
            geometry=recipe.geometry,
            photometry=recipe.photometry,
            jitter_x=recipe.jitter_x,
            masks=recipe.masks,
            batch_scenes=batch_scenes,
        )

    def names(self, drawn: Batch) -> list[str]:
        return [self.scenes.scenes[i].name for i in drawn["scene"]]

    def data_config(self) -> Json:
        scenes = self.scenes
        return {
            "source": self.source.to_dict(),
            "data": fingerprint(self.scenes, getattr(self.source, "data", None)),
            "channels": scenes.channels,
            "low": scenes.low,
            "high": scenes.high,
            "fill": scenes.fill,
            "resolution": ground_size(scenes),
            "images": len(scenes.scenes),
            "class_names": list(scenes.classes.names) if scenes.classes else None,
        }

    def describe(self, pairs: NumberedBatches) -> list[str]:
        scenes, recipe, labelled = self.scenes, self.recipe, self.scenes.labelled
        of = pairs.batch_scenes if isinstance(pairs, Pairs) else 0
        few = f" of {of} images each" if of else ""
        return [
            f"{scenes.name}: {len(scenes.scenes)} images of {scenes.channels} channels, "
            f"{len(labelled.scenes) if labelled else 0} with masks (used for scores only"
            + (", and to leave pixels of no class out of training)" if recipe.masks else ")"),
            f"{recipe.epochs} epochs of {pairs.steps} steps of {recipe.batch} pairs of "
            f"{recipe.crop}×{recipe.crop}{few}, scale 1/{recipe.downscale}; "
            f"{recipe.classes} classes, "
            f"{recipe.describe_model()}",
            *(f"note: {note}" for note in (*scenes.notes, *scenes.range_notes)),
            *self._notes(),
        ]

    def _notes(self) -> list[str]:
        # Files of a folder alone can be stretched.
        stretched = getattr(self.source, "stretch", ())
        return dim_note(self.scenes) if stretched is None else []

    def draw_results(self, run: Run) -> list[str]:
        model = run.load_best()
        found = draw_found(run, self.served(run, model, self.recipe), self.scenes)
        own = self.recipe.draw_results(run, model, self.fixed_pairs(run.config()["seed"]))
        return [*found, *own]

    def joint_graph(
        self, model: Segmenter, head: str, sub_head: int | None
    ) -> Callable[[Batch], Tensor]:
        radius = self.recipe.reach or NEIGHBOURS

        @as_graph  # type: ignore[untyped-decorator]
        def joint(data: Batch) -> Tensor:
            x = tf.cast(data["x"][:JOINT_IMAGES], tf.float32)
            maps = model.maps(x, head)
            p = model.answer(maps) if sub_head is None else maps[sub_head]
            valid = data["valid"][:JOINT_IMAGES] if "valid" in data else None
            joints = segmentation_joints(p, p, radius, valid)
            # Of a pixel with itself it tells nothing of neighbours.
            middle = joints.shape[0] // 2
            return tf.reduce_sum(joints, 0) - joints[middle]

        graph: Callable[[Batch], Tensor] = joint
        return graph

    @classmethod
    def mapped(cls, *args: Any, **kwargs: Any) -> MappedSegmenter:
        return MappedSegmenter(*args, **kwargs)

    @classmethod
    def scored(cls, run: Run, recipe: Any, place: Facts, split: Split) -> SegmentationScores:
        own = run.config()["source"]

        def served(trained: bool) -> ServedSegmenter:
            # That which is served and exported, float32 whatever the training was in.
            model = (
                best_model(run, recipe.model_class)
                if trained
                else untrained_model(recipe.replaced(precision="float32"), cls, own, run)
            )
            return cls.served(run, model, recipe)

        source, trained_on = (source_of(p, SCENES, classes=recipe.classes) for p in (place, own))
        return SegmentationScores(
            *(run, served, recipe.clusters, recipe.downscale),
            *(source, trained_on, recipe.masks, split),
            frozen_trunk=recipe.trunk_rests,
        )

    @classmethod
    def served(cls, run: Run, model: Any, recipe: Any) -> ServedSegmenter:
        config = run.config()
        try:
            low, high = config["low"], config["high"]
        except KeyError as error:
            raise InputError(
                f"Expected low and high in {run.config_file}; received none."
            ) from error
        # Runs of before 0.2 had none, and saw zeros.
        return ServedSegmenter(model, low, high, recipe.downscale, config.get("fill"))
