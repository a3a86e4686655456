"""Deep adaptive clustering of the pixels of scenes."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from iic_tf.models.dense_dac import DACSegmenter
from iic_tf.training.learned_scenes import LearnedScenes
from iic_tf.training.methods.dac import ABOUT, PAPER, DACValues
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Whole


@method("dac", ABOUT, PAPER)
class DACSegmentation(DACValues, LearnedScenes):
    """DAC of the pixels of scenes."""

    model_class = DACSegmenter
    replicas_differ: ClassVar[str] = "each device pairs the cells of its own share of a batch"

    places: Whole = Field(16, ge=1, description="cells of each view that are paired")
