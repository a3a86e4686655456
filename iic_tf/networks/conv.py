"""A convolution that trains small maps by matrix products."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from iic_tf.networks import minimal_filtering, patch_products


@keras.saving.register_keras_serializable("iic_tf")
class Conv(keras.layers.Conv2D):  # type: ignore[misc]
    """Keras' Conv2D, but for small maps, on which training goes by matrix products, faster.

    The last convolution of network B goes with 5×5 kernels over maps of 3×3 cells, those of network
    A's last three stages with 3×3 over 8×8, 4×4 and 2×2: much of what they multiply is padding, or
    is multiplied again for the next cell. In float32 they train by `minimal_filtering`; in lower
    precisions, which its sums would cost too many digits, by `covering_convolution` where every
    cell sees the whole map. Those with strides that lead to 4×4 and 2×2 train by `patch_products`.
    Equal to Conv2D in outputs and gradients (tests/test_conv.py, tests/test_minimal_filtering.py,
    tests/test_patch_products.py). Evaluation and export are Keras' own: what kernels are turned
    into would make an exported model larger. So is training where there is a GPU, whose library
    chooses among such ways itself.
    """

    def call(self, inputs: Any, training: bool = False) -> Any:
        """`[batch, height, width, channels]` → `[batch, height', width', filters]`."""
        if training and self._plain(inputs.shape):
            size, strides = inputs.shape[1:3], tuple(self.strides)
            kernel = tf.convert_to_tensor(self.kernel)
            if self.padding == "same" and strides == (1, 1):
                if inputs.dtype == tf.float32 and minimal_filtering.gains(size, kernel.shape):
                    return minimal_filtering.minimal_convolution(inputs, kernel)
                if self._covers(size):
                    return covering_convolution(inputs, kernel)
            unpadded = self.padding == "valid" or self.kernel_size == (1, 1)
            if unpadded and patch_products.gains(size, self.kernel_size, strides):
                return patch_products.patch_convolution(inputs, kernel, strides)
        return super().call(inputs)

    def _plain(self, shape: tuple[int | None, ...]) -> bool:
        """Whether it is nothing but a convolution, by an odd kernel, of maps of known size."""
        return (
            tuple(self.dilation_rate) == (1, 1)
            and self.groups == 1
            and self.data_format == "channels_last"
            and not self.use_bias
            and self.activation is keras.activations.linear
            and None not in shape[1:3]
            and all(side % 2 == 1 for side in self.kernel_size)
            and not tf.config.get_visible_devices("GPU")
        )

    def _covers(self, size: tuple[int, int]) -> bool:
        return all(
            1 < side <= (kernel + 1) // 2
            for side, kernel in zip(size, self.kernel_size, strict=True)
        )


def covering_convolution(x: Any, kernel: Any) -> Any:
    """SAME convolution of a map that an odd kernel covers from every cell.

    Each output cell is a product of all inputs with one window of the kernel: 81 taps where a 5×5
    convolution of a 3×3 map goes through 225.

    Args:
        x: `[batch, h, w, channels]`, h and w known.
        kernel: `[kh, kw, channels, filters]`, odd, kh ≥ 2h − 1 and kw ≥ 2w − 1.

    Returns:
        `[batch, h, w, filters]`, of the type of `x`.
    """
    _, h, w, channels = x.shape
    kh, kw, _, filters = kernel.shape
    cells = [(row, column) for row in range(h) for column in range(w)]
    # Output (row, column) sees input (i, j) by tap (i − row + kh // 2, j − column + kw // 2).
    corners = [(kh // 2 - row, kw // 2 - column) for row, column in cells]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def convolve(x: Any, kernel: Any) -> tuple[Any, Any]:
        flat = tf.reshape(x, (-1, h * w * channels))
        windows = [
            tf.reshape(kernel[top : top + h, left : left + w], (h * w * channels, filters))
            for top, left in corners
        ]
        out = tf.stack([tf.matmul(flat, window) for window in windows], axis=1)

        def gradient(slope: Any) -> tuple[Any, Any]:
            slopes = tf.unstack(tf.reshape(slope, (-1, h * w, filters)), axis=1)
            to_x = tf.add_n(
                [
                    tf.matmul(s, window, transpose_b=True)
                    for s, window in zip(slopes, windows, strict=True)
                ]
            )
            of_windows = [
                tf.reshape(tf.matmul(flat, s, transpose_a=True), (h, w, channels, filters))
                for s in slopes
            ]
            taps = []
            for i in range(kh):
                for j in range(kw):
                    found = [
                        window[i - top, j - left]
                        for window, (top, left) in zip(of_windows, corners, strict=True)
                        if 0 <= i - top < h and 0 <= j - left < w
                    ]
                    # Taps beyond the map's reach see padding alone.
                    taps.append(tf.add_n(found) if found else tf.zeros_like(kernel[i, j]))
            return tf.reshape(to_x, tf.shape(x)), tf.reshape(tf.stack(taps), kernel.shape)

        return tf.reshape(out, (-1, h, w, filters)), gradient

    return convolve(x, kernel)
