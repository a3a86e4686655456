"""The plain baseline: k-means on the values of single pixels."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2, vq

from iic_tf.errors import InputError, expected

_CHUNK = 1 << 16
_BLOCK = 10


class PixelKMeans:
    """Cluster pixels by value alone, with no look at their surroundings.

    Seeded by k-means++ (Arthur and Vassilvitskii 2007), refined by Lloyd's iterations, started
    several times; the start with the lowest inertia wins. The same pixels and seed give the same
    centres.

    Attributes:
        k, seed, restarts, iterations: as given.
        centres: float64 `[k, channels]` after `fit`; fewer rows where the pixels have fewer than
            `k` distinct values, each of which is then a centre.
        inertia: after `fit`, the sum of squared distances of the pixels to their centres.
    """

    def __init__(self, k: int, seed: int, restarts: int = 5, iterations: int = 100) -> None:
        """Set up without any work.

        Args:
            k: number of clusters, at least 1.
            seed: 0 or more.
            restarts: how many starts the best is taken from, at least 1.
            iterations: most iterations of one start, at least 1; fewer once nothing moves.

        Raises:
            InputError: a number is below its least.
        """
        for name, value, least in (
            ("k", k, 1),
            ("seed", seed, 0),
            ("restarts", restarts, 1),
            ("iterations", iterations, 1),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        self.k = k
        self.seed = seed
        self.restarts = restarts
        self.iterations = iterations
        self.centres: NDArray[np.float64] | None = None
        self.inertia: float | None = None

    def fit(self, pixels: NDArray[np.generic]) -> PixelKMeans:
        """Find the centres.

        Args:
            pixels: finite values `[m, channels]` of a sample of pixels; held once as float64.

        Raises:
            InputError: there are no pixels or channels, or a value is not finite.
        """
        data = _values(pixels)
        if data.ndim != 2 or 0 in data.shape:
            raise expected("pixels [m, channels], at least one", data.shape, "pixels.shape")
        distinct = _few_distinct(data, self.k)
        if distinct is not None:
            self.centres, self.inertia = distinct, 0.0
            return self
        rng = np.random.default_rng(self.seed)
        best: tuple[float, NDArray[np.float64]] | None = None
        for _ in range(self.restarts):
            centres = self._start(data, rng)
            inertia = _inertia(data, centres)
            if best is None or inertia < best[0]:
                best = inertia, centres
        assert best is not None  # There is at least one start.
        self.inertia, self.centres = best
        return self

    def predict(self, pixels: NDArray[np.generic]) -> NDArray[np.int32]:
        """The nearest centre of each pixel.

        Args:
            pixels: finite values `[..., channels]`, as many channels as were fitted.

        Returns:
            int32 `[...]`, 0 to k − 1.

        Raises:
            InputError: not fitted, another number of channels, or a value is not finite.
        """
        if self.centres is None:
            raise InputError("Expected centres from fit before predict; received none.")
        values = np.asarray(pixels)
        channels = self.centres.shape[1]
        if values.ndim < 1 or values.shape[-1] != channels:
            raise expected(f"pixels [..., {channels}]", values.shape, "pixels.shape")
        flat = values.reshape(-1, channels)
        labels = np.empty(len(flat), np.int32)
        # By chunk, so that a large image is never held whole as float64.
        for at in range(0, len(flat), _CHUNK):
            labels[at : at + _CHUNK] = vq(_values(flat[at : at + _CHUNK]), self.centres)[0]
        return labels.reshape(values.shape[:-1])

    def _start(self, data: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
        with warnings.catch_warnings(), np.errstate(invalid="ignore"):
            # An emptied cluster keeps its place, which is sound; SciPy would warn each time.
            warnings.simplefilter("ignore", UserWarning)
            centres, _ = kmeans2(data, self.k, iter=1, minit="++", rng=rng, check_finite=False)
            left = self.iterations - 1
            # In blocks, as SciPy's loop does not stop when the centres have come to rest.
            while left > 0:
                steps = min(left, _BLOCK)
                moved, _ = kmeans2(data, centres, iter=steps, minit="matrix", check_finite=False)
                if np.array_equal(moved, centres):
                    break
                centres = moved
                left -= steps
        return np.asarray(centres, np.float64)


def _values(pixels: NDArray[np.generic]) -> NDArray[np.float64]:
    # float64 for the sums over millions of pixels, which drift in float32.
    data = np.ascontiguousarray(pixels, dtype=np.float64)
    if not np.isfinite(data).all():
        raise InputError("Expected finite pixel values; received NaN or infinity.")
    return data


def _few_distinct(data: NDArray[np.float64], k: int) -> NDArray[np.float64] | None:
    """The distinct pixels where there are at most k, else None."""
    found = np.empty((0, data.shape[1]))
    # By chunk: real imagery shows more than k values at once, and the rest is not looked at.
    for at in range(0, len(data), _CHUNK):
        found = np.unique(np.concatenate([found, data[at : at + _CHUNK]]), axis=0)
        if len(found) > k:
            return None
    return found


def _inertia(data: NDArray[np.float64], centres: NDArray[np.float64]) -> float:
    total = 0.0
    for at in range(0, len(data), _CHUNK):
        distances = vq(data[at : at + _CHUNK], centres, check_finite=False)[1]
        total += float(np.square(distances).sum())
    return total
