"""Every model that learns from whole images: on others' trunks, in parts, in half precision."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tiny_trunks
from made_up import same, weights
from small_images import image_pairs

from iic_tf.errors import InputError
from iic_tf.models.adc import ADCClusterer
from iic_tf.models.dac import DACClusterer
from iic_tf.models.dec import DECClusterer
from iic_tf.models.exemplar import ExemplarClusterer
from iic_tf.models.fitting import Fit
from iic_tf.models.scan import ScanClusterer
from iic_tf.models.triplets import TripletClusterer
from iic_tf.networks.keras_trunk import KerasTrunk

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

OWN: dict[Any, dict[str, Any]] = {
    TripletClusterer: {"overclusters": 3, "embedding": 4},
    DECClusterer: {"embedding": 4, "starts": 2},
    DACClusterer: {},
    ADCClusterer: {"embedding": 5},
    ExemplarClusterer: {"overclusters": 3, "exemplars": 12},
    ScanClusterer: {"epochs_of_all": 9, "feature_epochs": 0, "neighbours": 2},
}
every = pytest.mark.parametrize("kind", OWN, ids=[kind.__name__ for kind in OWN])


def made(kind: Any, **arguments: Any) -> Any:
    small = {"classes": 2, "channels": 1, "size": 8, "network": "B", "width": 0.06}
    return kind(**{**small, "inputs": "bands", **OWN[kind], **arguments})


def trunk(frozen: bool = True) -> KerasTrunk:
    network = tiny_trunks.vectors(side=8, channels=1)
    return KerasTrunk(network, vector=True, frozen=frozen)


@every
def test_a_trunk_that_learned_elsewhere_stays_or_waits(kind: Any) -> None:
    """A frozen one never moves; one that waits moves from its epoch on."""
    pairs = image_pairs(4)
    frozen = made(kind, trunk=trunk())
    frozen.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    frozen.before_epoch(pairs, 0)  # its features get their scale
    before = weights(frozen.trunk.network)
    history = frozen.fit(pairs, verbose=0, callbacks=[Fit(pairs)])
    assert same(before, weights(frozen.trunk.network))
    assert np.isfinite(history.history["loss"]).all()
    assert "trunk" not in frozen.parts()

    waits = made(kind, trunk=trunk(frozen=False), trunk_from=1)
    waits.compile(keras.optimizers.SGD(0.05), run_eagerly=True)
    assert [waits.phase_of(epoch).endswith("trunk frozen") for epoch in (0, 1)] == [True, False]
    before = weights(waits.trunk.network)
    pairs = image_pairs(4)
    waits.fit(pairs, verbose=0, callbacks=[Fit(pairs)])
    assert same(before, weights(waits.trunk.network))
    pairs = image_pairs(4)
    waits.fit(pairs, initial_epoch=1, epochs=2, verbose=0, callbacks=[Fit(pairs)])
    assert not same(before, weights(waits.trunk.network))


@every
def test_parts_of_a_batch_and_half_precision(kind: Any) -> None:
    pairs = image_pairs(4)
    model = made(kind, dtype="mixed_bfloat16")
    model.compile(keras.optimizers.SGD(0.01), micro_batches=2, run_eagerly=True)
    history = model.fit(pairs, verbose=0, callbacks=[Fit(pairs)])
    assert np.isfinite(history.history["loss"]).all()
    assert model(next(iter(pairs.plain_views(0)))[0]).dtype == "float32"


def test_features_are_not_learnt_on_a_trunk_that_has_them() -> None:
    with pytest.raises(InputError, match="feature_epochs=0 of a trunk that learned elsewhere"):
        made(ScanClusterer, feature_epochs=1, trunk=trunk())
