"""The values of an InfoSeg run."""

from __future__ import annotations

from dataclasses import dataclass

from iic_tf.errors import expected
from iic_tf.losses.infoseg import JSD, SOFT
from iic_tf.models.infoseg import IIC, check_objective, check_paired_crop
from iic_tf.models.turns import MAIN
from iic_tf.training.scene_recipe import SceneRecipe


@dataclass(frozen=True)
class InfoSegRecipe(SceneRecipe):
    """Values of a run of InfoSeg; the defaults are the paper's (section 5.1).

    There is one head with one sub-head: `sub_heads`, `overclusters` and `turns` stay as they are.

    Attributes:
        features: P, the dimensions of local and global features.
        tau: τ, how sure the probabilities are.
        objective: `jsd`, `dv` or `iic`; the last one alone knows `radius`, `lamb`, `collapsed` and
            the transformed copies gx, which `paired` runs know too.
        assignment: `soft` or `hard`.
        paired: whether L of each view meets S of the other one, within `radius`; ours, not the
            paper's. Crops are then a multiple of 4 pixels.
        elsewhere: whether different images are compared at different places; ours.
        centred: whether what all H_k of an image have in common is taken out; ours.
        image_scale: factor of what H_k has of the image; ours.
    """

    method: str = "infoseg"
    batch: int = 64
    turns: tuple[str, ...] = (MAIN,)
    features: int = 1024
    tau: float = 0.8
    objective: str = JSD
    assignment: str = SOFT
    paired: bool = False
    elsewhere: bool = False
    centred: bool = False
    image_scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least({"features": 1})
        check_objective(self.objective, self.assignment, self.tau, self.image_scale)
        if self.turns != (MAIN,):
            raise expected("turns of the main head alone, InfoSeg's only one", self.turns, "turns")
        if self.sub_heads != 1:
            raise expected("1 sub-head, as InfoSeg has", self.sub_heads, "sub_heads")
        if self.overclusters:
            raise expected("no overclusters for InfoSeg", self.overclusters, "overclusters")
        if self.paired:
            check_paired_crop((self.crop, self.crop), self.radius)
        if self.objective != IIC and self.batch < 2 * self.micro_batches:
            raise expected(
                "at least 2 images in a batch (and in each micro-batch), to pair with one another",
                self.batch,
                "batch",
            )

    @property
    def head_clusters(self) -> dict[str, int]:
        return {MAIN: self.classes}

    @property
    def displaced(self) -> bool:
        return self.objective == IIC or self.paired

    @property
    def core(self) -> int | None:
        # Global features are of a whole image, which in training is a crop.
        return self.crop * self.downscale
