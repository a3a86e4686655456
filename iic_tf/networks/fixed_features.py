"""Features that nobody learns, in place of a network: pixels, and histograms of gradients."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Config, Tensor
from iic_tf.errors import expected

if TYPE_CHECKING:
    from collections.abc import Sequence

ORIENTATIONS = 9
CLIP = 0.2
LEAST_CELL = 4


@keras.saving.register_keras_serializable("iic_tf")
class Pixels(keras.layers.Layer):  # type: ignore[misc]
    """All numbers of an image, as they are.

    Args:
        width: of networks; nothing here.
    """

    learns: ClassVar[bool] = False

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.width = width

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, height · width · channels]`."""
        return ops.reshape(x, (-1, int(np.prod(x.shape[1:]))))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        return (input_shape[0], int(np.prod([side or 0 for side in input_shape[1:]])))

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable("iic_tf")
class HOG(keras.layers.Layer):  # type: ignore[misc]
    """Histograms of oriented gradients.

    Dalal, Triggs: Histograms of Oriented Gradients for Human Detection, CVPR 2005. Gradients by
    differences over two pixels, none at the border; of several channels the longest one. Their
    lengths are summed in square cells by 9 orientations of 20° without sign, shared between the
    two nearest. Blocks of 2×2 cells, overlapping, are brought to length 1, clipped at 0.2, and
    again to length 1. Cells have an eighth of the image's side, 4 pixels at least; what is left
    over at the right and below is not seen.

    Args:
        width: of networks; nothing here.
    """

    learns: ClassVar[bool] = False

    def __init__(self, width: float = 1.0, **kwargs: Any):
        # Divisions by small numbers: float32 whatever the precision policy.
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.width = width

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        sides = input_shape[1:3]
        if any(side is None or side < 2 * LEAST_CELL for side in sides):
            wanted = f"images of a known size of at least {2 * LEAST_CELL} pixels for hog"
            raise expected(wanted, "×".join(str(side) for side in sides), "size")
        self.built = True

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, channels]` → `[batch, blocks · 36]`, 0 or more."""
        x = ops.cast(x, "float32")
        down, right = self._gradients(x)
        lengths = ops.sqrt(ops.square(down) + ops.square(right))
        # From −90 to 90 degrees: both ends are one orientation, so that nothing jumps there.
        safe = ops.where(ops.abs(right) < 1e-12, 1e-12, right)
        angles = ops.arctan(down / safe)[..., None] * (180 / np.pi)
        step = 180 / ORIENTATIONS
        centres = np.float32(-90 + step * (np.arange(ORIENTATIONS) + 0.5))
        away = ops.abs(angles - centres)
        votes = ops.relu(1 - ops.minimum(away, 180 - away) / step) * lengths[..., None]
        cell = _cell(x.shape[1:3])
        rows, columns = (side // cell for side in x.shape[1:3])
        kept = votes[:, : rows * cell, : columns * cell]
        cells = ops.sum(
            ops.reshape(kept, (-1, rows, cell, columns, cell, ORIENTATIONS)), axis=(2, 4)
        )
        parts = [cells[:, i : rows - 1 + i, j : columns - 1 + j] for i in (0, 1) for j in (0, 1)]
        blocks = _unit(ops.concatenate(parts, axis=-1))
        blocks = _unit(ops.minimum(blocks, CLIP))
        return ops.reshape(blocks, (-1, (rows - 1) * (columns - 1) * 4 * ORIENTATIONS))

    def _gradients(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Of brightness downwards and to the right, of the channel with the longest one."""
        inner = ((0, 0), (1, 1), (0, 0), (0, 0)), ((0, 0), (0, 0), (1, 1), (0, 0))
        down = ops.pad(x[:, 2:] - x[:, :-2], inner[0])
        right = ops.pad(x[:, :, 2:] - x[:, :, :-2], inner[1])
        best = down[..., 0], right[..., 0]
        # One by one: Keras' argmax is made of what ONNX lacks.
        for one in zip(ops.unstack(down, axis=-1), ops.unstack(right, axis=-1), strict=True):
            longer = sum(map(ops.square, one)) > sum(map(ops.square, best))
            best = ops.where(longer, one[0], best[0]), ops.where(longer, one[1], best[1])
        return best

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [side or 0 for side in input_shape[1:3]]
        rows, columns = (side // _cell(sides) for side in sides)
        return (input_shape[0], (rows - 1) * (columns - 1) * 4 * ORIENTATIONS)

    def get_config(self) -> Config:
        return {**super().get_config(), "width": self.width}


def _cell(sides: Sequence[int]) -> int:
    """The side of a cell, in pixels."""
    return max(LEAST_CELL, int(min(sides)) // 8)


def _unit(blocks: Tensor) -> Tensor:
    squares = ops.sum(ops.square(blocks), axis=-1, keepdims=True)
    return blocks * ops.rsqrt(squares + 1e-10)
