"""Words of a trunk's dictionaries of patches: found once, in plain views of the first epoch."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from iic_tf.models.fitting import drawn_rows
from iic_tf.networks.patch_dictionary import dictionaries_of
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.networks.keras_trunk import KerasTrunk
    from iic_tf.views.numbered_batches import NumberedBatches

PATCHES = 20_000
"""Words are found in so many, drawn evenly from all of an epoch's crops."""

EACH = 32
"""Patches of a crop, at most."""


def fit_dictionaries(trunk: KerasTrunk, pairs: NumberedBatches) -> None:
    """Find the words of a trunk's dictionaries that have none yet.

    Args:
        trunk: which shows its network some of the bands, or all.
        pairs: whose plain views of epoch 0 are looked at, where they are valid; their seed draws
            the patches, and the starts of k-means.

    Raises:
        InputError: too few patches of valid pixels.
    """
    wanting = [one for one in dictionaries_of(trunk.network) if not one.fitted]
    if not wanting:
        return
    rng = generator(pairs.seed, 0, 0, "dictionary")
    side = max(one.side for one in wanting)
    bands = int(trunk.network.input_shape[-1])
    none = np.zeros((0, side, side, bands), np.float32)
    parts = itertools.chain([none], _patches(trunk, pairs, side, rng))
    patches = drawn_rows(parts, PATCHES, rng)
    for one in wanting:
        edge = (side - one.side) // 2
        inner = patches[:, edge : edge + one.side, edge : edge + one.side]
        one.fit(inner, int(rng.integers(2**31)))


def _patches(
    trunk: KerasTrunk, pairs: NumberedBatches, side: int, rng: np.random.Generator
) -> Iterator[NDArray[np.float32]]:
    """Of each view some patches that lie in what is valid, `[n, side, side, bands]`."""
    for views, valid in pairs.plain_views(0):
        trunk.build(tuple(views.shape))  # as what mixes bands must be
        images = np.asarray(trunk.shown(views), np.float32)
        if min(images.shape[1:3]) < side:
            # What is smaller than a patch has none.
            continue
        whole = np.ones(images.shape[:3], bool) if valid is None else np.asarray(valid) > 0
        inside = np.asarray(sliding_window_view(whole, (side, side), (1, 2)).all((-2, -1)))
        every = sliding_window_view(images, (side, side), (1, 2))
        for own, places in zip(every, inside, strict=True):
            rows, columns = np.nonzero(places)
            if len(rows):
                drawn = rng.permutation(len(rows))[:EACH]
                yield np.moveaxis(own[rows[drawn], columns[drawn]], 1, -1)
