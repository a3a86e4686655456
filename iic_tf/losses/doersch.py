"""Doersch's objective: in which of eight directions one patch lies from another."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.losses.deepcluster import cross_entropy_sums
from iic_tf.views.place_pairs import DIRECTIONS


def direction_sums(logits: Tensor, labels: Tensor, counted: Tensor) -> Tensor:
    """−ln softmax(logits)_label of pairs, summed, and how many count.

    Doersch, Gupta, Efros: Unsupervised visual representation learning by context prediction, ICCV
    2015. By chance ln 8 = 2.0794.

    Args:
        logits: float `[n, 8]`.
        labels: numbers of `DIRECTIONS`, int `[n]`.
        counted: 1 for pairs that count, else 0, `[n]`.

    Returns:
        float64 `[2]`: the sum, the count.

    Examples:
        >>> from iic_tf.losses.doersch import direction_sums
        >>> total, count = direction_sums([[1.0, 0, 0, 2, 0, 0, -1, 0]], [3], [1.0]).numpy()
        >>> round(float(total / count), 4)
        0.7392
    """
    return cross_entropy_sums(logits, labels, tf.cast(counted, tf.float32))


def second_corner(
    first: Sequence[int], label: int, patch: int, gap: int, jitter: Sequence[int] = (0, 0)
) -> tuple[int, int]:
    """The corner (top, left) of the patch that lies in a direction from another one.

    Args:
        first: that of the first patch.
        label: number of one of the eight `DIRECTIONS`.
        patch: side of a patch.
        gap: between two patches.
        jitter: added, (down, right).

    Raises:
        InputError: a ninth label: the place itself is no direction.

    Examples:
        >>> from iic_tf.losses.doersch import second_corner
        >>> second_corner((200, 150), 2, patch=96, gap=48, jitter=(3, -5))
        (59, 289)
    """
    if not 0 <= label < len(DIRECTIONS):
        raise expected(f"a direction from 0 to {len(DIRECTIONS) - 1}", label, "label")
    step = patch + gap
    down, right = DIRECTIONS[label]
    return first[0] + step * down + jitter[0], first[1] + step * right + jitter[1]
