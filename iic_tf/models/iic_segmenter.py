"""Invariant Information Clustering for segmentation, as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from iic_tf.errors import expected
from iic_tf.models.segmenter import Segmenter, joints_of_pairs
from iic_tf.models.two_heads import TwoHeads
from iic_tf.networks.network_c import NetworkC
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.turns import HEADS, MAIN
from iic_tf.views.inputs import check_inputs


@keras.saving.register_keras_serializable("iic_tf")
class IICSegmenter(TwoHeads, Segmenter):
    """Network C with a main and perhaps an overclustering head, trained by mutual information.

    Xu Ji, João Henriques, Andrea Vedaldi: Invariant Information Clustering for Unsupervised Image
    Classification and Segmentation, 2019; the objective is eq. 10 of the IID preprint (2018).

    `model.compile()` has the paper's defaults, `model.fit(pairs)` trains on `iic_tf.Pairs`,
    `model(x)` gives the main head's class probabilities at the input's size.

    Args:
        classes: clusters of the main head, 2 or more.
        overclusters: clusters of the auxiliary overclustering head, 2 or more (the papers take 3
            to 8 times as many as classes); 0 or None for a model without that head.
        channels: bands of the images.
        width: factor of the network's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands` (the image's own), `bands+sobel` (and the gradients
            dx and dy of its brightness), or `sobel` (those alone: no colour, no brightness).
        radius: T, half the side of the window of displacements, in pixels.
        lamb: λ of the main head.
        overclustering_lamb: λ of the overclustering head.
        collapsed: take one information of the joints summed over displacements.
        turns: which heads are trained in epoch 0, 1, …, over and over: `overclustering`, `main`,
            or `both` at once. None means the papers' epoch of each, or `main` alone where there is
            no other head.

    Raises:
        InputError: a value outside its range.
    """

    arguments = (
        *("classes", "overclusters", "channels", "width", "sub_heads", "inputs", "radius"),
        *("lamb", "overclustering_lamb", "collapsed", "turns"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int | None,
        channels: int,
        width: float = 1.0,
        sub_heads: int = 1,
        inputs: str = "bands",
        radius: int = 10,
        lamb: float = 1.0,
        overclustering_lamb: float = 1.0,
        collapsed: bool = False,
        turns: Sequence[str] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_inputs(inputs)
        if radius < 0:
            raise expected("radius >= 0", radius, "radius")
        self.classes = classes
        self.overclusters = overclusters or 0
        self.channels = channels
        self.width = width
        self.sub_heads = sub_heads
        self.inputs = inputs
        self.radius = radius
        self.lamb = lamb
        self.overclustering_lamb = overclustering_lamb
        self.collapsed = collapsed
        self.trunk = NetworkC(width, name="trunk", dtype=self.dtype_policy)
        # The overclustering head comes first in the papers' epochs.
        heads = HEADS if self.overclusters else (MAIN,)
        turns = heads[::-1] if turns is None else turns
        self.add_heads(PixelHead, heads, turns, displacements=(2 * radius + 1) ** 2)
        self.build((None, None, None, channels))

    def small_maps(self, features: Any, head: str, training: bool) -> list[Any]:
        """Probabilities of every sub-head of a head, each `[batch, ⌈h/2⌉, ⌈w/2⌉, k]`."""
        maps: list[Any] = self.heads[head](features)
        return maps

    def answer(self, maps: Sequence[Any]) -> Any:
        return self.of_chosen(maps)

    def sums(self, data: dict[str, Any], names: Sequence[str], training: bool) -> dict[str, Any]:
        """The joints of a batch of `iic_tf.Pairs`, by head."""
        return joints_of_pairs(self, data, names, self.radius, training)
