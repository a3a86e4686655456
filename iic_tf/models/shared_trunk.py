"""One trunk for several models that have an equal one each, which nobody trains.

Such trunks differ in how features are standardised alone: each run does so by crops of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Config
from iic_tf.networks.keras_trunk import KerasTrunk

_NEVER = 1e29
"""Deviations of features that never change are 1e30: what they are divided by is 0 then."""


def scales_of_trunk(members: Sequence[Any]) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """How the features of the first member's trunk become those of the others.

    Each run standardises features by crops of its own seed: f_m = f_1 · scale_m + shift_m.

    Returns:
        Scale and shift, float32 `[members − 1, features]` each; None where trunks are not frozen,
        or not equal but for that.
    """
    trunks = [one.trunk for one in members]
    first = trunks[0]
    if not all(isinstance(one, KerasTrunk) and one.frozen and one.mixing is None for one in trunks):
        return None
    # `of_scene` makes features within each member.
    if any(getattr(one, "scene_features", 0) for one in members):
        return None
    own = first.network.get_weights()
    for other in trunks[1:]:
        if _values(other) != _values(first):
            return None
        theirs = other.network.get_weights()
        if len(own) != len(theirs) or not all(map(np.array_equal, own, theirs)):
            return None
    if not first.standardised:
        shape = (len(trunks) - 1, first.features)
        return np.ones(shape, np.float32), np.zeros(shape, np.float32)
    mean, deviation = (np.stack([np.float64(getattr(t, n)) for t in trunks]) for n in _FITTED)
    never = deviation > _NEVER
    if (never != never[0]).any():
        return None
    scale = np.where(never[1:], 1.0, deviation[0] / deviation[1:])
    shift = np.where(never[1:], 0.0, (mean[0] - mean[1:]) / deviation[1:])
    return scale.astype(np.float32), shift.astype(np.float32)


_FITTED = ("mean", "deviation")


def _values(trunk: KerasTrunk) -> Config:
    """What a trunk is, but for names."""
    found = {k: v for k, v in trunk.get_config().items() if k not in ("name", "network")}
    return {**found, "features": trunk.features, "network": type(trunk.network).__name__}


def with_trunk(model: Any, trunk: Any) -> Any:
    """A model as it is, with a trunk in place of its own equal one."""
    if model.trunk is trunk:
        return model
    made = type(model)(**{**model.get_config(), "trunk": trunk, "dtype": "float32"})
    kept = {id(v) for v in trunk.weights}
    for new, old in zip(made.weights, model.weights, strict=True):
        if id(new) not in kept:
            new.assign(old)
    return made
