"""A trunk's dictionaries and the scale of its features: fitted once, before the first step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from iic_tf.annotations import Tensor
from iic_tf.errors import InputError
from iic_tf.graphs import as_graph
from iic_tf.models.dictionary_fitting import fit_dictionaries
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.views.numbered_batches import NumberedBatches

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

IMAGES = 1000
"""Crops, or images, that are looked at, at least, if there are so many."""


def fit_trunk(model: SelfSupervised, pairs: NumberedBatches) -> None:
    """Find the words of a model's trunk and standardise its features, as far as it asks for that.

    What has been fitted stays as it is.

    Args:
        model: whose `features` are looked at; of what is not valid, nothing counts.
        pairs: whose plain views of epoch 0 are.

    Raises:
        InputError: there is nothing valid.
    """
    trunk = model.trunk
    if not isinstance(trunk, KerasTrunk) or trunk.fitted:
        return
    fit_dictionaries(trunk, pairs)
    if trunk.scaled:
        return

    @as_graph  # type: ignore[untyped-decorator]
    def added(views: Tensor, shares: Tensor) -> Tensor:
        features = tf.cast(model.features(views), tf.float64)
        rows = tf.reshape(features, (-1, features.shape[-1]))
        weights = tf.reshape(tf.cast(shares, tf.float64), (-1, 1))
        total = tf.reduce_sum(rows * weights, 0), tf.reduce_sum(rows**2 * weights, 0)
        return (*total, tf.reduce_sum(weights))

    seen, sums, squares, count = 0, 0.0, 0.0, 0.0
    for views, valid in pairs.plain_views(0):
        found = added(views, model.shares_of_cells(views, valid))
        sums, squares = sums + found[0].numpy(), squares + found[1].numpy()
        count += float(found[2])
        seen += int(views.shape[0])
        if seen >= IMAGES:
            break
    trunk.fit(np.asarray(sums), np.asarray(squares), count)


def require_fitted(model: SelfSupervised) -> None:
    """Refuse steps of a model whose trunk's features have no scale, or no words, yet.

    Raises:
        InputError: as said.
    """
    trunk = model.trunk
    if not isinstance(trunk, KerasTrunk) or getattr(model, "_scaled", False):
        return
    if not tf.executing_eagerly():
        return
    if not trunk.fitted:
        raise InputError(
            "Expected a trunk that was fitted (its features standardised, its dictionaries found), "
            "as fit(pairs) of iic_tf.Pairs does, or callbacks=[Fit(pairs)] before the first step "
            "(iic_tf.models.fitting), or a KerasTrunk of standardised=False without dictionaries; "
            "received one that was not."
        )
    # Asked for once: on a GPU each look at a weight waits for all steps before.
    model._scaled = True
