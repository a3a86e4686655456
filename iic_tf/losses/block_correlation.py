"""Correlation of two maps at many displacements, by Fourier transforms of small blocks.

Both maps are cut into blocks of B×B pixels; those of q are wider by the window, L = B + 2T, so that
circular correlation of length L is exact for all |t| ≤ T. The products of the spectra are summed
over blocks and images before anything is transformed back, and only the (2T + 1)² wanted
displacements are. All transforms are written as matrix products, which run at the speed of the
network's own.

The gradient with respect to p is the correlation of q with dL/dP, that with respect to q the
convolution of p with it; both come from the same spectra. Frequencies along x have nothing to do
with each other until their results are summed: where spectra and products are large, they are made
for a few frequencies at a time, within `BUDGET`, and again for the gradient.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Size, Tensor

BUDGET = 8 * 2**20
"""Bytes of spectra and products that are held at a time."""
UNKNOWN_BATCH = 16
"""Images reckoned with where the graph is built without knowing how many come."""


class Axis:
    """One axis of a map, cut into blocks."""

    BLOCK = 32
    """Pixels of a block at which transforms and products together cost least."""

    def __init__(self, size: int, reach: int):
        self.size = size
        self.reach = reach
        self.blocks = max(1, round(size / self.BLOCK))
        self.block = -(-size // self.blocks)
        self.extra = self.blocks * self.block - size
        self.long = self.block + 2 * reach
        self.window = 2 * reach + 1
        self.half = self.long // 2 + 1

    def angles(self, positions: int, frequencies: int) -> NDArray[Any]:
        return 2 * np.pi / self.long * np.outer(np.arange(positions), np.arange(frequencies))

    def complex_to(self, positions: int) -> NDArray[Any]:
        """Transform of `positions` complex values: `[2·positions, 2·long]`, (re, im) outside."""
        angle = self.angles(positions, self.long)
        cosine, sine = np.cos(angle), np.sin(angle)
        return np.block([[cosine, -sine], [sine, cosine]])

    def complex_back(self, positions: int) -> NDArray[Any]:
        """The first `positions` values of a spectrum: `[2·long, 2·positions]`."""
        return self.complex_to(positions).T / self.long

    def real_to(self, positions: int, frequencies: int) -> NDArray[Any]:
        """Half spectrum of `positions` real values, `[positions, 2, frequencies]`.

        Frequencies beyond `half` are zero.
        """
        angle = self.angles(positions, self.half)
        matrix = np.stack([np.cos(angle), -np.sin(angle)], axis=1)
        return np.pad(matrix, ((0, 0), (0, 0), (0, frequencies - self.half)))

    def real_back(self, frequencies: int) -> NDArray[Any]:
        """`long` real values of a half spectrum: `[frequencies, 2, long]`."""
        # A real signal's spectrum is symmetric: all but the first and, for even lengths, the last
        # of the kept frequencies stand for two.
        twice = np.full(self.half, 2.0)
        twice[0] = 1.0
        if self.long % 2 == 0:
            twice[-1] = 1.0
        weights = np.pad(twice, (0, frequencies - self.half))[:, None, None] / self.long
        back: NDArray[Any] = weights * self.real_to(self.long, frequencies).transpose(2, 1, 0)
        return back

    def overlapping(self, x: Tensor, axis: int) -> Tensor:
        """Cut the last axis into windows of `long`, one a block, stacked as a new `axis`."""
        starts = range(0, self.blocks * self.block, self.block)
        return ops.stack([x[..., s : s + self.long] for s in starts], axis=axis)

    def overlap_add(self, x: Tensor, axis: int) -> Tensor:
        """The adjoint: windows of `long` (last axis) → more blocks, along `axis`, of `block`."""
        pieces = -(-self.long // self.block)
        total = None
        for i in range(pieces):
            piece = x[..., i * self.block : (i + 1) * self.block]
            pad = [(0, 0)] * len(x.shape)
            pad[axis] = (i, pieces - 1 - i)
            pad[-1] = (0, self.block - piece.shape[-1])
            piece = ops.pad(piece, pad)
            total = piece if total is None else total + piece
        return total


def correlation_by_blocks(p: Tensor, q: Tensor, reach: tuple[int, int]) -> Tensor:
    """`[(2 T_y + 1)(2 T_x + 1), k, k]` of maps `[batch, height, width, k]`.

    (T_y, T_x) is `reach`.
    """

    @ops.custom_gradient  # type: ignore[untyped-decorator]
    def correlate(p: Tensor, q: Tensor) -> tuple[Tensor, Callable[..., Any]]:
        plan = BlockCorrelation(tuple(p.shape), reach, p.dtype)
        joints, spectra = plan.forward(p, q)

        def gradient(*arguments: Any, upstream: Tensor | None = None) -> tuple[Tensor, Tensor]:
            (gradient,) = arguments or (upstream,)
            return plan.backward(p, q, gradient, spectra)

        return joints, gradient

    return correlate(p, q)


class BlockCorrelation:
    """The steps, for maps of one shape. In shapes below, n is images, 2 is real and imaginary."""

    def __init__(self, shape: tuple[int, ...], reach: tuple[int, int], dtype: tf.DType):
        batch, height, width, self.k = shape
        self.y, self.x = Axis(height, reach[0]), Axis(width, reach[1])
        self.dtype = dtype
        # Bytes that one frequency along x takes: spectra of both maps, products, their copies.
        blocks = (batch or UNKNOWN_BATCH) * self.y.blocks * self.x.blocks
        one = 4 * self.y.long * (8 * blocks * self.k + 8 * self.k**2)
        self.parts = math.ceil(self.x.half / max(1, BUDGET // one))
        self.part = math.ceil(self.x.half / self.parts)
        self.frequencies = self.parts * self.part
        self.real_to = self.x.real_to(self.x.long, self.frequencies)
        self.real_back = self.x.real_back(self.frequencies)

    def forward(self, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """The joints, and the spectra where they are small enough to be kept."""
        y, x, k = self.y, self.x, self.k
        stripes = self.stripes_of_p(p), self.stripes_of_q(q)
        if self.parts == 1:
            spectra = self.spectra(*stripes)
            joints = self.joints(0, *spectra)
        else:
            spectra = None
            (joints,) = self.in_parts(
                lambda i, *stripes: [self.joints(i, *self.spectra(*stripes))],
                stripes,
                [ops.zeros((y.window, k * k, x.window), self.dtype)],
            )
        joints = ops.reshape(ops.transpose(joints, (0, 2, 1)), (-1, k, k))
        return joints, spectra

    def backward(
        self, p: Tensor, q: Tensor, gradient: Tensor, spectra: Tensor
    ) -> tuple[Tensor, Tensor]:
        """dL/dp and dL/dq from dL/dP."""
        gradient = self.stripes_of_gradient(gradient)
        if spectra is not None:
            of_p, of_q = self.gradients(0, gradient, *spectra)
        else:
            of_p, of_q = self.in_parts(
                lambda i, gradient, *stripes: self.gradients(i, gradient, *self.spectra(*stripes)),
                (gradient, self.stripes_of_p(p), self.stripes_of_q(q)),
                self.no_gradients(ops.shape(p)[0]),
            )
        of_q = self.x.overlap_add(of_q, 4)
        return self.map_of(of_p, (0, 0)), self.map_of(of_q, (self.y.reach, self.x.reach))

    def in_parts(
        self,
        step: Callable[..., Sequence[Any]],
        arrays: Sequence[Tensor],
        totals: Sequence[Tensor],
    ) -> list[Tensor]:
        """Sum what `step` makes of each part of the arrays' frequencies, strictly one by one."""
        split = [ops.reshape(a, (self.parts, self.part, *_shape(a)[1:])) for a in arrays]

        def body(i: Size, *totals: Tensor) -> tuple[Tensor, ...]:
            made = step(i, *(a[i] for a in split))
            return (i + 1, *(t + m for t, m in zip(totals, made, strict=True)))

        # Not ops.while_loop: it would let parts run side by side, all in memory at once.
        _, *totals = tf.while_loop(
            lambda i, *_: i < self.parts,
            body,
            (tf.constant(0), *totals),
            shape_invariants=(tf.TensorShape(()), *(t.shape for t in totals)),
            parallel_iterations=1,
        )
        return list(totals)

    # --- there

    def stripes_of_p(self, p: Tensor) -> Tensor:
        """Spectra along x of the blocks of p, `[frequencies, n, k, columns, rows, 2, block]`."""
        y, x = self.y, self.x
        p = ops.transpose(p, (0, 3, 1, 2))
        p = ops.pad(p, ((0, 0), (0, 0), (0, y.extra), (0, x.extra)))
        p = ops.reshape(p, (-1, self.k, y.blocks, y.block, x.blocks, x.block))
        p = ops.matmul(p, self._tensor(self.real_to[: x.block].reshape(x.block, -1)))
        p = ops.reshape(p, (-1, self.k, y.blocks, y.block, x.blocks, 2, self.frequencies))
        return ops.transpose(p, (6, 0, 1, 4, 2, 5, 3))

    def stripes_of_q(self, q: Tensor) -> Tensor:
        """Spectra along x of the windows of q, `[frequencies, n, k, columns, 2, height']`."""
        y, x = self.y, self.x
        q = ops.transpose(q, (0, 3, 1, 2))
        edges = ((y.reach, y.extra + y.reach), (x.reach, x.extra + x.reach))
        q = x.overlapping(ops.pad(q, ((0, 0), (0, 0), *edges)), axis=3)
        q = ops.matmul(q, self._tensor(self.real_to.reshape(x.long, -1)))
        q = ops.reshape(q, (-1, self.k, q.shape[2], x.blocks, 2, self.frequencies))
        return ops.transpose(q, (5, 0, 1, 3, 4, 2))

    def spectra(self, stripe_p: Tensor, stripe_q: Tensor) -> tuple[Tensor, Tensor]:
        """Both maps' spectra `[part, long_y, blocks of all images, (2, k)]`."""
        return self._along_y(stripe_p), self._along_y(self.y.overlapping(stripe_q, axis=4))

    def _along_y(self, stripe: Tensor) -> Tensor:
        length = stripe.shape[-1]
        stripe = ops.reshape(stripe, (*_shape(stripe)[:-2], 2 * length))
        s = ops.matmul(stripe, self._tensor(self.y.complex_to(length)))
        s = ops.reshape(s, (*_shape(s)[:-1], 2, self.y.long))
        s = ops.transpose(s, (0, 6, 1, 3, 4, 5, 2))
        return ops.reshape(s, (self.part, self.y.long, -1, 2 * self.k))

    def joints(self, i: Size, p: Tensor, q: Tensor) -> Tensor:
        """What part i of the spectra adds to the joints `[window_y, k², window_x]`."""
        y, x, k = self.y, self.x, self.k
        both = ops.matmul(ops.swapaxes(p, -1, -2), q)
        # conj(p) q
        real = both[..., :k, :k] + both[..., k:, k:]
        imaginary = both[..., :k, k:] - both[..., k:, :k]
        s = ops.reshape(ops.stack([real, imaginary]), (2, self.part, y.long, k * k))
        s = ops.reshape(ops.transpose(s, (1, 3, 0, 2)), (self.part, k * k, 2 * y.long))
        s = ops.matmul(s, self._tensor(y.complex_back(y.window)))
        s = ops.reshape(s, (self.part, k * k, 2, y.window))
        s = ops.reshape(ops.transpose(s, (3, 1, 0, 2)), (y.window, k * k, self.part * 2))
        return ops.matmul(s, self._back_x(i, x.window))

    # --- and back

    def stripes_of_gradient(self, gradient: Tensor) -> Tensor:
        """Spectra along x of dL/dP, `[frequencies, k², (2, window_y)]`."""
        y, x, k = self.y, self.x, self.k
        gradient = ops.transpose(ops.reshape(gradient, (y.window, x.window, k * k)), (0, 2, 1))
        gradient = ops.matmul(
            gradient, self._tensor(self.real_to[: x.window].reshape(x.window, -1))
        )
        gradient = ops.reshape(gradient, (y.window, k * k, 2, self.frequencies))
        gradient = ops.transpose(gradient, (3, 1, 2, 0))
        return ops.reshape(gradient, (self.frequencies, k * k, 2 * y.window))

    def gradients(self, i: Size, gradient: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        """What part i adds to dL/dp and dL/dq, in blocks.

        `[n, k, rows, block_y, columns, block_x]` and `[n, k, rows', block_y, columns, long_x]`.
        """
        y, x, k = self.y, self.x, self.k
        gradient = ops.matmul(gradient, self._tensor(y.complex_to(y.window)))
        gradient = ops.reshape(gradient, (self.part, k, k, 2, y.long))
        gradient = ops.transpose(gradient, (3, 0, 4, 1, 2))
        real, imaginary = gradient[0], gradient[1]
        # Of p: conj(gradient) q, summed over q's clusters; of q: gradient p, summed over p's.
        turned = ops.swapaxes(real, -1, -2), ops.swapaxes(imaginary, -1, -2)
        of_p = ops.matmul(q, _complex(turned[0], -turned[1]))
        of_p = self._back_y(of_p, y.block)
        of_p = ops.transpose(of_p, (1, 2, 4, 6, 3, 0, 5))
        of_q = ops.matmul(p, _complex(real, imaginary))
        of_q = y.overlap_add(self._back_y(of_q, y.long), 4)
        of_q = ops.transpose(of_q, (1, 2, 4, 6, 3, 0, 5))
        return self._blocks(i, of_p, x.block), self._blocks(i, of_q, x.long)

    def _blocks(self, i: Size, s: Tensor, width: int) -> Tensor:
        """`[..., part, 2]` → `[..., width]` pixels."""
        return ops.matmul(ops.reshape(s, (*_shape(s)[:-2], self.part * 2)), self._back_x(i, width))

    def _back_y(self, s: Tensor, length: int) -> Tensor:
        """`[part, long_y, m, (2, k)]` → `[part, n, k, columns, rows, 2, length]`."""
        y, x, k = self.y, self.x, self.k
        s = ops.reshape(s, (self.part, y.long, -1, x.blocks, y.blocks, 2, k))
        s = ops.transpose(s, (0, 2, 6, 3, 4, 5, 1))
        s = ops.reshape(s, (self.part, -1, k, x.blocks, y.blocks, 2 * y.long))
        s = ops.matmul(s, self._tensor(y.complex_back(length)))
        return ops.reshape(s, (*_shape(s)[:-1], 2, length))

    def no_gradients(self, batch: Size) -> list[Tensor]:
        """Zeros to add the parts' gradients to."""
        y, x = self.y, self.x
        rows = y.blocks + -(-y.long // y.block) - 1
        shapes = (
            (batch, self.k, y.blocks, y.block, x.blocks, x.block),
            (batch, self.k, rows, y.block, x.blocks, x.long),
        )
        return [ops.zeros(shape, self.dtype) for shape in shapes]

    def map_of(self, blocks: Tensor, start: tuple[int, int]) -> Tensor:
        """`[n, k, rows, y, columns, x]` → `[n, height, width, k]` from pixel `start` on."""
        _, _, rows, height, columns, width = blocks.shape
        x = ops.reshape(blocks, (-1, self.k, rows * height, columns * width))
        x = x[:, :, start[0] : start[0] + self.y.size, start[1] : start[1] + self.x.size]
        return ops.transpose(x, (0, 2, 3, 1))

    def _back_x(self, i: Size, positions: int) -> Tensor:
        """Matrix `[(part, 2), positions]` back from part i of the frequencies."""
        matrices = self.real_back[..., :positions].reshape(self.parts, self.part * 2, positions)
        return self._tensor(matrices)[i]

    def _tensor(self, matrix: NDArray[Any]) -> Tensor:
        return ops.convert_to_tensor(matrix, self.dtype)


def _complex(real: Tensor, imaginary: Tensor) -> Tensor:
    """Right-hand matrices that multiply rows (re, im) by `real + i imaginary`."""
    return ops.concatenate(
        [
            ops.concatenate([real, imaginary], axis=-1),
            ops.concatenate([-imaginary, real], axis=-1),
        ],
        axis=-2,
    )


def _shape(x: Tensor) -> tuple[int, ...]:
    """The shape, with −1 for the one size that is unknown when the graph is built."""
    return tuple(-1 if size is None else size for size in x.shape)
