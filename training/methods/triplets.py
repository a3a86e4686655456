"""Triplets: an image lies nearer to a copy of itself than to another image."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from iic_tf.models.triplets import EMBEDDING, TripletClusterer
from iic_tf.training.learned_images import LearnedFeatures
from iic_tf.training.methods.registry import method
from iic_tf.training.values import Real, Whole

ABOUT = "an embedding in which images lie nearer to copies of themselves than to others, k-means"
PAPER = "Schultz, Joachims: Learning a Distance Metric from Relative Comparisons, NIPS 2003"


@method("triplets", ABOUT, PAPER)
class TripletsClustering(LearnedFeatures):
    """Triplets of whole images."""

    model_class = TripletClusterer
    own: ClassVar[tuple[str, ...]] = ("embedding", "margin", "form")
    parts: ClassVar[tuple[str, ...]] = (EMBEDDING,)
    replicas_differ: ClassVar[str] = "each device draws its negatives from its own share of a batch"

    embedding: Whole = Field(64, ge=2, description="numbers of the embedding")
    margin: Real = Field(
        0.2, gt=0, allow_inf_nan=False, description="by how much negatives must be farther off"
    )
    form: Literal["hinge", "kl"] = Field(
        "hinge", description="hinge of squared distances, or kl of softmax, IIC's authors' form"
    )

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.embedding

    def describe_model(self) -> str:
        margin = f", margin {self.margin:g}" if self.form == "hinge" else ""
        return (
            f"{self.trunk_text}, {self.classes} classes by k-means on {self.embedding} numbers "
            f"learnt by triplets ({self.form}{margin})"
        )
