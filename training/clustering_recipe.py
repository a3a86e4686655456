"""The values of a clustering run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from iic_tf.errors import expected
from iic_tf.models.iic_clusterer import NETWORKS
from iic_tf.training.recipe import Recipe
from iic_tf.views.image_view import ImageView
from iic_tf.views.photometry import Photometry


def _copies() -> ImageView:
    return ImageView(flip=0.5, photometry=Photometry(0.4, 0.4, 0.4, 0.125))


@dataclass(frozen=True)
class ClusteringRecipe(Recipe):
    """Values of a run of Invariant Information Clustering of whole images.

    Attributes:
        network: `A`, a ResNet34 for small images, or `B`, four convolutions for digits.
        overclustering: whether there is an overclustering head at all.
        repeats: transformed copies of each image in a batch, r.
        x, gx: what the two views are drawn from.
        side: of data set `images`: what the images are scaled to, in pixels.
    """

    method: str = "iic-clustering"
    dataset: str = "images"
    classes: int = 10
    batch: int = 140
    sub_heads: int = 5
    inputs: str = "sobel"
    network: str = "A"
    overclustering: bool = True
    repeats: int = 5
    x: ImageView = dataclasses.field(default_factory=ImageView)
    gx: ImageView = dataclasses.field(default_factory=_copies)
    side: int = 96

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least({"repeats": 1, "side": 2})
        if self.network not in NETWORKS:
            raise expected(f"one of {', '.join(NETWORKS)}", self.network, "network")
        if self.x.size != self.gx.size:
            raise expected(f"views of one size, x's {self.x.size} pixels", self.gx.size, "gx.size")
