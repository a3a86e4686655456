"""Clustering: whole images, a label for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tensorflow as tf
from pydantic import BeforeValidator, Field, model_validator

from iic_tf.annotations import Batch, Callback, Facts, Json, Tensor
from iic_tf.data.fingerprint import fingerprint
from iic_tf.data.image_set import ImageSet
from iic_tf.data.registry import IMAGES, dataset_names, source_class
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph
from iic_tf.models.class_map import MappedClusterer
from iic_tf.models.clusterer import Clusterer
from iic_tf.models.served_clusterer import ServedClusterer
from iic_tf.training.best_model import best_model
from iic_tf.training.circle import DrawCircle
from iic_tf.training.cluster_pictures import draw_clusters
from iic_tf.training.clustering_scores import ClusteringScores
from iic_tf.training.folds import Split
from iic_tf.training.memory_estimate import Estimate, step, training, weights
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.scored import Scored
from iic_tf.training.tasks.task import EVALUATION_SEED_OFFSET, Task, source_of, untrained_model
from iic_tf.training.values import Text, Whole
from iic_tf.turns import MAIN
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView
from iic_tf.views.photometry import Photometry

if TYPE_CHECKING:
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.views.numbered_batches import NumberedBatches

CLUSTERING = "clustering"
SIDE = 96
"""Pixels that the user's own images are scaled to where a recipe doesn't say."""

COPIES = ImageView(flip=0.5, photometry=Photometry(0.4, 0.4, 0.4, 0.125))


def _view(value: Any) -> Any:
    return ImageView.of(value) if isinstance(value, Mapping) else value


View = Annotated[ImageView, BeforeValidator(_view)]


class ClusteringRecipe(Recipe):
    """Values of a run on whole images; each method adds its own."""

    task: ClassVar[str] = CLUSTERING
    # Published runs have up to 1,000 (IIC 2019, supplementary table 3), and labels go to tables.
    most_clusters: ClassVar[int] = 1024

    dataset: Text = Field("images", description="data set it was made for; folder or images: any")
    classes: Whole = Field(10, ge=2, description="classes to find")
    batch: Whole = Field(140, ge=1, description="images in a step")
    inputs: Text = Field("sobel", description="what the network sees: bands, bands+sobel, sobel")
    network: Literal["A", "B"] = Field(
        "A", description="A, a ResNet34 for small images, or B, four convolutions for digits"
    )
    repeats: Whole = Field(5, ge=1, description="transformed copies of each image in a batch, r")
    x: View = Field(ImageView(), description="what views x are drawn from")
    gx: View = Field(COPIES, description="what their copies gx are drawn from")
    side: Whole = Field(
        0,
        ge=0,
        description="of data set images: what they are scaled to, pixels; 0: as the recipe's data "
        "set has them, or 96",
    )

    @model_validator(mode="after")
    def _check_sizes(self) -> ClusteringRecipe:
        if self.x.size != self.gx.size:
            raise expected(f"views of one size, x's {self.x.size} pixels", self.gx.size, "gx.size")
        return self

    def estimate_weights(self, channels: int) -> Estimate:
        kind, own = self.estimated_trunk(self.network), self.own_weights
        return Estimate(weights(kind, self.width, channels, self.answers, own))

    def estimate(self, channels: int) -> Estimate:
        views, parts = self.batch * (1 + self.repeats), self.micro_batches
        own = step(
            self.estimated_trunk(self.network),
            self.width,
            channels,
            self.answers,
            views,
            self.x.size,
            parts,
        )
        # Two images are the least, and all are held in memory.
        held = {f"images of side={self.side}": 2.0 * self.side**2 * channels}
        return training(self.estimate_weights(channels).parts, {**own, **held})

    @property
    def trunk_text(self) -> str:
        """What makes features, in a few words."""
        return self.describe_trunk() or f"network {self.network}"

    @property
    def wide_turns(self) -> tuple[str, ...]:
        """Whose turn each epoch is: those of the overclustering head alone see extra images."""
        return (MAIN,)

    @property
    def only(self) -> int | None:
        """How many of the ordinary images steps are taken on; None: all."""
        return None


def _side(recipe: ClusteringRecipe, place: Facts) -> int:
    """What the user's own images are scaled to: what the recipe's views were made for."""
    if place.get("dataset") == "images" and recipe.dataset in dataset_names(IMAGES):
        return getattr(source_class(recipe.dataset), "pixels", SIDE)
    return SIDE


class ClusteringTask(Task):
    """A recipe and the images it is trained on.

    Raises:
        InputError: anything unfit in the data set, or views that do not fit its images.
    """

    name = CLUSTERING
    recipe: ClusteringRecipe

    def __init__(self, recipe: ClusteringRecipe, place: Facts):
        recipe = recipe if recipe.side else recipe.replaced(side=_side(recipe, place))
        self.recipe = recipe
        self.source = source_of(place, IMAGES, side=recipe.side)
        self.images: ImageSet = self.source.load()

    @property
    def channels(self) -> int:
        return self.images.channels

    def pairs(self, seed: int) -> ImagePairs:
        recipe = self.recipe
        pairs = self._pairs(seed, recipe.steps, recipe.wide_turns, recipe.only)
        self.recipe.check_pairs(pairs)
        return pairs

    def fixed_pairs(self, seed: int) -> ImagePairs:
        # Of ordinary images only, whoever's turn it is.
        return self._pairs(seed + EVALUATION_SEED_OFFSET, self.recipe.evaluation_steps, (MAIN,))

    def _pairs(
        self, seed: int, steps: int, turns: tuple[str, ...], only: int | None = None
    ) -> ImagePairs:
        return ImagePairs(
            self.images,
            batch=self.recipe.batch,
            repeats=self.recipe.repeats,
            x=self.recipe.x,
            gx=self.recipe.gx,
            seed=seed,
            steps=steps or None,
            turns=turns,
            only=only,
        )

    def names(self, drawn: Batch) -> list[str]:
        files = self.images.files
        return [
            files[i] if files is not None and i < len(files) else f"number {i}"
            for i in drawn["image"]
        ]

    def data_config(self) -> Json:
        images = self.images
        return {
            "source": self.source.to_dict(),
            "data": fingerprint(self.images, getattr(self.source, "data", None)),
            "channels": images.channels,
            "height": images.height,
            "width": images.width,
            "images": len(images),
            "class_names": list(images.class_names) if images.class_names else None,
        }

    def describe(self, pairs: NumberedBatches) -> list[str]:
        images, recipe = self.images, self.recipe
        extra = images.pool(extra=True) - len(images)
        return [
            f"{images.name}: {len(images)} images of {images.height}×{images.width}, "
            f"{images.channels} channels"
            + (f", {extra} more for the overclustering head" if extra else "")
            + (", labels used for scores only" if images.labelled else ", no labels"),
            f"{recipe.epochs} epochs of {pairs.steps} steps of {recipe.batch} images with "
            f"{recipe.repeats} copies each, views of {recipe.x.size}×{recipe.x.size}; "
            f"{recipe.describe_model()}",
            *(f"note: {note}" for note in images.notes),
            *self._notes(),
        ]

    def _notes(self) -> list[str]:
        recipe = self.recipe
        if self.source.name != "images" or recipe.dataset == "images":
            return []
        return [
            f"note: recipe {recipe.name} was made for {recipe.dataset}: images are scaled to "
            f"{recipe.side}×{recipe.side}, of which views are crops of "
            f"{', '.join(map(str, recipe.gx.crops))}; --set side=… scales them otherwise"
        ]

    def callbacks(self, run: Run, seed: int) -> list[Callback]:
        return [DrawCircle(run, self.images, self.recipe.x, seed)]

    def draw_results(self, run: Run) -> list[str]:
        model = run.load_best()
        found = draw_clusters(run, model, self.images, self.recipe.x)
        found += self.recipe.draw_results(run, model, self.fixed_pairs(run.config()["seed"]))
        return [*found, "circle.gif"]

    def joint_graph(
        self, model: Clusterer, head: str, sub_head: int | None
    ) -> Callable[[Batch], Tensor]:
        @as_graph  # type: ignore[untyped-decorator]
        def joint(data: Batch) -> Tensor:
            # The first copy of each image.
            p, q = (
                model.answer(found) if sub_head is None else found[sub_head]
                for found in (model.probabilities(v, head) for v in (data["x"], data["gx"][:, 0]))
            )
            return tf.matmul(p, q, transpose_a=True)

        graph: Callable[[Batch], Tensor] = joint
        return graph

    @classmethod
    def mapped(cls, *args: Any, **kwargs: Any) -> MappedClusterer:
        return MappedClusterer(*args, **kwargs)

    @classmethod
    def scored(cls, run: Run, recipe: Any, place: Facts, split: Split) -> Scored:
        def model(trained: bool) -> Any:
            # That which is served and exported, float32 whatever the training was in.
            if trained:
                return best_model(run, recipe.model_class)
            own = run.config()["source"]
            return untrained_model(recipe.replaced(precision="float32"), cls, own, run)

        source = source_of(place, IMAGES)
        return ClusteringScores(run, model, recipe.clusters, recipe.x, source, split)

    @classmethod
    def served(cls, run: Run, model: Any, recipe: Any) -> ServedClusterer:
        config = run.config()
        try:
            side = min(config["height"], config["width"])
        except KeyError as error:
            raise InputError(
                f"Expected height and width in {run.config_file}; received none."
            ) from error
        return ServedClusterer(model, recipe.x, side)
