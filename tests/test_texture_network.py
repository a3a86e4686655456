"""Statistics of windows as a trunk: against plain NumPy, at any size, in a run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from iic_tf.errors import InputError
from iic_tf.networks.named_trunks import trunk_named
from iic_tf.networks.texture_network import SCALES, WINDOWS, Textures, edge_strengths


def image(*shape: int) -> Any:
    return np.random.default_rng(0).random(shape).astype(np.float32)


def window_mean(x: Any, side: int) -> Any:
    """Of the part inside the image, pixel by pixel."""
    half = side // 2
    found = np.empty_like(x)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            rows = slice(max(i - half, 0), i + half + 1)
            found[i, j] = x[rows, max(j - half, 0) : j + half + 1].mean((0, 1))
    return found


def reference_edges(x: Any) -> Any:
    found = []
    brightness = x.mean(-1)
    for side in SCALES:
        b = window_mean(brightness[..., None], side)[..., 0]
        wide = np.pad(b, 1, mode="edge")
        down = wide[2:, 1:-1] - wide[:-2, 1:-1]
        right = wide[1:-1, 2:] - wide[1:-1, :-2]
        found += [abs(down), abs(right), abs(down + right), abs(down - right)]
    return np.stack(found, -1)


def reference(x: Any, stride: int) -> Any:
    x = x.astype(np.float64)
    found = [x]
    for side in WINDOWS:
        mean = window_mean(x, side)
        variance = window_mean(x**2, side) - mean**2
        found += [mean, np.sqrt(np.maximum(variance, 0) + 1e-4)]
    found += [window_mean(reference_edges(x), side) for side in WINDOWS]
    every = np.concatenate(found, -1)
    rows, columns = -(-x.shape[0] // stride), -(-x.shape[1] // stride)
    cells = [
        [every[i * stride : (i + 1) * stride, j * stride : (j + 1) * stride].mean((0, 1))]
        for i in range(rows)
        for j in range(columns)
    ]
    return np.reshape(cells, (rows, columns, -1))


@pytest.mark.parametrize(("channels", "stride"), [(1, 1), (4, 4)])
def test_they_are_the_statistics_of_windows(channels: int, stride: int) -> None:
    x = image(2, 24, 28, channels)
    layer = Textures(stride)
    found = np.asarray(layer(x))
    assert layer.compute_output_shape(x.shape) == found.shape
    for one, own in zip(found, x, strict=True):
        np.testing.assert_allclose(one, reference(own, stride), atol=2e-5)


def test_edges_by_hand() -> None:
    step = np.zeros((1, 4, 6, 1), np.float32)
    step[:, :, 3:] = 0.5
    down, right, falling, rising = np.moveaxis(np.asarray(edge_strengths(step))[0, 1], -1, 0)[:4]
    assert (down == 0).all()
    np.testing.assert_array_equal(right, [0, 0, 0.5, 0.5, 0, 0])
    np.testing.assert_array_equal(falling, right)
    np.testing.assert_array_equal(rising, right)


def test_as_a_trunk_it_knows_how_far_it_sees() -> None:
    trunk = trunk_named("textures", channels=4)
    assert (trunk.stride, trunk.frozen) == (4, True)
    (level,) = trunk.levels
    # Half of the largest window, and the neighbours of its last pixel's largest mean.
    assert (level.before, level.behind) == (23, 23)
    with pytest.raises(InputError, match="frozen trunk of textures, which no gradient trains"):
        trunk_named("textures", frozen=False)


def test_of_a_choice_of_bands_it_sees_those() -> None:
    x = image(1, 16, 16, 4)
    own = trunk_named("textures", bands=(3, 0), channels=4)(x)
    np.testing.assert_allclose(own, trunk_named("textures", channels=2)(x[..., [3, 0]]), atol=1e-6)
    with pytest.raises(InputError, match="no weights and no strides of textures"):
        trunk_named("textures", strides=(8,))


@pytest.mark.parametrize("wrong", [{"stride": 0}, {"windows": (4,)}, {"windows": ()}])
def test_wrong_values_are_refused(wrong: Any) -> None:
    with pytest.raises(InputError, match="Expected"):
        Textures(**wrong)
