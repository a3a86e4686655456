"""Batch normalisation by TensorFlow's fused kernel, or over several replicas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.networks.moving_statistics import kept_share
from iic_tf.replicas import present, replica_count, sum_over_replicas

FUSED_TYPES = ("float32", "bfloat16", "float16")


@keras.saving.register_keras_serializable("iic_tf")
class BatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' BatchNormalization; in training one kernel does what there are twenty passes.

    Keras composes training of elementary operations, synchronised ones over a tensor of ones
    besides. Where a single replica trains, that is the same as `FusedBatchNormV3`: equal outputs,
    gradients and moving statistics (tests/test_batch_norm.py). Several replicas take the statistics
    of the global batch (`synchronised`). Evaluating is Keras' own. Statistics are float32 whatever
    the precision policy.

    Takes `[batch, height, width, channels]`; arguments as Keras'.
    """

    momentum: float

    def call(
        self, inputs: Tensor, training: bool | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """A tensor of the same shape, in the layer's compute type."""
        if not (training and self.trainable and mask is None and self._plain(inputs)):
            return self._as_keras(inputs, training, mask)
        scale, offset = tf.cast(self.gamma, tf.float32), tf.cast(self.beta, tf.float32)
        if replica_count() == 1:
            out, mean, variance = fused(inputs, scale, offset, self.epsilon)
        else:
            out, mean, variance = synchronised(inputs, scale, offset, self.epsilon)
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            kept = kept_share(self.momentum)
            moving.assign(moving * kept + batch * (1.0 - kept))
        return tf.cast(out, self.compute_dtype)

    def _as_keras(self, inputs: Tensor, training: bool | None, mask: Tensor) -> Tensor:
        own, self.momentum = self.momentum, kept_share(self.momentum)
        try:
            return super().call(inputs, training=training, mask=mask)
        finally:
            self.momentum = own

    def _plain(self, inputs: Tensor) -> bool:
        return (
            tf.distribute.get_replica_context() is not None
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and self.synchronized
            and not self.renorm
            and keras.backend.standardize_dtype(inputs.dtype) in FUSED_TYPES
        )


def fused(
    x: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise `[batch, height, width, channels]` by its own statistics, in one kernel.

    Returns:
        The normalised batch, and its mean and variance `[channels]`, float32.
    """
    out, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
        x=x,
        scale=scale,
        offset=offset,
        mean=tf.zeros((0,)),
        variance=tf.zeros((0,)),
        epsilon=epsilon,
        is_training=True,
    )
    # The kernel returns n/(n − 1) times the variance that it divides by.
    n = tf.cast(tf.size(x) // scale.shape[0], tf.float32)
    return out, mean, variance * (tf.maximum(n - 1.0, 1.0) / n)


def synchronised(
    x: Tensor, scale: Tensor, offset: Tensor, epsilon: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Normalise by the statistics of the global batch, that of all replicas together.

    Two sums over replicas forward and one back, written out; Keras takes three each way, and the
    variance as E x² − (E x)², which loses digits where the mean is large. A stand-in for no images
    (`iic_tf.replicas`) is normalised, but counts for nothing.

    Returns:
        As `fused`, the statistics being the global batch's.
    """

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def normalise(
        x: Tensor, scale: Tensor, offset: Tensor
    ) -> tuple[tuple[Tensor, Tensor, Tensor], Callable[..., Any]]:
        kind = x.dtype
        x = tf.cast(x, tf.float32)
        counts = present()
        own = tf.cast(tf.size(x) // scale.shape[0], tf.float32)
        sums = tf.concat([tf.reduce_sum(x, (0, 1, 2)), own[None]], 0)
        sums = sum_over_replicas(sums * counts)
        count = sums[-1]
        mean = sums[:-1] / count
        centred = x - mean
        variance = sum_over_replicas(tf.reduce_sum(tf.square(centred), (0, 1, 2)) * counts) / count
        scaling = tf.math.rsqrt(variance + epsilon)
        normal = centred * scaling

        def gradient(out: Tensor, *_: Tensor) -> tuple[Tensor, Tensor, Tensor]:
            out = tf.cast(out, tf.float32)
            to_offset = tf.reduce_sum(out, (0, 1, 2))
            to_scale = tf.reduce_sum(out * normal, (0, 1, 2))
            # The optimiser sums those of weights over replicas; x answers for all of them here.
            everywhere = sum_over_replicas(tf.stack([to_offset, to_scale])) / count
            to_x = scale * scaling * (out - everywhere[0] - normal * everywhere[1]) * counts
            return tf.cast(to_x, kind), to_scale, to_offset

        return (tf.cast(normal * scale + offset, kind), mean, variance), gradient

    out, mean, variance = normalise(x, scale, offset)
    return out, mean, variance
