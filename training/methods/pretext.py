"""What recipes of pretexts have in common: features are learned, classes are k-means' on them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from iic_tf.annotations import Callback, Config, Optimizers
from iic_tf.models.adam import Adam
from iic_tf.models.fitting import Fit
from iic_tf.models.pretext import PRETEXT
from iic_tf.training.recipe import LAST
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.trunk_choice import TRUNK
from iic_tf.training.values import Whole
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised


class PretextRecipe(SegmentationRecipe):
    """Values of a run of a pretext; the network of the pretext is left out of the answers."""

    keep: ClassVar[str] = LAST
    loss_label: ClassVar[str] = "share of the variance within clusters"

    overclusters_per_class: Whole = Field(
        5, ge=1, description="centres of the overclustering head for each class"
    )
    components: Whole = Field(
        0, ge=0, description="principal components of the standardised features; 0: themselves"
    )
    sample: Whole = Field(50_000, ge=2, description="features that k-means is fitted to")
    starts: Whole = Field(3, ge=1, description="starts of k-means, of which the best stays")
    crops: Whole = Field(
        500, ge=1, description="crops that features are drawn from; of each scene one, at least"
    )

    @property
    def clusters(self) -> dict[str, int]:
        return {MAIN: self.classes, OVERCLUSTERING: self.overclusters_per_class * self.classes}

    @property
    def losses(self) -> str:
        return (
            "mean squared distances of features to the nearest centre, as a share of their "
            f"variance, from 1 down to 0; the training loss is {self.pretext_loss}; neither "
            "chooses: the last epoch is kept"
        )

    @property
    def pretext_loss(self) -> str:
        """What the loss of the pretext is, and what it is by chance."""
        raise NotImplementedError

    @property
    def trunk_from(self) -> int:
        """A trunk is trained from the first epoch: the pretext is for it alone."""
        return 0

    def optimizer(self, steps: int) -> Optimizers:
        if self.fine_tune_trunk and self.trunk_rests:
            slow = self.scheduled_rate(steps, self.trunk_rate)
            fast = self.scheduled_rate(steps)
            return {TRUNK: Adam(slow, epsilon=1e-8), PRETEXT: Adam(fast, epsilon=1e-8)}
        return super().optimizer(steps)

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)]

    def common(self, channels: int) -> Config:
        """Arguments of any such model."""
        return {
            "classes": self.classes,
            "overclusters": self.clusters[OVERCLUSTERING],
            "channels": channels,
            "width": self.width,
            "inputs": self.seen,
            "components": self.components,
            "sample": self.sample,
            "starts": self.starts,
            "crops": self.crops,
            "dtype": self.precision,
            **self.trunk_arguments(channels, self.crop),
        }

    def describe_model(self) -> str:
        of_trunk = f"; {self.describe_trunk()}" if self.trunk else ""
        return f"{self.clusters[OVERCLUSTERING]} overclusters, {self.describe_pretext()}{of_trunk}"

    def describe_pretext(self) -> str:
        """What is learned, in a few words."""
        raise NotImplementedError


class PairRecipe(PretextRecipe):
    """Values of a pretext about pairs of patches; the defaults are IIC's, but for `pairs`."""

    patch: Whole = Field(11, ge=1, description="side of a patch, pixels, scaled down")
    margin: Whole = Field(
        0, ge=0, description="pixels at the border, which tells where a patch is, without patches"
    )
    pairs: Whole = Field(64, ge=1, description="pairs of patches of each view")
    hidden: Whole = Field(1024, ge=1, description="units of the layers that tell what a pair is")

    @property
    def own_weights(self) -> float:
        return float(self.hidden) * (512.0 * self.width + 2 * self.hidden)

    def common(self, channels: int) -> Config:
        own = {name: getattr(self, name) for name in ("patch", "margin", "pairs", "hidden")}
        return {**super().common(channels), **own}

    def checked(self, model: SelfSupervised) -> Any:
        """A model whose pairs fit into the crops."""
        model.check_crop(self.crop, self.crop)
        return model
