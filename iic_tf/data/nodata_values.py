"""Which values of a file's bands mean no data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class NodataValues:
    """The values of some bands that mean no data, as far as all bands have theirs.

    Attributes:
        low, high: `[bands]`, from and to which value, of the number type that is stored.
    """

    low: NDArray[Any]
    high: NDArray[Any]

    def all_in(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """Where all bands of `[height, width, bands]` have their value, bool `[height, width]`."""
        # Band by band, 5 times as fast as NumPy's `all`.
        found = np.ones(pixels.shape[:-1], np.bool_)
        for band, (low, high) in enumerate(zip(self.low, self.high, strict=True)):
            values = pixels[..., band]
            found &= values == low if low == high else (values >= low) & (values <= high)
        return found

    def of_all(self, pixels: NDArray[Any]) -> NDArray[np.bool_]:
        """The same of any number of bands, which all have the value of the only one."""
        bands = pixels.shape[-1]
        return NodataValues(self.low.repeat(bands), self.high.repeat(bands)).all_in(pixels)


def nodata_values(
    values: Sequence[float | None], dtype: np.dtype[np.generic]
) -> NodataValues | None:
    """The values that mean no data, of which files keep the digits.

    Writers round real numbers. As GDAL does, what is off by a few of the last bits is taken for
    the value too, and near the end of float32, which is the usual one, what is off by more. What
    lies beyond a real type is its end. NaN is no data anyhow.

    Args:
        values: one for each band.
        dtype: of the bands as they are stored.

    Returns:
        None where a band has none, or one that its type cannot hold.
    """
    if any(value is None for value in values):
        return None
    stored = np.asarray(values, np.float64)
    if dtype.kind != "f":
        span = np.iinfo(dtype)  # type: ignore[type-var]
        fits = (stored == np.rint(stored)) & (stored >= span.min) & (stored <= span.max)
        exact = stored.astype(dtype)
        return NodataValues(exact, exact) if fits.all() else None
    if np.isnan(stored).any():
        return None
    real = np.finfo(dtype)  # type: ignore[arg-type,type-var]
    least, most = float(real.min), float(real.max)
    stored = np.clip(stored, least, most)
    room = np.abs(stored) * np.where(np.abs(stored) > 0.999 * _MOST, 1e-5, 4 * float(real.eps))
    with np.errstate(over="ignore"):
        low, high = (np.clip(end, least, most) for end in (stored - room, stored + room))
    return NodataValues(low.astype(dtype), high.astype(dtype))
