"""Parts with an optimiser each: what rested begins as if nothing had been, at today's rate."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise_pairs, small_segmenter

from iic_tf.errors import InputError
from iic_tf.models.adam import Adam
from iic_tf.models.phases import PartOptimizers

RATE = 1e-3
OTHER = 1000
"""Steps of the other head before."""


def stepper(model: Any) -> Any:
    """Take a step of a phase by gradients of one everywhere; |step| / rate of each part."""

    @tf.function
    def step(phase: str) -> None:
        ones = {p: [tf.ones(v.shape) for v in model.parts()[p]] for p in model.parts_in(phase)}
        scaled = {p: [model.optimizer.scale_loss(g) for g in own] for p, own in ones.items()}
        model.step_on(scaled)

    def moved(phase: str) -> dict[str, float]:
        before = {p: [v.numpy() for v in own] for p, own in model.parts().items()}
        step(phase)
        return {
            p: float(np.max([np.abs(v.numpy() - b).max() for v, b in zip(own, before[p])])) / RATE  # noqa: B905
            for p, own in model.parts().items()
        }

    moved.step = step
    return moved


def zeroed(model: Any) -> Any:
    """All weights zero, so that steps are not lost in rounding."""
    for variable in model.trainable_variables:
        variable.assign(tf.zeros(variable.shape))
    return model


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: Adam(RATE, epsilon=1e-8),
        lambda: keras.optimizers.Adam(RATE, epsilon=1e-8),
        lambda: keras.optimizers.AdamW(RATE, weight_decay=0.0, epsilon=1e-8),
        lambda: keras.optimizers.LossScaleOptimizer(Adam(RATE, epsilon=1e-8)),
        lambda: {part: Adam(RATE, epsilon=1e-8) for part in ("trunk", "main", "overclustering")},
    ],
    ids=["Adam", "Keras' Adam", "AdamW", "scaled losses", "one for each part"],
)
def test_steps_by_a_constant_gradient_are_the_rate_whatever_the_other_head_did(
    optimizer: Any, tmp_path: Any
) -> None:
    model = zeroed(small_segmenter())
    model.compile(optimizer())
    moved = stepper(model)
    for _ in range(OTHER):
        moved.step("overclustering")
    zeroed(model)
    for _ in range(6):
        found = moved("main")
        assert found["main"] == pytest.approx(1, abs=1e-3)
        assert found["trunk"] == pytest.approx(1, abs=1e-3)
        assert found["overclustering"] == 0
    # And after resuming.
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    zeroed(again)
    moved = stepper(again)
    for phase in ("main", "overclustering", "both", "main"):
        found = moved(phase)
        for part in again.parts_in(phase):
            assert found[part] == pytest.approx(1, abs=1e-3)
    assert int(again.optimizer.iterations) == OTHER + 10


def test_all_parts_go_by_the_same_rate() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(RATE, 100, 0.0)
    model = zeroed(small_segmenter())
    model.compile(Adam(schedule, epsilon=1e-8))
    moved = stepper(model)
    for _ in range(50):
        moved.step("overclustering")
    zeroed(model)
    found = moved("main")
    assert found["main"] == pytest.approx(0.5, abs=1e-3)
    assert found["trunk"] == pytest.approx(0.5, abs=1e-3)
    model.compile(Adam(RATE, epsilon=1e-8))
    model.optimizer.learning_rate = 0.25 * RATE
    found = stepper(zeroed(model))("both")
    assert list(found.values()) == pytest.approx([0.25] * 3, abs=1e-3)


def test_a_step_that_is_not_finite_is_skipped_by_all_parts() -> None:
    model = small_segmenter()
    model.compile(keras.optimizers.LossScaleOptimizer(Adam(RATE)))
    before = model.get_weights()
    gradients = {p: [tf.ones(v.shape) for v in own] for p, own in model.parts().items()}
    gradients["overclustering"][0] *= np.inf
    model.step_on(gradients)
    for a, b in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    scales = [float(o.dynamic_scale) for o in (model.optimizer, *model.other_optimizers.values())]
    assert scales == [2.0**14] * 3


def test_a_part_that_rested_takes_scaled_steps_of_the_right_length() -> None:
    """Its factor is another than the first part's by then."""
    model = zeroed(small_segmenter())
    model.compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(RATE)))
    parts = model.parts()
    model.step_on({"trunk": [tf.fill(v.shape, np.inf) for v in parts["trunk"]]})
    assert float(model.optimizer.dynamic_scale) == 2.0**14
    assert float(model.other_optimizers["main"].dynamic_scale) == 2.0**15
    moved = stepper(model)("main")
    assert [moved["trunk"], moved["main"]] == pytest.approx([1, 1], rel=1e-6)


def test_training_in_turns_moves_each_heads_own_count() -> None:
    model = small_segmenter()
    model.compile(Adam(RATE))
    model.fit(noise_pairs(steps=2), epochs=3, verbose=0)  # overclustering, main, overclustering
    others = {name: int(one.iterations) for name, one in model.other_optimizers.items()}
    assert (int(model.optimizer.iterations), others) == (6, {"main": 2, "overclustering": 4})


def test_optimizers_of_other_parts_are_refused() -> None:
    model = small_segmenter()
    with pytest.raises(InputError, match="an optimiser for each of trunk, main, overclustering"):
        model.compile({"trunk": "sgd", "head": "sgd"})
    with pytest.raises(InputError, match="an optimiser for each of trunk, main, overclustering"):
        model.compile({"main": "sgd"})
    with pytest.raises(InputError, match=r"received \['trunk'\]"):
        model.compile({"trunk": "sgd"})
    with pytest.raises(InputError, match="an optimiser for each of a, b"):
        PartOptimizers(Adam(), {"a": [], "b": []}, {"c": Adam()})
