"""Keras' Adam, each variable's step taken by one kernel."""

from __future__ import annotations

import keras
import tensorflow as tf

from iic_tf.annotations import Tensor, Variable


@keras.saving.register_keras_serializable("iic_tf")
class Adam(keras.optimizers.Adam):  # type: ignore[misc]
    """`keras.optimizers.Adam` in less than half the time on a CPU: its formula in one pass.

    Keras writes a step as a dozen operations a variable, each of which goes through memory once;
    TensorFlow's own kernel does all of them at once. Networks with many weights and small batches
    (network A: 21 million, 32 images) spend a fifth of a step there. Equal to Keras' within
    rounding. With `amsgrad`, and for gradients that are not dense tensors, it is Keras'.

    Arguments and configuration are those of `keras.optimizers.Adam`.
    """

    def update_step(self, gradient: Tensor, variable: Variable, learning_rate: Tensor) -> None:
        """Move a variable and its moments by one step of Kingma & Ba (2015), algorithm 1."""
        if self.amsgrad or isinstance(gradient, tf.IndexedSlices):
            super().update_step(gradient, variable, learning_rate)
            return
        kind = variable.dtype
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, kind)
        beta_1, beta_2 = (tf.constant(beta, kind) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=_handle(variable),
            m=_handle(self._momentums[index]),
            v=_handle(self._velocities[index]),
            beta1_power=tf.pow(beta_1, step),
            beta2_power=tf.pow(beta_2, step),
            lr=tf.cast(learning_rate, kind),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.constant(self.epsilon, kind),
            grad=tf.cast(gradient, kind),
            # Two steps on one variable never run at once: a model applies its gradients once.
            use_locking=False,
        )


def _handle(variable: Variable) -> Tensor:
    """What TensorFlow's kernels know a variable by; of a mirrored one, this replica's."""
    made_by_keras = isinstance(variable, keras.Variable)
    return (variable.value if made_by_keras else variable).handle
