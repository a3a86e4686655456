"""Deep adaptive clustering of the pixels of scenes."""

from __future__ import annotations

from typing import Any, ClassVar

import keras
from pydantic import Field

from iic_tf.models.dense_dac import DACSegmenter
from iic_tf.training.learned_scenes import LearnedScenes
from iic_tf.training.methods.dac import ABOUT, PAPER
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole
from iic_tf.turns import MAIN


@method("dac", ABOUT, PAPER)
class DACSegmentation(LearnedScenes):
    """DAC of the pixels of scenes."""

    model_class = DACSegmenter
    own: ClassVar[tuple[str, ...]] = ("eta",)
    parts: ClassVar[tuple[str, ...]] = (MAIN,)
    loss_label: ClassVar[str] = "cross-entropy of pairs in nats"
    replicas_differ: ClassVar[str] = "each device pairs the cells of its own share of a batch"

    rate: Real = Field(
        1e-3, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    epochs: Whole = Field(46, ge=1, description="epochs; thresholds meet in 46 at eta=0.009")
    places: Whole = Field(16, ge=1, description="cells of each view that are paired")
    eta: Real = Field(
        0.009, gt=0, allow_inf_nan=False, description="how fast thresholds close: λ = 1.1 η epoch"
    )

    def step_by(self, rate: Any) -> Any:
        return keras.optimizers.RMSprop(rate)

    @property
    def losses(self) -> str:
        return (
            "mean cross-entropies of pairs of cells in nats, 0 or more, by the first epoch's "
            "thresholds; they choose nothing: the last epoch is kept"
        )

    def describe_method(self) -> str:
        return f"thresholds closing by eta={self.eta:g}"
