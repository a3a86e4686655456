"""Scenes on a Keras trunk: labels do not depend on how they are cut, nor on the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from made_up import noise
from tiny_trunks import drawn, excited, pyramid, trunk, u_net

from iic_tf import IICSegmenter, InfoSeg, ServedSegmenter
from iic_tf.data.windows import windows
from iic_tf.export import onnx_file
from iic_tf.training.whole_scene import core_of

SIZE = (75, 102)


def served(found: Any, downscale: int = 1) -> ServedSegmenter:
    keras.utils.set_random_seed(0)
    model = drawn(IICSegmenter(3, 0, 3, trunk=found, radius=1))
    return ServedSegmenter(model, [0.0] * 3, [1.0] * 3, downscale)


def scene() -> Any:
    """Bright at the right, noisy everywhere."""
    return noise(1, *SIZE, 3) * np.linspace(0.1, 1, SIZE[1], dtype=np.float32)[:, None]


@pytest.mark.parametrize(
    ("network", "downscale"), [(pyramid, 1), (pyramid, 2), (u_net, 1), (excited, 1)]
)
def test_windows_of_a_scene_are_parts_of_the_whole(network: Any, downscale: int) -> None:
    model, pixels = served(trunk(network(), window=16), downscale), scene()
    whole = np.asarray(model(pixels)["probabilities"])[0]
    assert whole.std((0, 1)).max() > 0.02
    cut = list(windows(*SIZE, 24, model.margin, model.align))
    assert len(cut) > 1
    for window in cut[:: len(cut) - 1]:
        top, left, height, width = window.outer
        part = model(pixels[:, top : top + height, left : left + width])["probabilities"]
        place = np.s_[window.top :, window.left :][0], slice(window.left, None)
        wanted = whole[place][: window.height, : window.width]
        np.testing.assert_allclose(np.asarray(part)[0][window.inner], wanted, atol=1e-4)


@pytest.mark.parametrize("network", [pyramid, excited])
def test_infosegs_sums_of_windows_are_those_of_the_whole(network: Any) -> None:
    keras.utils.set_random_seed(0)
    # Windows begin at multiples of 64, other cells than those that are summed.
    found = trunk(network(), window=128, stride=8)
    net = InfoSeg(3, 3, 0.05, 8, trunk=found)
    model, pixels = ServedSegmenter(net, [0.0] * 3, [1.0] * 3), scene()
    whole = np.asarray(model.scene_sums(pixels, [0, 0, *SIZE]))
    # Cells of block B, of 4 of the trunk's.
    assert whole[0, -1] == -(-SIZE[0] // 32) * -(-SIZE[1] // 32)
    total, cut = np.zeros_like(whole), list(windows(*SIZE, 32, model.margin, model.align))
    for window in cut:
        top, left, height, width = window.outer
        part = pixels[:, top : top + height, left : left + width]
        total += np.asarray(model.scene_sums(part, core_of(window)))
    assert len(cut) > 1
    np.testing.assert_allclose(total, whole, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("network", [pyramid, excited], ids=["maps", "windows"])
def test_onnx_answers_alike(network: Any, tmp_path: Path) -> None:
    model = served(trunk(network(), window=32))
    # Checked on the way, on images of odd sizes, too.
    onnx_file.export_onnx(model, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").is_file()
