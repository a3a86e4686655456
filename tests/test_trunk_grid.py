"""`TrunkGrid`: the cells that a trunk makes of maps of several strides."""

from __future__ import annotations

import pytest

from iic_tf.errors import InputError
from iic_tf.networks.levels import Level
from iic_tf.networks.trunk_grid import TrunkGrid


def level(stride: int, before: int | None = 3, behind: int | None = 3, period: int = 0) -> Level:
    return Level(stride, 8, before, behind, period)


def test_several_maps_around_eight_pixels_meet_there() -> None:
    grid = TrunkGrid.of([level(16), level(4), level(8)])
    assert [one.stride for one in grid.levels] == [4, 8, 16]
    assert (grid.finest, grid.stride, grid.window) == (4, 8, None)
    assert (grid.deepest, grid.align, grid.border) == (16, 16, 32)
    # 3 to see, 16 to enlarge, two cells of 8 and one of 4 to mix and to move.
    assert grid.radius == 3 + 16 + 2 * 8 + 4


def test_one_map_keeps_its_stride_and_a_moved_coarse_one_is_brought_to_a_quarter_first() -> None:
    assert TrunkGrid.of([level(16)]).finest == 16
    moved = TrunkGrid.of([level(16, before=3, behind=7)])
    assert abs(moved.levels[0].shift) == 2
    assert (moved.finest, moved.stride) == (4, 8)


@pytest.mark.parametrize(("stride", "finest"), [(2, 2), (4, 4), (8, 4), (16, 4)])
def test_a_stride_that_is_asked_for(stride: int, finest: int) -> None:
    grid = TrunkGrid.of([level(4), level(8)], stride)
    assert (grid.stride, grid.finest) == (stride, finest)


@pytest.mark.parametrize("stride", [3, 6])
def test_a_stride_that_maps_do_not_fit_is_refused(stride: int) -> None:
    with pytest.raises(InputError, match=r"a stride that 4, 8 are multiples of"):
        TrunkGrid.of([level(4), level(8)], stride)


def test_a_network_that_sees_its_window_is_taken_in_windows() -> None:
    far = [level(4), level(8, None, None)]
    grid = TrunkGrid.of(far)
    assert (grid.window, grid.align, grid.radius, grid.border) == (256, 128, 256, 0)
    # Up to a multiple of twice the largest stride.
    assert TrunkGrid.of(far, window=17).window == 32
    assert TrunkGrid.of(far, vector=True).window is None


def test_a_network_of_one_size_has_windows_of_it() -> None:
    assert TrunkGrid.of([level(8)], side=32).window == 32
    with pytest.raises(InputError, match=r"a multiple of 16 pixels, or of any size"):
        TrunkGrid.of([level(8)], side=24)


def test_vectors_have_no_cells() -> None:
    assert TrunkGrid.of([]) == TrunkGrid((), 1, 1, None)
