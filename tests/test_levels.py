"""What is told of a network's feature maps."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from keras import layers
from tiny_trunks import chain, conv, excited, pyramid, u_net

from iic_tf.errors import InputError
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.levels import Level, measured

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def by_place(x: Any) -> Any:
    rows = keras.ops.arange(keras.ops.shape(x)[1], dtype="float32")
    return x * (0.1 + rows[:, None, None])


def padded(before: int, behind: int) -> Any:
    return layers.ZeroPadding2D(((before, behind), (before, behind)))


@pytest.mark.parametrize(
    ("steps", "level"),
    [
        # SAME pads strides at their ends alone.
        ([conv(stride=2)], (2, 0, 1)),
        ([conv(stride=2), conv(stride=2)], (4, 0, 3)),
        ([conv(stride=2), conv(stride=2), conv(stride=2)], (8, 0, 7)),
        # Kernels as large as their stride see their own pixels.
        ([conv(size=4, stride=4)], (4, 0, 0)),
        ([conv(size=7, stride=4)], (4, 1, 2)),
        # As PyTorch's networks are padded: at both sides, of which one is not looked at.
        ([padded(1, 1), conv(stride=2, padding="valid")], (2, 1, 0)),
        ([padded(3, 3), conv(size=7, stride=2, padding="valid")], (2, 3, 2)),
        ([conv(), conv(dilation_rate=4)], (1, 5, 5)),
        ([conv(stride=2), conv(dilation_rate=3)], (2, 6, 7)),
        ([layers.MaxPooling2D(2), conv()], (2, 2, 2)),
        ([conv(size=1)], (1, 0, 0)),
        # A cell that leaves out some of its pixels is taken to see them all.
        ([conv(size=1, stride=4)], (4, 0, 0)),
    ],
)
def test_strides_and_how_far_is_seen(steps: Any, level: tuple[int, int, int]) -> None:
    (found,) = measured(chain(*steps), side=64)
    assert (found.stride, found.before, found.behind) == level
    assert found.shift == (level[2] - level[1]) / 2
    assert found.radius == max(level[1:])
    assert (found.features, found.period) == (4, found.stride)


def test_rows_and_columns_may_differ() -> None:
    (found,) = measured(chain(conv(size=(1, 7)), conv(size=(3, 1))), side=64)
    assert (found.before, found.behind) == (3, 3)


def test_what_rectifiers_hide_in_one_cell_others_show() -> None:
    """Most features are at rest in a cell."""
    hidden = conv(8, bias_initializer=keras.initializers.Constant(-0.35))
    network = chain(hidden, conv(1, kernel_initializer="ones"))
    at_rest = np.asarray(network.layers[0](np.random.default_rng(0).random((1, 64, 64, 3)))) == 0
    assert 0.6 < at_rest.mean() < 1
    (found,) = measured(network, side=64)
    assert (found.before, found.behind) == (2, 2)


def test_several_maps_in_the_order_of_the_network() -> None:
    found = measured(pyramid(), side=64)
    assert [(one.stride, one.features, one.shift) for one in found] == [
        (4, 5, 1.5),
        (2, 4, 0.5),
        (8, 6, 3.5),
    ]
    named = pyramid()
    outputs = dict(zip("abc", named.outputs, strict=True))
    same = measured(keras.Model(named.inputs, outputs), side=64)
    assert same == found


def test_a_map_that_was_enlarged_moves_by_the_largest_stride_inside() -> None:
    (found,) = measured(u_net())
    assert (found.stride, found.period) == (1, 8)
    # Its fine maps have not moved, whatever the coarse ones have.
    assert found.shift == 0
    # The first pixel of 8 sees the 15 before itself that the coarse cell beside does, the last one
    # as many less; all of them the coarse cell's own 15 pixels, and one more.
    assert (found.before, found.behind) == (8, 15)
    assert found.radius == 15 + 7


@pytest.mark.parametrize(
    "network",
    [
        excited(),
        # What moves along with nothing, though its cells see little.
        chain(conv(), layers.Lambda(by_place)),
    ],
    ids=["means over all", "places"],
)
def test_what_sees_its_window_as_a_whole(network: Any) -> None:
    (found,) = measured(network, side=32)
    assert (found.before, found.behind, found.radius, found.shift) == (None, None, None, 0)


def test_more_is_looked_at_where_little_does_not_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """16 pixels to either side, which 32 of them do not tell from all."""
    monkeypatch.setattr("iic_tf.networks.levels.PROBE", 32)
    monkeypatch.setattr("iic_tf.networks.levels.FARTHEST", 64)
    (found,) = measured(chain(conv(1, 33, activation=None)))
    assert (found.before, found.behind) == (16, 16)


def test_a_network_of_images_of_one_size_is_not_asked() -> None:
    assert measured(pyramid(side=32)) == [Level(4, 5), Level(2, 4), Level(8, 6)]


def test_one_that_is_all_at_rest_sees_nothing_but_itself() -> None:
    (found,) = measured(chain(conv(kernel_initializer="zeros", stride=2)), side=32)
    assert (found.before, found.behind) == (0, 0)


def test_gradients_are_not_needed() -> None:
    (found,) = measured(chain(conv(), layers.Lambda(keras.ops.stop_gradient)), side=32)
    assert (found.before, found.behind) == (1, 1)


class Own(keras.Model):  # type: ignore[misc]
    def call(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize(
    ("network", "message"),
    [
        (lambda: chain(conv(3, 3, 3)), "whole fraction of an image of 256×256 pixels; received 86"),
        (
            lambda: chain(layers.Lambda(lambda x: x[:, :, ::2])),
            "whole fraction .* received 256×128",
        ),
        (lambda: keras.Sequential([keras.Input((8,)), layers.Dense(2)]), "a network of images"),
        (lambda: keras.Sequential([keras.Input((8, 16, 3)), conv()]), "or of square ones"),
        (lambda: chain(layers.Reshape((-1, 3))), "a network that makes maps"),
        (Own, "that knows its own inputs and outputs.*received Own"),
    ],
)
def test_others_are_refused_in_one_line(network: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        KerasTrunk(network())
    assert "\n" not in str(caught.value)
