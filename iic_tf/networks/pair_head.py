"""What two places are to each other, by their features."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from iic_tf.annotations import Config, Shape, Tensor


@keras.saving.register_keras_serializable("iic_tf")
class PairHead(keras.layers.Layer):  # type: ignore[misc]
    """A dense layer for each of two vectors, the same, and one for both: logits of what they are.

    Args:
        outputs: how many logits.
        hidden: units of both layers.
    """

    def __init__(self, outputs: int, hidden: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.outputs, self.hidden = outputs, hidden
        policy = self.dtype_policy
        self.each = keras.layers.Dense(hidden, "relu", name="each", dtype=policy)
        self.both = keras.layers.Dense(hidden, "relu", name="both", dtype=policy)
        self.logits = keras.layers.Dense(outputs, name="logits", dtype=policy)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.each.build(input_shape)
        self.both.build((*input_shape[:-1], 2 * self.hidden))
        self.logits.build((*input_shape[:-1], self.hidden))
        self.built = True

    def call(self, first: Tensor, second: Tensor) -> Tensor:
        """Two `[..., features]` → float32 `[..., outputs]`."""
        both = ops.concatenate([self.each(first), self.each(second)], axis=-1)
        return ops.cast(self.logits(self.both(both)), "float32")

    def compute_output_shape(
        self, first: Shape, second: Shape | None = None
    ) -> tuple[int | None, ...]:
        return (*first[:-1], self.outputs)

    def get_config(self) -> Config:
        return {**super().get_config(), "outputs": self.outputs, "hidden": self.hidden}
