"""Going over a scene in windows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iic_tf.data.windows import windows
from iic_tf.errors import InputError


@settings(max_examples=150, deadline=None)
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(1, 25),
    st.integers(0, 12),
    st.integers(1, 5),
)
def test_cores_cover_every_pixel_once_and_margins_are_whole(height, width, core, margin, align):
    covered = np.zeros((height, width), int)
    for w in windows(height, width, core, margin, align):
        covered[w.top : w.top + w.height, w.left : w.left + w.width] += 1
        top, left, tall, wide = w.outer
        assert top % align == 0
        assert left % align == 0
        assert top >= 0
        assert left >= 0
        assert top + tall <= height
        assert left + wide <= width
        # The whole margin is there, or the border of the scene.
        assert top <= max(0, w.top - margin)
        assert left <= max(0, w.left - margin)
        assert top + tall >= min(height, w.top + w.height + margin)
        assert left + wide >= min(width, w.left + w.width + margin)
    assert (covered == 1).all()


def test_inner_finds_the_core_in_what_was_read():
    scene = np.arange(31 * 44).reshape(31, 44)
    rebuilt = np.full_like(scene, -1)
    for w in windows(31, 44, core=10, margin=3, align=2):
        top, left, height, width = w.outer
        read = scene[top : top + height, left : left + width]
        rebuilt[w.top : w.top + w.height, w.left : w.left + w.width] = read[w.inner]
    np.testing.assert_array_equal(rebuilt, scene)


def test_windows_come_in_reading_order_with_rounded_sides():
    found = list(windows(10, 13, core=5, margin=1, align=2))
    assert [(w.top, w.left, w.height, w.width) for w in found] == [
        *((0, 0, 6, 6), (0, 6, 6, 6), (0, 12, 6, 1)),
        *((6, 0, 4, 6), (6, 6, 4, 6), (6, 12, 4, 1)),
    ]
    assert found[4].outer == (4, 4, 6, 9)


def test_a_small_scene_is_one_window():
    (only,) = windows(7, 9, core=100, margin=16, align=2)
    assert only.outer == (0, 0, 7, 9)
    assert only.inner == (slice(0, 7), slice(0, 9))


@pytest.mark.parametrize("wrong", [(0, 1, 1), (5, -1, 1), (5, 1, 0)])
def test_windows_messages(wrong):
    with pytest.raises(InputError, match="core >= 1, margin >= 0, align >= 1"):
        list(windows(9, 9, *wrong))
