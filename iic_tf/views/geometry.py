"""The geometry of g: flips and affine warps of images, and the way back of probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Tensor
from iic_tf.errors import expected
from iic_tf.views.ranges import check_number

MOST_SCALE = 100
"""The largest factor; beyond it, and below its inverse, nothing is left of an image."""

_QUARTER = np.array([[0.0, -1.0], [1.0, 0.0]])


@dataclass(frozen=True)
class Geometry:
    """What may be drawn; the defaults are the published results' (a flip, nothing else).

    Attributes:
        flip: probability of a horizontal flip.
        upside_down: probability of a vertical flip (aerial images know no up).
        quarter_turns: also turn by 0, 90, 180 or 270 degrees, exactly; crops must be square.
        rotation: degrees, 0 to 360; drawn from −rotation to rotation.
        shear: degrees, likewise, 0 to 89.
        scale: smallest and largest factor, 0.01 to 100.

    Raises:
        InputError: a value of another kind, or outside its range.
    """

    # No other names where plain values are made into one.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    flip: float = 0.5
    upside_down: float = 0.0
    quarter_turns: bool = False
    rotation: float = 0.0
    shear: float = 0.0
    scale: tuple[float, float] = (1.0, 1.0)

    def __post_init__(self) -> None:
        for name in ("flip", "upside_down"):
            check_number(getattr(self, name), "a probability from 0 to 1", name, 0, 1)
        for name, most in (("rotation", 360), ("shear", 89)):
            what = f"degrees from 0 to {most}"
            check_number(getattr(self, name), what, name, 0, most)
        if not isinstance(self.quarter_turns, bool):
            raise expected("quarter_turns true or false", self.quarter_turns, "quarter_turns")
        what = f"0 < smallest <= largest factor, from {1 / MOST_SCALE:g} to {MOST_SCALE}"
        if not isinstance(self.scale, tuple | list) or len(self.scale) != 2:
            raise expected(what, self.scale, "scale")
        for factor in self.scale:
            check_number(factor, what, "scale", 1 / MOST_SCALE, MOST_SCALE)
        if not self.scale[0] <= self.scale[1]:
            raise expected(what, self.scale, "scale")

    @property
    def affine(self) -> bool:
        """Whether anything but flips is drawn: then the way back is interpolated, not exact."""
        return self.rotation > 0 or self.shear > 0 or tuple(self.scale) != (1.0, 1.0)

    def draw(self, rng: np.random.Generator) -> NDArray[np.float32]:
        """One g as a 2×2 matrix about the image's centre, from places in gx to places in x.

        Rows and columns are (x, y). A flip is diag(±1, ±1); with quarter turns the two rows may be
        swapped.
        """
        flip = -1.0 if rng.random() < self.flip else 1.0
        down = -1.0 if rng.random() < self.upside_down else 1.0
        quarter = int(rng.integers(4)) if self.quarter_turns else 0
        turn = math.radians(rng.uniform(-self.rotation, self.rotation))
        slant = math.radians(rng.uniform(-self.shear, self.shear))
        factor = rng.uniform(*self.scale)
        mirror = np.diag([flip, down]) @ np.linalg.matrix_power(_QUARTER, quarter)
        if not self.affine:
            return np.asarray(mirror, np.float32)
        rotate = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
        shear = np.array([[1.0, math.tan(slant)], [0.0, 1.0]])
        return np.asarray(mirror @ rotate @ shear / factor, np.float32)


def flip(images: Tensor, matrices: Tensor) -> Tensor:
    """Apply flips and quarter turns, exactly: out[v] = images[M v] about the centre.

    Args:
        images: `[batch, height, width, c]`; square where a matrix swaps the axes.
        matrices: `[batch, 2, 2]`, of entries −1, 0 and 1 with one in each row and column.
    """
    # M = F S with S the identity or the swap of the axes and F = diag(±1, ±1): first F, then S.
    return _swapped(_mirrored(images, matrices), matrices)


def unflip(maps: Tensor, matrices: Tensor) -> Tensor:
    """Undo `flip`, exactly."""
    return _mirrored(_swapped(maps, matrices), matrices)


def _mirrored(images: Tensor, matrices: Tensor) -> Tensor:
    signs = ops.sum(matrices, axis=-1)
    sideways = ops.reshape(signs[:, 0] < 0, (-1, 1, 1, 1))
    images = ops.where(sideways, ops.flip(images, axis=2), images)
    down = ops.reshape(signs[:, 1] < 0, (-1, 1, 1, 1))
    return ops.where(down, ops.flip(images, axis=1), images)


def _swapped(images: Tensor, matrices: Tensor) -> Tensor:
    if images.shape[1] != images.shape[2]:
        # Pairs draws no quarter turns for crops that are not square.
        return images
    swap = ops.reshape(ops.abs(matrices[:, 0, 0]) < 0.5, (-1, 1, 1, 1))
    return ops.where(swap, ops.swapaxes(images, 1, 2), images)


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Sample `images` at the places that `matrices` send the output's places to (bilinear).

    out[n, v] = images[n, M_n (v − centre) + centre], zero outside. It is made of gathers, so that
    its gradient is the exact adjoint and every backend and ONNX take it.

    Args:
        images: `[batch, height, width, c]`, any float type.
        matrices: float32 `[batch, 2, 2]`, rows and columns (x, y), in pixels about the centre.

    Returns:
        Of the shape and type of `images`.
    """
    height, width, channels = ops.shape(images)[1], ops.shape(images)[2], images.shape[-1]
    x = ops.cast(ops.arange(width), "float32") - (ops.cast(width, "float32") - 1) / 2
    y = ops.cast(ops.arange(height), "float32") - (ops.cast(height, "float32") - 1) / 2
    m = ops.reshape(ops.cast(matrices, "float32"), (-1, 2, 2, 1, 1))
    grid_x, grid_y = ops.reshape(x, (1, 1, -1)), ops.reshape(y, (1, -1, 1))
    source_x = m[:, 0, 0] * grid_x + m[:, 0, 1] * grid_y + (ops.cast(width, "float32") - 1) / 2
    source_y = m[:, 1, 0] * grid_x + m[:, 1, 1] * grid_y + (ops.cast(height, "float32") - 1) / 2
    left, top = ops.floor(source_x), ops.floor(source_y)
    flat = ops.reshape(images, (-1, height * width, channels))
    total: Tensor = 0.0
    for dy in (0, 1):
        for dx in (0, 1):
            column, row = left + dx, top + dy
            weight = (1 - ops.abs(source_x - column)) * (1 - ops.abs(source_y - row))
            inside = (column >= 0) & (column <= ops.cast(width - 1, "float32"))
            inside &= (row >= 0) & (row <= ops.cast(height - 1, "float32"))
            column = ops.clip(column, 0, ops.cast(width - 1, "float32"))
            row = ops.clip(row, 0, ops.cast(height - 1, "float32"))
            index = ops.cast(row, "int32") * width + ops.cast(column, "int32")
            picked = ops.take_along_axis(flat, ops.reshape(index, (-1, height * width, 1)), axis=1)
            weight = ops.reshape(weight * ops.cast(inside, "float32"), (-1, height * width, 1))
            total = total + picked * ops.cast(weight, images.dtype)
    return ops.reshape(total, ops.shape(images))


def apply(images: Tensor, matrices: Tensor, affine: bool) -> Tensor:
    """Gx's geometry: images `[batch, height, width, c]` under g `[batch, 2, 2]`."""
    return warp(images, matrices) if affine else flip(images, matrices)


def undo(maps: Tensor, pairs: Batch) -> Tensor:
    """g⁻¹ of maps `[batch, height, width, k]`: back onto x, zero where g left the image.

    A batch of `pairs` holds its g under `flip` (undone exactly) or under `affine`.
    """
    if "affine" in pairs:
        return warp(maps, _inverse(pairs["affine"]))
    return unflip(maps, pairs["flip"])


def _inverse(matrices: Tensor) -> Tensor:
    a, b = matrices[:, 0, 0], matrices[:, 0, 1]
    c, d = matrices[:, 1, 0], matrices[:, 1, 1]
    determinant = ops.reshape(a * d - b * c, (-1, 1, 1))
    return ops.stack([ops.stack([d, -b], -1), ops.stack([-c, a], -1)], 1) / determinant
