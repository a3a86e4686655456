from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.models.linear_head import LinearHead, linear_inputs, linear_maps, linear_margin
from tests.made_up import noise, small_segmenter


def with_weights(head: LinearHead, seed: int = 0) -> LinearHead:
    rng = np.random.default_rng(seed)
    head.set_linear(rng.normal(size=(head.inputs, head.classes)), rng.normal(size=head.classes))
    return head


def of_inputs(head: LinearHead, inputs: Any) -> Any:
    """The softmax of one linear map of everything, in double precision."""
    kernels = [head.kernel, *([head.pooled_kernel] if head.pooled else [])]
    kernels += [head.statistics_kernel] if head.statistics else []
    kernel = np.concatenate([np.asarray(k) for k in kernels]).astype(np.float64)
    logits = np.asarray(inputs, np.float64) @ kernel + np.asarray(head.bias)
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.parametrize(("pooled", "stride"), [(21, 2), (5, 1), (0, 4)])
def test_equals_the_linear_map_of_enlarged_features(pooled: int, stride: int) -> None:
    head = with_weights(LinearHead(3, 6, 2, windows=(3, 5), pooled=pooled))
    x = noise(2, 13, 18, 2)
    features = noise(2, -(-13 // stride), -(-18 // stride), 6, seed=1)
    inputs = head.inputs_of(features, x, stride)
    assert inputs.shape == (2, 13, 18, head.inputs)
    assert np.allclose(head(features, x, stride=stride), of_inputs(head, inputs), atol=1e-5)


def test_of_whole_images_features_are_vectors() -> None:
    head = with_weights(LinearHead(4, 5))
    assert (head.inputs, head.radius) == (5, 0)
    features = noise(7, 5)
    assert np.allclose(head(features), of_inputs(head, features), atol=1e-6)


def test_a_pixel_depends_on_nothing_beyond_the_radius() -> None:
    head = with_weights(LinearHead(2, 1, 1, windows=(3,), pooled=5))
    assert head.radius == 2
    features, x = np.zeros((1, 20, 20, 1), np.float32), np.zeros((1, 20, 20, 1), np.float32)
    before = np.asarray(head(features, x))
    features[0, 10, 10] = x[0, 10, 10] = 1
    changed = (np.asarray(head(features, x)) != before).any(-1)[0]
    assert changed[8:13, 8:13].all()
    assert changed.sum() == 25


def test_maps_of_images_are_those_of_any_window_with_its_margin() -> None:
    model = small_segmenter()
    head = with_weights(LinearHead(2, model.trunk.features, 3, pooled=5, windows=(5,)))
    x = noise(1, 90, 80, 3)
    whole = np.asarray(linear_maps(model, head, x))
    assert whole.shape == (1, 90, 80, 2)
    margin = linear_margin(model, head)
    part = np.asarray(linear_maps(model, head, x[:, : 30 + margin, : 40 + margin]))
    assert np.allclose(part[:, :30, :40], whole[:, :30, :40], atol=1e-5)
    assert np.allclose(of_inputs(head, linear_inputs(model, head, x)), whole, atol=1e-5)


def test_is_saved_and_loaded(tmp_path: Path) -> None:
    head = with_weights(LinearHead(3, 4, 3, windows=(3, 7), pooled=9))
    features, x = keras.Input((None, None, 4)), keras.Input((None, None, 3))
    model = keras.Model([features, x], head(features, x))
    model.save(tmp_path / "head.keras")
    again = keras.saving.load_model(tmp_path / "head.keras")
    data = [noise(1, 8, 9, 4), noise(1, 8, 9, 3, seed=1)]
    assert np.allclose(model(data), again(data), atol=1e-6)
    copy = LinearHead.from_config(head.get_config())
    copy.set_weights(head.get_weights())
    assert np.array_equal(copy(*data), head(*data))


def test_runs_with_sizes_known_at_run_time_only() -> None:
    head = with_weights(LinearHead(3, 4, 3))
    spec = [tf.TensorSpec((None, None, None, c)) for c in (4, 3)]
    graph = tf.function(lambda f, x: head(f, x, stride=2), input_signature=spec)
    data = noise(2, 5, 6, 4), noise(2, 9, 12, 3)
    assert np.allclose(graph(*data), head(*data, stride=2), atol=1e-6)


@pytest.mark.parametrize(
    "arguments", [{"classes": 1}, {"features": 0}, {"windows": (4,)}, {"pooled": 2}]
)
def test_refuses(arguments: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        LinearHead(**{"classes": 2, "features": 3, "channels": 3, **arguments})


def test_refuses_a_map_of_another_shape() -> None:
    head = LinearHead(2, 3)
    with pytest.raises(InputError, match="3 x 2"):
        head.set_linear(np.zeros((4, 2)), np.zeros(2))
