"""What a method brings to a run: its data, model, pairs, and pictures."""

from __future__ import annotations

from typing import Any, Protocol

from iic_tf.models.two_heads import TwoHeads
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.views.numbered_batches import NumberedBatches

EVALUATION_SEED_OFFSET = 1_000_003
"""Evaluation pairs are drawn from another seed than the training's, the same in every epoch."""


class Task(Protocol):
    """A recipe with its data at hand."""

    @property
    def recipe(self) -> Recipe: ...

    def model(self, seed: int) -> TwoHeads:
        """The model with the initial weights of a seed, not yet trained."""
        ...

    def pairs(self, seed: int) -> NumberedBatches:
        """The paired views of training."""
        ...

    def fixed_pairs(self, seed: int) -> NumberedBatches:
        """The fixed pairs on which each epoch's unsupervised loss is taken."""
        ...

    def names(self, drawn: dict[str, Any]) -> list[str]:
        """The names of the images of a batch that `pairs.drawn` returned."""
        ...

    def facts(self) -> dict[str, Any]:
        """What the run's configuration keeps of the data, plain values; `source` loads it again."""
        ...

    @property
    def losses(self) -> str:
        """What the shown losses are, and their range."""
        ...

    def greeting(self, pairs: NumberedBatches) -> list[str]:
        """The data in a line, what is about to be done with them, and a line for each note."""
        ...

    def callbacks(self, run: Run, seed: int) -> list[Any]:
        """What else happens at the end of an epoch, once its sub-head is chosen.

        Keras callbacks that are `Lasting`, too: what they hold outlives a killed process.
        """
        ...

    def look(self, run: Run) -> list[str]:
        """Draw what the finished run found; the names of the pictures."""
        ...
