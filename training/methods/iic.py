"""Invariant Information Clustering, of pixels and of whole images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator, model_validator

from iic_tf.annotations import Callback
from iic_tf.errors import expected
from iic_tf.models.fitting import Fit
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.iic_segmenter import IICSegmenter, check_whitened_inputs
from iic_tf.training.cluster_pictures import draw_joint
from iic_tf.training.memory_estimate import joints
from iic_tf.training.methods.registry import method
from iic_tf.training.run import Run
from iic_tf.training.tasks.clustering import ClusteringRecipe
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.values import Flag, Names, Real, Values, Whole
from iic_tf.turns import BOTH, MAIN, OVERCLUSTERING, check_turns
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.whitening import NONE

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

ABOUT = "mutual information of the classes of paired views, with an overclustering head"
PAPER = "Ji, Henriques, Vedaldi: Invariant Information Clustering, ICCV 2019"


MOST_SUB_HEADS = 256


class _IIC(Values):
    """What both kinds of data have in common."""

    if TYPE_CHECKING:
        classes: int

        @property
        def trunk_from(self) -> int: ...

        @property
        def trunk_rests(self) -> bool: ...

    overclusters: Whole = Field(
        0, ge=0, description="clusters of the overclustering head; 0: so many for each class"
    )
    overclusters_per_class: Whole = Field(5, ge=1, description="how many")
    sub_heads: Whole = Field(1, ge=1, description="sub-heads of each head")
    lamb: Real = Field(1.0, ge=0, allow_inf_nan=False, description="λ of the main head")
    overclustering_lamb: Real = Field(
        1.0, ge=0, allow_inf_nan=False, description="λ of the overclustering head"
    )
    star: Flag = Field(
        False, description="one head of overclusters alone, mapped to classes afterwards (IIC*)"
    )
    turns: Names = Field(
        (OVERCLUSTERING, MAIN),
        description="heads trained in epoch 0, 1, ..., repeated; or both, as ever on frozen trunks",
    )

    @field_validator("overclusters")
    @classmethod
    def _check_overclusters(cls, value: int) -> int:
        if value == 1:
            raise expected("at least 2 overclusters", value, "overclusters")
        return value

    @field_validator("sub_heads")
    @classmethod
    def _check_sub_heads(cls, value: int) -> int:
        if value > MOST_SUB_HEADS:
            raise expected(f"at most {MOST_SUB_HEADS} sub-heads", value, "sub_heads")
        return value

    @field_validator("turns")
    @classmethod
    def _check_turns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return check_turns(value)

    @property
    def losses(self) -> str:
        return "−I in nats, from 0 down to −ln k (−(2λ − 1) ln k where λ is not 1)"

    @property
    def clusters(self) -> dict[str, int]:
        overclusters = self.overclusters or self.overclusters_per_class * self.classes
        if self.star:
            return {MAIN: overclusters}
        return {MAIN: self.classes, OVERCLUSTERING: overclusters}

    @property
    def one_to_one(self) -> bool:
        return not self.star

    @property
    def least_epochs(self) -> int:
        """As many as there are turns, behind those in which a trunk rests."""
        return len(self.taken_turns) + self.trunk_from

    @property
    def taken_turns(self) -> tuple[str, ...]:
        """The turns of the heads that there are."""
        if self.star:
            return (MAIN,)
        # Heads of a trunk that rests share nothing that is trained.
        rest = (BOTH,) if len(self.clusters) > 1 else (MAIN,)
        return rest if self.trunk_rests else self.turns


@method("iic", ABOUT, PAPER)
class IICSegmentation(_IIC, SegmentationRecipe):
    """IIC of the pixels of scenes."""

    model_class = IICSegmenter

    radius: Whole = Field(
        10, ge=0, description="half the side of the window of displacements, pixels, scaled down"
    )
    collapsed: Flag = Field(
        False, description="one information of the joints summed over displacements"
    )
    ncut: Real = Field(
        0.0, ge=0, allow_inf_nan=False, description="weight of the soft normalised cut / (k − 1)"
    )
    smooth: Real = Field(
        0.0, ge=0, allow_inf_nan=False, description="weight of neighbours' squared differences"
    )
    reconstruction: Real = Field(
        0.0, ge=0, allow_inf_nan=False, description="weight of the image's squared errors"
    )
    crop_weight: Real = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        description="β, weight of I(z; crop) of the main head: what its clusters tell of the crop",
    )
    cells: Flag = Field(
        False, description="compare cells of the trunk's map, not pixels of the enlarged one"
    )
    dropout: Real = Field(
        0.0, ge=0, lt=1, description="share of the features left out of each view in training"
    )
    kept_views: Whole = Field(
        0,
        ge=0,
        description="versions of each scene whose features are computed once and kept, where the "
        "trunk is frozen and cells are compared; 0: views are drawn anew for each step",
    )
    kept_gigabytes: Real = Field(
        4.0, gt=0, allow_inf_nan=False, description="room on the disk for kept features"
    )
    whitening: Literal["none", "channels", "patches"] = Field(
        NONE, description="of images: none, channels or patches of 3×3; of inputs bands"
    )

    @field_validator("kept_views")
    @classmethod
    def _check_kept(cls, value: int) -> int:
        if value == 1:
            raise expected("at least 2 versions, or 0 for none", value, "kept_views")
        return value

    @model_validator(mode="after")
    def _check_whitening(self) -> IICSegmentation:
        check_whitened_inputs(self.inputs, self.whitening)
        return self

    def build(self, channels: int) -> IICSegmenter:
        model = IICSegmenter(
            classes=self.clusters[MAIN],
            overclusters=self.clusters.get(OVERCLUSTERING, 0),
            channels=channels,
            width=self.width,
            sub_heads=self.sub_heads,
            inputs=self.seen,
            radius=self.radius,
            lamb=self.lamb,
            overclustering_lamb=self.overclustering_lamb,
            collapsed=self.collapsed,
            turns=self.taken_turns,
            ncut=self.ncut,
            smooth=self.smooth,
            reconstruction=self.reconstruction,
            whitening=self.whitening,
            crop_weight=self.crop_weight,
            cells=self.cells,
            dropout=self.dropout,
            dtype=self.precision,
            trunk_from=self.trunk_from,
            **self.trunk_arguments(channels, self.crop),
        )
        # Here, where the stride is known, and no folder made.
        model.check_crop((self.crop, self.crop))
        return model

    @property
    def trained_parts(self) -> tuple[str, ...]:
        heads = super().trained_parts
        return (*heads, *(f"{head}_decoder" for head in heads if self.reconstruction))

    @property
    def losses(self) -> str:
        further = self.ncut or self.smooth or self.reconstruction or self.crop_weight
        return super().losses + ("; training losses hold the further ones too" if further else "")

    def describe_model(self) -> str:
        further = [
            f", {name} {getattr(self, name):g}"
            for name in ("ncut", "smooth", "reconstruction", "crop_weight")
            if getattr(self, name)
        ]
        if self.whitening != NONE:
            further.append(f", whitened {self.whitening}")
        of_trunk = f"; {self.describe_trunk()}" if self.trunk else ""
        if self.star:
            return f"one head of {self.clusters[MAIN]} clusters (IIC*){''.join(further)}{of_trunk}"
        return f"{self.clusters[OVERCLUSTERING]} overclusters{''.join(further)}{of_trunk}"

    @property
    def fits(self) -> bool:
        return self.foreign or self.whitening != NONE

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [Fit(pairs)] if self.fits else []

    @property
    def kept(self) -> tuple[int, int]:
        return self.kept_views, int(self.kept_gigabytes * 1e9)

    @property
    def reach(self) -> int | None:
        return self.radius

    @property
    def own_weights(self) -> float:
        return joints(self.radius, self.clusters.values(), self.sub_heads)


@method("iic", ABOUT, PAPER)
class IICClustering(_IIC, ClusteringRecipe):
    """IIC of whole images."""

    model_class = IICClusterer

    sub_heads: Whole = Field(5, ge=1, description="sub-heads of each head")
    overclustering: Flag = Field(True, description="whether there is an overclustering head")

    @property
    def clusters(self) -> dict[str, int]:
        both = super().clusters
        # Of IIC* `overclusters` are the main head's.
        return both if self.overclustering else {MAIN: both[MAIN]}

    def build(self, channels: int) -> IICClusterer:
        return IICClusterer(
            classes=self.clusters[MAIN],
            overclusters=self.clusters.get(OVERCLUSTERING, 0),
            channels=channels,
            size=self.x.size,
            network=self.network,
            width=self.width,
            sub_heads=self.sub_heads,
            inputs=self.seen,
            lamb=self.lamb,
            overclustering_lamb=self.overclustering_lamb,
            turns=self.taken_turns,
            dtype=self.precision,
            trunk_from=self.trunk_from,
            **self.trunk_arguments(channels, vector=True),
        )

    def describe_model(self) -> str:
        if self.star:
            return (
                f"{self.trunk_text}, {self.classes} classes, one head of "
                f"{self.clusters[MAIN]} clusters (IIC*), {self.sub_heads} sub-heads"
            )
        overclusters = self.clusters.get(OVERCLUSTERING, "no")
        return (
            f"{self.trunk_text}, {self.classes} classes, {overclusters} overclusters, "
            f"{self.sub_heads} sub-heads each"
        )

    @property
    def wide_turns(self) -> tuple[str, ...]:
        # The one head of IIC* is an overclustering head in that it sees unlabelled images, too.
        return (OVERCLUSTERING,) if self.star else self.taken_turns

    def draw_results(self, run: Run, model: SelfSupervised, fixed: NumberedBatches) -> list[str]:
        return draw_joint(run, model, fixed)
