"""Invariant Information Clustering of images, as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iic_tf.annotations import Batch, Tensor, Tensors, Trunk
from iic_tf.errors import expected
from iic_tf.losses.arguments import check_lamb
from iic_tf.losses.information import information
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.two_heads import TwoHeads, default_turns
from iic_tf.networks.vector_head import VectorHead
from iic_tf.turns import HEADS, MAIN, OVERCLUSTERING
from iic_tf.views.inputs import check_inputs


@keras.saving.register_keras_serializable("iic_tf")
class IICClusterer(TwoHeads, Clusterer):
    """Network A or B with a main and an overclustering head, trained by mutual information.

    Xu Ji, João Henriques, Andrea Vedaldi: Invariant Information Clustering for Unsupervised Image
    Classification and Segmentation, 2019, sections 3 and 4.1; the objective is eq. 3 to 6 of the
    IID preprint (2018).

    `model.compile()` has the paper's defaults, `model.fit(pairs)` trains on batches of
    `iic_tf.ImagePairs`, `model(x)` gives the main head's class probabilities.

    A batch is a dict: `x` `[m, size, size, channels]`, r transformed copies of each image `gx`
    `[m, r, size, size, channels]`, both in 0 to 1, and `epoch` int32 `[m]`. Its r·m pairs make one
    joint.

    Args:
        classes: clusters of the main head, 2 or more.
        overclusters: clusters of the auxiliary overclustering head, 2 or more (the paper takes 5
            to 7 times as many as classes); 0 or None for a model without that head.
        channels: bands of the images.
        size: height and width of the images, in pixels, 8 or more.
        network: `A`, a ResNet34 for small images, or `B`, four 5×5 convolutions for digits.
        width: factor of the network's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands` (the image's own), `bands+sobel` (and the gradients
            dx and dy of its brightness), or `sobel` (those alone: no colour, no brightness).
        lamb: λ of the main head.
        overclustering_lamb: λ of the overclustering head.
        turns: which heads are trained in epoch 0, 1, …, over and over: `overclustering`, `main`,
            or `both` at once. None means an epoch of each, or `main` alone where there is no other
            head; two epochs of the main head to one of the other, as published for CIFAR10 and
            MNIST, are `("overclustering", "main", "main")`; `both` where the trunk is frozen.
        trunk: what makes features, in place of `network`: another one by name
            (`networks.trunks.VECTORS`), any `keras.Model`, which is then frozen and whose maps are
            averaged over the image, or a `KerasTrunk`.
        trunk_from: the first epoch in which the trunk is trained.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = IICClusterer(3, overclusters=15, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
    """

    arguments = (
        *("classes", "overclusters", "channels", "size", "network", "width", "sub_heads"),
        *("inputs", "lamb", "overclustering_lamb", "turns", "trunk_from"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int | None,
        channels: int,
        size: int,
        network: str = "A",
        width: float = 1.0,
        sub_heads: int = 5,
        inputs: str = "bands",
        lamb: float = 1.0,
        overclustering_lamb: float = 1.0,
        turns: Sequence[str] | None = None,
        trunk: Trunk | None = None,
        trunk_from: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_network(network)
        check_inputs(inputs)
        for value in (lamb, overclustering_lamb):
            check_lamb(value)
        self.classes = classes
        self.overclusters = overclusters or 0
        self.channels = channels
        self.size = size
        self.network = network
        self.width = width
        self.sub_heads = sub_heads
        self.inputs = inputs
        self.lamb = lamb
        self.overclustering_lamb = overclustering_lamb
        heads = HEADS if self.overclusters else (MAIN,)
        default = (OVERCLUSTERING, MAIN) if self.overclusters else (MAIN,)
        self.set_trunk(network if trunk is None else trunk, width, True, trunk_from)
        turns = default_turns(self.rests, default) if turns is None else turns
        self.add_heads(VectorHead, heads, turns)
        self.build((None, size, size, channels))

    def answer(self, probabilities: Sequence[Tensor]) -> Tensor:
        return self.of_chosen(probabilities)

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Joints of all r·m pairs, for every head asked for float32 `[sub_heads, 1, k, k]`.

        Images and copies go through the network as one batch, every image once however many
        copies it has: Σ_j Σ_i p_i q_jiᵀ is Σ_i p_i (Σ_j q_ji)ᵀ.
        """
        x, gx = data["x"], data["gx"]
        shape = tuple(gx.shape)
        if len(shape) != 5 or not shape[1]:
            wanted = "copies of each image: gx [images, copies, size, size, channels]"
            raise expected(wanted, shape, "shape")
        copies = ops.reshape(gx, (-1, *shape[2:]))
        features = self.features(ops.concatenate([x, copies]), training)
        images = ops.shape(x)[0]
        joints = {}
        for head in names:
            layer = self.heads[head]
            both = layer.stacked(features)
            p = both[:images]
            apart = (-1, shape[1], layer.sub_heads, layer.clusters)
            q = ops.sum(ops.reshape(both[images:], apart), axis=1)
            joint = ops.matmul(ops.transpose(p, (1, 2, 0)), ops.transpose(q, (1, 0, 2)))
            joints[head] = ops.expand_dims(joint, 1)
        return joints

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """Mean loss −I_λ over the sub-heads of one head, `[sub_heads, 1, k, k]` → a scalar."""
        return -ops.mean(information(sums, self.head_lamb(name)))
