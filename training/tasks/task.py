"""What a kind of data brings to a run: pairs, scores, pictures, and what is served."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import keras

from iic_tf.annotations import Batch, Callback, Facts, Json, Tensor
from iic_tf.data.registry import Source, source_from_dict
from iic_tf.models.self_supervised import SelfSupervised
from iic_tf.training.folds import Split
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.scored import Scored
from iic_tf.training.trunk_file import with_trunk_of
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.served import ServedSegmenter
    from iic_tf.models.served_clusterer import ServedClusterer

EVALUATION_SEED_OFFSET = 1_000_003
"""Evaluation pairs are drawn from another seed than the training's, the same in every epoch."""


class Task:
    """A recipe with its data at hand; a kind of data says the rest.

    Args:
        recipe: all values of the run.
        place: where the images are: plain values of a data set's options.

    Raises:
        InputError: anything unfit in the values or files.
    """

    name: ClassVar[str]
    source: Source

    def __init__(self, recipe: Recipe, place: Facts):
        self.recipe = recipe

    def model(self, seed: int) -> SelfSupervised:
        """The model with the initial weights of a seed, not yet trained."""
        return fresh_model(self.recipe, self.channels, seed)

    @property
    def channels(self) -> int:
        """Bands of the images."""
        raise NotImplementedError

    def pairs(self, seed: int) -> NumberedBatches:
        """The paired views of training."""
        raise NotImplementedError

    def fixed_pairs(self, seed: int) -> NumberedBatches:
        """The fixed pairs on which each epoch's unsupervised loss is taken."""
        raise NotImplementedError

    def names(self, drawn: Batch) -> list[str]:
        """The names of the images of a batch that `pairs.drawn` returned."""
        raise NotImplementedError

    def data_config(self) -> Json:
        """What the run's configuration keeps of the data, plain values; `source` loads it again."""
        raise NotImplementedError

    def describe(self, pairs: NumberedBatches) -> list[str]:
        """The data in a line, what is about to be done with them, and a line for each note."""
        raise NotImplementedError

    def callbacks(self, run: Run, seed: int) -> list[Callback]:
        """What else happens at the end of an epoch, once it is judged.

        Keras callbacks that are `StatefulCallback`s, too: what they hold outlives a killed process.
        """
        return []

    def draw_results(self, run: Run) -> list[str]:
        """Draw what the finished run found; the names of the pictures."""
        raise NotImplementedError

    def joint_graph(self, model: Any, head: str, sub_head: int | None) -> Callable[[Batch], Tensor]:
        """A function of a batch of pairs that gives the joint of what lies together, `[k, k]`.

        That of neighbouring pixels, or of the two views of images; for the tree of clusters.
        """
        raise NotImplementedError

    @classmethod
    def mapped(cls, *args: Any, **kwargs: Any) -> Any:
        """A model that answers with classes, see `iic_tf.models.class_map.ClassMap`."""
        raise NotImplementedError

    @classmethod
    def scored(cls, run: Run, recipe: Any, place: Facts, split: Split) -> Scored:
        """What there is to score of a run, on the data set of these values."""
        raise NotImplementedError

    @classmethod
    def served(cls, run: Run, model: Any, recipe: Any) -> ServedSegmenter | ServedClusterer:
        """A run's model as clients meet it, preprocessing included."""
        raise NotImplementedError


def fresh_model(recipe: Recipe, channels: int, seed: int) -> SelfSupervised:
    """The model of a recipe with the initial weights of a seed, not yet trained."""
    keras.utils.set_random_seed(seed)
    return recipe.build(channels)


def untrained_model(recipe: Recipe, task: type[Task], place: Facts, run: Run) -> Any:
    """The model of a run before its training, with what its method fits fitted."""
    config = run.config()
    model = fresh_model(with_trunk_of(run, recipe), config["channels"], config["seed"])
    if recipe.fits:
        for callback in recipe.fitting(task(recipe, place).pairs(config["seed"])):
            callback.set_model(model)
            callback.on_epoch_end(0)
    return model


def source_of(place: Facts, kind: str, **fixed: Any) -> Source:
    """The data set at a place, of this kind, with what the recipe says of it."""
    return source_from_dict({**place, **fixed}, kind)
