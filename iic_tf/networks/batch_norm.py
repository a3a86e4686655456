"""Batch normalisation by TensorFlow's fused kernel."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

FUSED_TYPES = ("float32", "bfloat16", "float16")


@keras.saving.register_keras_serializable("iic_tf")
class BatchNorm(keras.layers.BatchNormalization):  # type: ignore[misc]
    """Keras' BatchNormalization; in training one kernel does what there are twenty passes.

    Keras composes training of elementary operations, synchronised ones over a tensor of ones
    besides. Where a single replica trains, that is the same as `FusedBatchNormV3`: equal outputs,
    gradients and moving statistics (tests/test_batch_norm.py). With several replicas, and when
    evaluating, it is Keras' own. Statistics are float32 whatever the precision policy.

    Takes `[batch, height, width, channels]`; arguments as Keras'.
    """

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """A tensor of the same shape, in the layer's compute type."""
        if not (training and self.trainable and mask is None and self._fusible(inputs)):
            return super().call(inputs, training=training, mask=mask)
        out, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.cast(self.gamma, tf.float32),
            offset=tf.cast(self.beta, tf.float32),
            mean=tf.zeros((0,)),
            variance=tf.zeros((0,)),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel returns n/(n − 1) times the variance that it divides by.
        n = tf.cast(tf.size(inputs) // self.gamma.shape[0], tf.float32)
        variance *= tf.maximum(n - 1.0, 1.0) / n
        for moving, batch in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(moving * self.momentum + batch * (1.0 - self.momentum))
        return tf.cast(out, self.compute_dtype)

    def _fusible(self, inputs: Any) -> bool:
        replica = tf.distribute.get_replica_context()
        return (
            replica is not None
            and replica.num_replicas_in_sync == 1
            and len(inputs.shape) == 4
            and self.axis in (-1, 3)
            and self.scale
            and self.center
            and not self.renorm
            and keras.backend.standardize_dtype(inputs.dtype) in FUSED_TYPES
        )
