"""InfoSeg: local features of patches and a global one for each class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from iic_tf.errors import InputError, expected
from iic_tf.losses.infoseg import JSD, SOFT
from iic_tf.models.infoseg import NETWORK, InfoSeg
from iic_tf.models.infoseg_arguments import IIC, check_paired_crop
from iic_tf.training.memory_estimate import joints
from iic_tf.training.methods.registry import method
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.values import Flag, Real, Whole

if TYPE_CHECKING:
    from iic_tf.views.numbered_batches import NumberedBatches


@method(
    "infoseg",
    "information between local features of patches and global ones of classes",
    "Harb, Knöbelreiter: InfoSeg, 2021",
)
class InfoSegSegmentation(SegmentationRecipe):
    """InfoSeg of the pixels of scenes; the defaults are the paper's (section 5.1)."""

    model_class = InfoSeg
    replicas_differ = "different images are paired within a replica"

    batch: Whole = Field(64, ge=1, description="crops in a step")
    features: Whole = Field(1024, ge=1, description="P, dimensions of local and global features")
    tau: Real = Field(
        0.8, gt=0, allow_inf_nan=False, description="τ, how sure the probabilities are"
    )
    objective: Literal["jsd", "dv", "iic"] = Field(
        JSD, description="jsd, dv, or iic, which alone knows radius, lamb and collapsed"
    )
    assignment: Literal["soft", "hard"] = Field(SOFT, description="of cells to global features")
    paired: Flag = Field(
        False, description="L of each view meets S of the other one, within the radius; ours"
    )
    elsewhere: Flag = Field(
        False, description="different images are compared at different places; ours"
    )
    centred: Flag = Field(
        False, description="what all H_k of an image have in common is taken out; ours"
    )
    image_scale: Real = Field(
        1.0, gt=0, allow_inf_nan=False, description="factor of what H_k has of the image; ours"
    )
    radius: Whole = Field(10, ge=0, description="of objective iic, and of paired")
    lamb: Real = Field(1.0, ge=0, allow_inf_nan=False, description="λ, of objective iic")
    collapsed: Flag = Field(False, description="of objective iic")

    @model_validator(mode="after")
    def _check_images(self) -> InfoSegSegmentation:
        if self.paired and not self.trunk:
            check_paired_crop((self.crop, self.crop), self.radius)
        if self.objective != IIC and self.batch < 2 * self.micro_batches:
            raise expected(
                "at least 2 images in a batch (and in each micro-batch), to pair with one another",
                self.batch,
                "batch",
            )
        return self

    @property
    def own_weights(self) -> float:
        # Residual blocks of pointwise convolutions, and a linear layer for each class.
        own = float(self.features) ** 2 * (6 + self.classes)
        return own + (joints(self.radius, [self.classes]) if self.objective == IIC else 0)

    def build(self, channels: int) -> InfoSeg:
        model = InfoSeg(
            classes=self.classes,
            channels=channels,
            width=self.width,
            features=self.features,
            tau=self.tau,
            inputs=self.seen,
            objective=self.objective,
            assignment=self.assignment,
            paired=self.paired,
            elsewhere=self.elsewhere,
            centred=self.centred,
            image_scale=self.image_scale,
            radius=self.radius,
            lamb=self.lamb,
            collapsed=self.collapsed,
            dtype=self.precision,
            trunk_from=self.trunk_from,
            **self.trunk_arguments(channels, self.crop),
        )
        if self.paired:
            check_paired_crop((self.crop, self.crop), self.radius, model.trunk.stride)
        return model

    @property
    def trained_parts(self) -> tuple[str, ...]:
        return (NETWORK,)

    @property
    def losses(self) -> str:
        return {
            "jsd": "−I in nats, from 0 down to −2 ln 2 (it may begin above 0)",
            "dv": "−I in nats, which has no lowest value",
        }.get(self.objective, "−I in nats, from 0 down to −(2λ − 1) ln k")

    def describe_model(self) -> str:
        assigned = "" if self.objective == IIC else f", {self.assignment} assignment"
        if self.paired and self.objective != IIC:
            assigned += ", of the other view"
        if self.elsewhere and self.objective != IIC:
            assigned += ", different images at different places"
        if self.trunk:
            assigned += f"; {self.describe_trunk()}"
        return f"{self.features} features, objective {self.objective}{assigned}"

    @property
    def reach(self) -> int | None:
        return self.radius if self.objective == IIC or self.paired else None

    def check_pairs(self, pairs: NumberedBatches) -> None:
        """The last batch of a grid of crops must not be one image, without a partner."""
        if pairs.grid is None or self.objective == IIC:
            return
        crops = len(pairs.grid)
        if crops % self.batch == 1:
            raise InputError(
                "Expected at least 2 images in every batch, to pair with one another; received "
                f"{crops} crops in batches of {self.batch}, the last of which is alone. Choose "
                "another --batch, or --steps."
            )
