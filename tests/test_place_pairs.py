"""Pairs of places: every pair of a label as likely, none outside, draws by number alone."""

from __future__ import annotations

import numpy as np
import pytest

from iic_tf.errors import InputError
from iic_tf.views.numbered_draws import normal, uniform
from iic_tf.views.place_pairs import DIRECTIONS, PlacePairs, in_directions, near_and_far


def drawn(pairs: PlacePairs, count: int = 60_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draws = uniform(np.zeros(count, np.int32), np.arange(count, dtype=np.int32), 4, 0)
    return tuple(np.asarray(found) for found in pairs.drawn(draws))  # type: ignore[return-value]


def test_near_pairs_lie_in_any_direction_and_labels_are_each_pair_s_own() -> None:
    """Not the four diagonals alone, and not one label for a batch: faults of the released code."""
    pairs = PlacePairs(near_and_far((2, 2), 4, 7), 6, 7)
    label, first, second = drawn(pairs)
    assert 0.49 < label.mean() < 0.51
    both = np.concatenate([first, second])
    assert both.min() == 0
    assert tuple(both.max(0)) == (5, 6)
    distance = np.abs(second - first).max(1)
    assert (distance[label == 1] == 2).all()
    assert (distance[label == 0] >= 4).all()
    # All pairs, by going over them.
    places = [(r, c) for r in range(6) for c in range(7)]
    for wanted, fits in ((1, lambda d: d == 2), (0, lambda d: d >= 4)):
        every = {
            (*a, *b)
            for a in places
            for b in places
            if fits(max(abs(a[0] - b[0]), abs(a[1] - b[1])))
        }
        rows = np.concatenate([first, second], 1)[label == wanted]
        found, counts = np.unique(rows, axis=0, return_counts=True)
        assert {tuple(map(int, row)) for row in found} == every
        mean = len(rows) / len(every)
        # About six deviations of a count.
        assert abs(counts - mean).max() < 6 * mean**0.5


def test_there_are_eight_directions_all_different() -> None:
    """A ninth label at the angle of the first one is a fault of the released code."""
    pairs = PlacePairs(in_directions(3, 1), 9, 9)
    label, first, second = drawn(pairs, 20_000)
    assert set(label) == set(range(8))
    assert len(set(DIRECTIONS)) == 8
    for number, direction in enumerate(DIRECTIONS):
        offsets = (second - first)[label == number]
        assert np.abs(offsets - 3 * np.array(direction)).max() == 1
        # Both axes jitter, whatever the direction.
        assert {tuple(o) for o in offsets} == {
            (3 * direction[0] + i, 3 * direction[1] + j) for i in (-1, 0, 1) for j in (-1, 0, 1)
        }
    both = np.concatenate([first, second])
    assert both.min() >= 0
    assert both.max() <= 8


def test_maps_without_room_are_refused() -> None:
    with pytest.raises(InputError, match=r"pairs of patches 4 cells apart.*map of 4×9 places"):
        PlacePairs(in_directions(4, 0), 4, 9)


def test_draws_follow_from_epoch_number_and_purpose() -> None:
    epochs, numbers = np.array([0, 0, 1], np.int32), np.array([0, 1, 0], np.int32)
    found = np.asarray(uniform(epochs, numbers, 2000, 3))
    assert found.min() >= 0
    assert found.max() < 1
    np.testing.assert_array_equal(found[1:2], uniform(epochs[1:2], numbers[1:2], 2000, 3))
    other = np.asarray(uniform(epochs, numbers, 2000, 4))
    rows = np.concatenate([found, other])
    assert np.abs(np.corrcoef(rows) - np.eye(6)).max() < 0.1
    assert np.abs(rows.mean(1) - 0.5).max() < 0.03
    z = np.asarray(normal(epochs, numbers, 4000, 7))
    assert np.abs(z.mean(1)).max() < 0.06
    assert np.abs(z.std(1) - 1).max() < 0.05
