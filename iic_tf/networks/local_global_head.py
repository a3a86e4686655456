"""InfoSeg's head: features of each patch, and one of the whole image for each class."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected
from iic_tf.networks.basic_block import BasicBlock
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.widths import widened

IMAGE_FILTERS = (512, 512)


@keras.saving.register_keras_serializable("iic_tf")
class LocalGlobalHead(keras.layers.Layer):  # type: ignore[misc]
    """Local features L of a grid of patches and global features H_k, all of P dimensions.

    Blocks B to D of Harb & Knöbelreiter (2021), section 4.2, as their text has them: C, a residual
    block of pointwise convolutions, makes L of the grid; B makes features of the whole image, a
    second C refines them, and D is a linear layer for each class. What B is, a figure alone says:
    here two 3×3 convolutions of stride 2 and the mean over the map, so that any size works. D
    begins so small that scores ⟨L, H_k⟩ are about 1 and segmentations uncertain, as section 4.3
    wants them at the beginning.

    B's C is not normalised over the batch behind its sum. If it were, each H_k would be 0 on
    average over images: what images have in common is what makes k begin as the same class in all
    of them. For the same reason D's offsets begin at random, of the size of what depends on the
    image, and not at 0.

    Attributes:
        image_stride: cells of the grid, in either direction, to a cell of block B.
        image_radius: how many cells of the grid a cell of block B sees on either side.
        image_features: how many numbers block B makes of an image.

    Args:
        clusters: K ≥ 2.
        features: P ≥ 1.
        width: factor of block B's channel counts.
        centred: whether what depends on the image sums to 0 over the classes. ⟨L, ·⟩ of what they
            have in common adds the same to all scores: class probabilities know nothing of it.
        image_scale: factor of what depends on the image. Below 1 that begins smaller than offsets,
            which are the same in all images, and is slower to learn.
    """

    image_stride = 2 ** len(IMAGE_FILTERS)
    image_radius = image_stride - 1

    def __init__(
        self,
        clusters: int,
        features: int = 1024,
        width: float = 1.0,
        centred: bool = False,
        image_scale: float = 1.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if clusters < 2:
            raise expected("at least 2 clusters in a head", clusters, "clusters")
        if features < 1:
            raise expected("at least 1 feature", features, "features")
        self.clusters = clusters
        self.features = features
        self.width = width
        self.centred = centred
        self.image_scale = image_scale
        policy = self.dtype_policy
        self.image_features = widened(IMAGE_FILTERS, width)[-1]
        self.image = [ConvBlock(f, stride=2, dtype=policy) for f in widened(IMAGE_FILTERS, width)]
        # No ReLU behind them: a score is a dot product, and half of all directions are negative.
        pointwise: Config = {"kernel_size": 1, "activate": False, "dtype": policy}
        self.local_residual = BasicBlock(features, **pointwise)
        self.image_residual = BasicBlock(features, normalise=False, **pointwise)
        self.linear = keras.layers.Dense(
            clusters * features,
            kernel_initializer=keras.initializers.VarianceScaling(1.0 / features),
            bias_initializer=keras.initializers.RandomNormal(stddev=math.sqrt(2.0 / features)),
            dtype=policy,
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.local_residual.build(input_shape)
        shape = input_shape
        for block in self.image:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        pooled = (shape[0], 1, 1, shape[-1])
        self.image_residual.build(pooled)
        self.linear.build((shape[0], self.features))
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> tuple[Tensor, Tensor]:
        """The grid's features → L and H.

        Args:
            x: `[batch, u, v, channels]`.
            training: whether BatchNormalization uses the batch's own statistics. Those of the
                features of whole images are taken over the images of the batch alone.

        Returns:
            L `[batch, u, v, P]` and H `[batch, K, P]`, in the layer's compute type.
        """
        local = self.local(x, training)
        mean = ops.mean(self.image_map(x, training), axis=(1, 2))
        return local, self.of_classes(mean, training)

    def local(self, x: Tensor, training: bool = False) -> Tensor:
        """The grid's features → L, `[batch, u, v, P]`."""
        return self.local_residual(x, training=training)

    def image_map(self, x: Tensor, training: bool = False) -> Tensor:
        """Block B before its mean, `[batch, ⌈u/4⌉, ⌈v/4⌉, image_features]`.

        Cell m of it is centred on cell 4 m of the grid, and sees the three on either side of that:
        of a large image it can be made piece by piece.
        """
        for block in self.image:
            x = block(x, training=training)
        return x

    def of_classes(self, mean: Tensor, training: bool = False) -> Tensor:
        """The mean of block B over an image, `[batch, image_features]` → H, `[batch, K, P]`."""
        image = self.image_residual(mean[:, None, None], training=training)
        every = self._of_classes(self.linear(self.image_scale * image[:, 0, 0]))
        if self.centred:
            # D's offsets stay: they are the same in all images.
            own = every - self._of_classes(ops.cast(self.linear.bias[None], every.dtype))
            every = every - ops.mean(own, axis=1, keepdims=True)
        return every

    def _of_classes(self, x: Tensor) -> Tensor:
        return ops.reshape(x, (-1, self.clusters, self.features))

    def get_config(self) -> Config:
        names = ("clusters", "features", "width", "centred", "image_scale")
        return {**super().get_config(), **{name: getattr(self, name) for name in names}}
