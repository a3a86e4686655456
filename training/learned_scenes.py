"""What recipes of scenes have in common whose methods train a trunk and some layers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from iic_tf.training.learned import Learned
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.values import Whole

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised


class LearnedScenes(Learned, SegmentationRecipe):
    """Values of a run by `iic_tf.models.learned_segmenter`; each method adds its own."""

    places: Whole = Field(64, ge=1, description="cells of each view that the loss is of")

    def build(self, channels: int) -> SelfSupervised:
        return self.model_class(
            classes=self.classes,
            channels=channels,
            width=self.width,
            inputs=self.seen,
            places=self.places,
            trunk_from=self.trunk_from,
            dtype=self.precision,
            **{name: getattr(self, name) for name in self.own},
            **self.more(channels),
            **self.trunk_arguments(channels, self.crop),
        )

    def describe_model(self) -> str:
        of_trunk = f"; {self.describe_trunk()}" if self.trunk else ""
        return f"{self.describe_method()}, {self.places} cells a view{of_trunk}"

    def describe_method(self) -> str:
        """What is learned, in a few words."""
        raise NotImplementedError
