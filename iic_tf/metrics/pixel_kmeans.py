"""The plain baseline: k-means on the values of single pixels, by scikit-learn."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected

_CHUNK = 1 << 16


class PixelKMeans:
    """Cluster pixels by value alone, with no look at their surroundings.

    Seeded by k-means++ (Arthur and Vassilvitskii 2007), refined by Lloyd's iterations until
    nothing moves, started several times; the start with the lowest inertia wins. The same pixels
    and seed give the same centres, whatever the number of processors.

    Attributes:
        k, seed, restarts, iterations: as given.
        centres: float32 `[k, channels]` after `fit`; fewer rows where the pixels have fewer than
            `k` distinct values, each of which is then a centre.
        inertia: after `fit`, the sum of squared distances of the pixels to their centres.

    Examples:
        >>> pixels = np.float32([[0, 0], [0, 1], [9, 9], [9, 8]])
        >>> kmeans = PixelKMeans(2, seed=0).fit(pixels)
        >>> sorted(kmeans.centres.tolist())
        [[0.0, 0.5], [9.0, 8.5]]
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
        self.centres: NDArray[np.float32] | None = None
        self.inertia: float | None = None

    def fit(self, pixels: NDArray[np.generic]) -> PixelKMeans:
        """Find the centres.

        Args:
            pixels: finite values `[m, channels]` of a sample of pixels; held once as float32.

        Raises:
            InputError: there are no pixels or channels, or a value is not finite.
        """
        data = _values(pixels)
        if data.ndim != 2 or 0 in data.shape:
            raise expected("pixels [m, channels], at least one", data.shape, "pixels.shape")
        distinct = _few_distinct(data, self.k)
        self.centres = self._centres(data) if distinct is None else distinct
        # Not scikit-learn's, which is a sum in float32.
        away = data - self.centres[self.predict(data)]
        self.inertia = float(np.square(away).sum(dtype=np.float64))
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
        from sklearn.metrics import pairwise_distances_argmin

        if self.centres is None:
            raise InputError("Expected centres from fit before predict; received none.")
        values = np.asarray(pixels)
        channels = self.centres.shape[1]
        if values.ndim < 1 or values.shape[-1] != channels:
            raise expected(f"pixels [..., {channels}]", values.shape, "pixels.shape")
        flat = values.reshape(-1, channels)
        labels = np.empty(len(flat), np.int32)
        for at in range(0, len(flat), _CHUNK):
            # By chunk, so that a large image is never held whole as float32.
            part = _values(flat[at : at + _CHUNK])
            labels[at : at + _CHUNK] = pairwise_distances_argmin(part, self.centres)
        return labels.reshape(values.shape[:-1])

    def _centres(self, data: NDArray[np.float32]) -> NDArray[np.float32]:
        # Here, not above: it takes most of a second, and only the baselines need it.
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        model = KMeans(
            self.k,
            n_init=self.restarts,
            max_iter=self.iterations,
            tol=0.0,
            random_state=self.seed,
        )
        # One thread: several add up their parts in the order in which they end, so that the same
        # seed would not give the same centres.
        with threadpool_limits(1, user_api="openmp"), warnings.catch_warnings():
            # A cluster that ends up empty keeps its place, which is sound.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return np.asarray(model.fit(data).cluster_centers_, np.float32)


def _values(pixels: NDArray[np.generic]) -> NDArray[np.float32]:
    # What float32 cannot hold becomes infinite, and is told below.
    with np.errstate(over="ignore"):
        data = np.ascontiguousarray(pixels, dtype=np.float32)
    if not np.isfinite(data).all():
        raise InputError("Expected finite pixel values; received NaN or infinity.")
    return data


def _few_distinct(data: NDArray[np.float32], k: int) -> NDArray[np.float32] | None:
    """The distinct pixels where there are at most k, else None."""
    # Real imagery shows more than k values at once, and the rest is not looked at.
    for part in (data[:_CHUNK], data):
        found = np.unique(part, axis=0)
        if len(found) > k:
            return None
    return found
