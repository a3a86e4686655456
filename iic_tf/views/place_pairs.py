"""Pairs of places of a map: a label says which offsets the second one may have from the first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Size, Tensor
from iic_tf.errors import expected

DIRECTIONS = ((-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1))
"""Where the second place lies from the first, (down, right), by label: 3×3 without its middle."""

DRAWS = 4
"""Numbers that a pair is drawn by."""


class PlacePairs:
    """Pairs of places of a map by label; all labels are as likely, and all pairs of one are.

    Args:
        offsets: of each label those that the second place may have, int `[n, 2]`, (down, right).
        rows, columns: of the map.

    Raises:
        InputError: a map in which no pair of some label fits.
    """

    def __init__(self, offsets: Sequence[NDArray[np.integer]], rows: int, columns: int):
        self.rows, self.columns = rows, columns
        counts = [
            np.maximum(rows - np.abs(own[:, 0]), 0.0) * np.maximum(columns - np.abs(own[:, 1]), 0.0)
            for own in offsets
        ]
        if any(not own.sum() for own in counts):
            reach = max(int(np.abs(own).max(initial=0)) for own in offsets)
            raise expected(
                f"crops with room for pairs of patches {reach} cells apart, in either direction",
                f"a map of {rows}×{columns} places for a patch's corner",
                "crop",
            )
        self.labels = len(offsets)
        self.offsets = np.concatenate(offsets).astype(np.int32)
        # Offsets of label l end at numbers from l to l + 1, those of more places after more.
        ends = [label + np.cumsum(own) / own.sum() for label, own in enumerate(counts)]
        for label, own in enumerate(ends):
            own[-1] = label + 1.0
        self.ends = np.concatenate(ends)

    def drawn(self, draws: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pairs by draws, float32 `[..., 4]` from 0 to below 1.

        Returns:
            Labels int32 `[...]`, first and second places int32 `[..., 2]`, (row, column).
        """
        draws = tf.convert_to_tensor(draws)
        label = _whole(draws[..., 0], self.labels)
        number = tf.cast(label, tf.float64) + tf.cast(draws[..., 1], tf.float64)
        chosen = tf.searchsorted(self.ends, tf.reshape(number, (-1,)), side="right")
        offset = tf.gather(self.offsets, tf.reshape(chosen, tf.shape(number)))
        places = []
        for axis, size in enumerate((self.rows, self.columns)):
            step = offset[..., axis]
            first = _whole(draws[..., 2 + axis], size - tf.abs(step)) + tf.maximum(-step, 0)
            places.append((first, first + step))
        return label, tf.stack([a for a, _ in places], -1), tf.stack([b for _, b in places], -1)


def near_and_far(near: tuple[int, int], far: int, most: int) -> list[NDArray[np.int64]]:
    """Offsets of places far from each other (label 0) and of near ones (label 1).

    Distances are the larger of both axes'.

    Args:
        near: least and largest distance of near ones, 1 or more.
        far: least distance of far ones.
        most: the largest distance there may be.
    """
    steps = np.arange(-most, most + 1)
    every = np.stack(np.meshgrid(steps, steps, indexing="ij"), -1).reshape(-1, 2)
    distance = np.abs(every).max(1)
    return [every[distance >= far], every[(distance >= near[0]) & (distance <= near[1])]]


def in_directions(step: int, jitter: int) -> list[NDArray[np.int64]]:
    """Offsets by the eight `DIRECTIONS`: so many steps, and jitter to either side on both axes."""
    to_side = np.arange(-jitter, jitter + 1)
    around = np.stack(np.meshgrid(to_side, to_side, indexing="ij"), -1).reshape(-1, 2)
    return [step * np.array(direction) + around for direction in DIRECTIONS]


def _whole(draws: Tensor, count: Size) -> Tensor:
    """0 to count − 1, each as likely. Products of float32 may round up to the count itself."""
    count = tf.convert_to_tensor(count, tf.int32)
    found = tf.cast(draws * tf.cast(count, tf.float32), tf.int32)
    return tf.minimum(found, count - 1)
