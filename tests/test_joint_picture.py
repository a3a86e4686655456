"""The picture of a joint."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import pixels_of

from iic_tf.errors import InputError
from iic_tf.pictures import (
    joint_picture,
)


@pytest.mark.parametrize("k", [1, 2, 10, 70])
def test_joint_picture_of_any_number_of_clusters(k: int) -> None:
    picture = joint_picture(np.eye(k) * 7, "a _long_ $title$ " * 20)
    assert picture.mode == "RGB"
    assert 700 < picture.width < 1200
    assert 300 < picture.height < 800


def test_joint_picture_is_bright_on_the_diagonal_and_even_beside_it() -> None:
    bright, dark = (253, 231, 36), (68, 1, 84)
    shown = joint_picture(np.eye(4))
    cells = np.asarray(shown)[:, : shown.width // 2]
    lit, unlit = ((cells == c).all(axis=-1).sum() for c in (bright, dark))
    assert 0.8 < 3 * lit / unlit < 1.2
    # Of independent clusters both maps are one and the same colour.
    even = joint_picture(np.ones((4, 4)))
    assert pixels_of(even, bright) > 1.8 * (lit + unlit)


@pytest.mark.parametrize(
    "joint",
    [np.ones((2, 3)), np.ones(2), np.zeros((2, 2)), np.array([[1.0, np.nan], [0, 1]]), -np.eye(2)],
)
def test_joint_picture_refuses(joint: NDArray[np.float64]) -> None:
    with pytest.raises(InputError, match="a joint"):
        joint_picture(joint)
