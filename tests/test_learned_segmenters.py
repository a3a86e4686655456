"""What learns on pixels: other trunks, parts of a batch, half precision, pixels of no class."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from made_up import noise_pairs

from iic_tf.errors import InputError
from iic_tf.models.dense_dac import DACSegmenter
from iic_tf.models.dense_dec import DECSegmenter
from iic_tf.models.dense_exemplar import ExemplarSegmenter
from iic_tf.models.doersch import DoerschSegmenter
from iic_tf.models.fitting import Fit
from iic_tf.models.isola import IsolaSegmenter
from iic_tf.models.prototypes import PrototypeSegmenter
from iic_tf.networks.keras_trunk import KerasTrunk

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

PATCHES: dict[str, Any] = {"overclusters": 3, "patch": 2, "sample": 200, "starts": 1, "crops": 4}
PAIRS: dict[str, Any] = {**PATCHES, "pairs": 4, "hidden": 4}
CELLS: dict[str, Any] = {"places": 6}
MODELS: dict[str, tuple[Any, dict[str, Any]]] = {
    "isola": (IsolaSegmenter, {**PAIRS, "near": 2, "far": 4, "other_images": 0.5}),
    "doersch": (DoerschSegmenter, {**PAIRS, "gap": 2, "jitter": 0}),
    "exemplar": (ExemplarSegmenter, {**PATCHES, "exemplars": 4, "patches": 2}),
    "prototypes": (
        PrototypeSegmenter,
        {**CELLS, "overclusters": 4, "embedding": 3, "hidden": 0, "crops": 4},
    ),
    "dec": (DECSegmenter, {**CELLS, "embedding": 2, "sample": 200, "starts": 1}),
    "dac": (DACSegmenter, CELLS),
}


def model_of(name: str, **arguments: Any) -> Any:
    kind, own = MODELS[name]
    return kind(**{"classes": 2, "channels": 3, "width": 0.05, **own, **arguments})


def network() -> Any:
    return keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, 2, "same", activation="relu")]
    )


def fitted(model: Any, steps: int = 1, **compiled: Any) -> Any:
    """After an epoch: the losses are finite and what is trained has moved."""
    # Of noise with labels here and there no patch is valid as a whole.
    masks = not isinstance(model, ExemplarSegmenter)
    pairs = noise_pairs(crop=12, batch=4, steps=steps, masks=masks)
    model.compile(keras.optimizers.SGD(0.01), **compiled)
    model.before_epoch(pairs, 0)
    before = {name: [np.copy(v) for v in own] for name, own in model.parts().items()}
    history = model.fit(pairs, verbose=0, callbacks=[Fit(pairs)])
    assert np.isfinite(history.history["loss"]).all()
    trained = model.parts_in(model.phase_of(0))
    for name in trained:
        now = model.parts()[name]
        assert any((np.asarray(v) != b).any() for v, b in zip(now, before[name], strict=True)), name
    assert model.predict(np.zeros((1, 8, 9, 3), np.float32), verbose=0).dtype == np.float32
    return model


@pytest.mark.parametrize("name", ["isola", "exemplar", "prototypes", "dec"])
def test_a_batch_in_parts_on_a_trunk_that_is_fine_tuned(name: str) -> None:
    trunk = KerasTrunk(network(), frozen=False, standardised=name != "isola")
    fitted(model_of(name, trunk=trunk), micro_batches=2)


@pytest.mark.parametrize("_precision", ["mixed_float16"], indirect=True)
@pytest.mark.usefixtures("_precision")
@pytest.mark.parametrize("name", ["doersch", "prototypes", "dac"])
def test_half_precision(name: str) -> None:
    # The scale of the loss has to fall before there is a step.
    fitted(model_of(name), steps=12)


@pytest.mark.parametrize("name", ["isola", "doersch", "exemplar"])
def test_a_pretext_asks_for_a_trunk_that_is_trained(name: str) -> None:
    with pytest.raises(InputError, match="a trunk that is trained"):
        model_of(name, trunk=KerasTrunk(network()))


@pytest.mark.parametrize("name", ["prototypes", "dac"])
def test_others_learn_on_frozen_features(name: str) -> None:
    model = fitted(model_of(name, trunk=KerasTrunk(network())))
    assert "trunk" not in model.parts()
