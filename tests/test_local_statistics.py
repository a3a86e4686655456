import numpy as np
import pytest
from numpy.typing import NDArray

from iic_tf.models.local_statistics import (
    box_means,
    local_statistics,
    statistic_count,
    statistics_radius,
)
from tests.made_up import noise


def by_hand(x: NDArray[np.float64], side: int, what: str) -> NDArray[np.float64]:
    """Mean or variance of each pixel's window, pixel by pixel."""
    found = np.empty_like(x)
    half = side // 2
    for row, column in np.ndindex(x.shape[:2]):
        window = x[
            max(row - half, 0) : row + half + 1, max(column - half, 0) : column + half + 1
        ].reshape(-1, x.shape[2])
        found[row, column] = window.mean(0) if what == "mean" else window.var(0)
    return found


@pytest.mark.parametrize("size", [(14, 17), (3, 30), (1, 1)])
@pytest.mark.parametrize(("level", "contrast"), [(0.0, 1.0), (0.98, 0.02)])
def test_statistics_equal_numpy(size: tuple[int, int], level: float, contrast: float) -> None:
    x = level + contrast * noise(2, *size, 3)
    found = np.asarray(local_statistics(x, (5, 11)))
    assert found.shape == (2, *size, statistic_count(3, (5, 11)))
    for image, one in zip(found, x.astype(np.float64), strict=True):
        wanted = [one]
        for side in (5, 11):
            wanted.append(by_hand(one, side, "mean"))
            wanted.append(np.sqrt(by_hand(one, side, "variance") + 1e-4))
        assert np.allclose(image, np.concatenate(wanted, -1), atol=1e-5)


def test_box_means_of_a_window_of_one_are_the_values() -> None:
    x = noise(1, 4, 5, 2)
    assert np.array_equal(box_means(x, 1), x)


def test_radius() -> None:
    assert statistics_radius() == 10
    assert statistics_radius(()) == 0
