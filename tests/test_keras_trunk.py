"""Any Keras model as trunk: what it makes of images."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from made_up import noise
from tiny_trunks import chain, conv, excited, pyramid, trunk, u_net, vectors

from iic_tf import IICClusterer, IICSegmenter, KerasTrunk
from iic_tf.errors import InputError


def built(found: KerasTrunk, bands: int = 3) -> KerasTrunk:
    found.build((None, None, None, bands))
    return found


def counting(stride: int, times: int) -> Any:
    """Strided means padded at their ends: cells move by (stride² − 1) / 2 pixels."""
    return [
        conv(1, stride + 1, stride, kernel_initializer="ones", activation=None)
        for _ in range(times)
    ]


def test_cells_lie_where_their_pixels_do() -> None:
    """A bright square lights the cells around it evenly, of maps of all strides."""
    keras.utils.set_random_seed(0)
    x = image = keras.Input((None, None, 1))
    maps = []
    for _ in range(4):
        x = conv(1, 3, 2, kernel_initializer="ones", activation=None)(x)
        maps.append(x)
    found = built(trunk(keras.Model(image, maps), stride=2), 1)
    dark = np.zeros((1, 128, 128, 1), np.float32)
    dark[:, 60:68, 60:68] = 1
    # The square's middle, 64, is that of the image.
    features = np.asarray(found(dark))[0]
    places = 2 * np.arange(64) + 1
    for level in range(4):
        seen = features[..., level]
        for axis in (0, 1):
            middle = (seen.sum(axis) * places).sum() / seen.sum()
            # Whole cells of the finest map can be moved.
            assert abs(middle - 64) <= 1, level


@pytest.mark.parametrize("network", [pyramid, u_net, excited], ids=["maps", "u-net", "windows"])
@pytest.mark.parametrize("size", [(1, 1), (3, 7), (8, 8), (33, 50)])
def test_images_of_any_size(network: Any, size: tuple[int, int]) -> None:
    found = built(trunk(network(), window=32))
    x = noise(2, *size, 3)
    features = np.asarray(found(x))
    rows, columns = (-(-side // found.stride) for side in size)
    assert features.shape == (2, rows, columns, found.features)
    assert found.compute_output_shape(x.shape) == features.shape

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])])  # type: ignore[untyped-decorator]
    def graph(x: Any) -> Any:
        return found(x)

    np.testing.assert_allclose(graph(x), features, atol=1e-5)


@pytest.mark.parametrize("network", [pyramid, u_net], ids=["maps", "u-net"])
def test_parts_of_an_image_have_its_cells(network: Any) -> None:
    found = built(trunk(network()))
    align, radius, x = found.align, found.receptive_radius, noise(1, 136, 120, 3)
    whole = np.asarray(found(x))[0]
    margin = -(-radius // align) * align
    cut = 56 // align * align
    part = np.asarray(found(x[:, cut - margin :, cut - margin :]))[0]
    inner, first = margin // found.stride, cut // found.stride
    np.testing.assert_allclose(part[inner:, inner:], whole[first:, first:], atol=1e-5)


def test_parts_of_an_image_have_the_cells_of_its_windows() -> None:
    found = built(trunk(excited(), window=32))
    assert (found.window, found.align, found.receptive_radius) == (32, 16, 32)
    x = noise(1, 100, 90, 3)
    whole = np.asarray(found(x))[0]
    part = np.asarray(found(x[:, 16:, 16:]))[0]
    np.testing.assert_allclose(part[8:, 8:], whole[12:, 12:], atol=1e-5)
    # Nearer than a window they are others, or nothing was tested.
    assert np.abs(part[:3, :3] - whole[4:7, 4:7]).max() > 1e-4


def test_windows_of_a_network_of_one_size() -> None:
    found = built(trunk(pyramid(side=32)))
    assert (found.window, found.align) == (32, 16)
    assert found(noise(1, 40, 57, 3)).shape == (1, 5, 8, 15)
    with pytest.raises(InputError, match="of a multiple of 16 pixels, or of any size"):
        trunk(pyramid(side=24))


@pytest.mark.parametrize(("given", "stride"), [(None, 8), (2, 2), (4, 4), (6, 6), (16, 16), (1, 1)])
def test_strides(given: int | None, stride: int) -> None:
    found = built(trunk(stride=given))
    assert found.stride == stride
    assert found(noise(1, 40, 40, 3)).shape[1] == -(-40 // stride)


@pytest.mark.parametrize("stride", [0, -2, 3, True, 2.0, "8"])
def test_strides_that_do_not_fit(stride: Any) -> None:
    with pytest.raises(InputError, match="Expected a stride") as caught:
        trunk(stride=stride)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("window", [0, -32, True, 2.5, "64"])
def test_windows_that_do_not_fit(window: Any) -> None:
    with pytest.raises(InputError, match="Expected a window of 1 pixel"):
        trunk(excited(), window=window)


def test_features_keep_the_order_of_strides() -> None:
    assert [level.stride for level in trunk().levels] == [2, 4, 8]
    again = KerasTrunk.from_config(trunk().get_config())
    assert (again.levels, again._order) == (trunk().levels, trunk()._order)


def test_what_is_shown() -> None:
    seen = chain(layers.Lambda(lambda x: 1.0 * x))
    one = built(trunk(seen, low=-1, high=3))
    np.testing.assert_allclose(one(np.full((1, 2, 2, 3), 0.5)), np.ones((1, 2, 2, 3)))
    own = built(trunk(seen, low=(0, 1, 2), high=(1, 1, 4), bands=(3, 0, 0)), 4)
    x = noise(1, 4, 4, 4)
    wanted = np.stack([x[..., 3], np.ones_like(x[..., 0]), 2 + 2 * x[..., 0]], -1)
    np.testing.assert_allclose(own(x), wanted, atol=1e-6)


@pytest.mark.parametrize("bands", [2, 3, 5])
def test_a_learned_map_of_bands_begins_as_the_first_ones(bands: int) -> None:
    seen = chain(layers.Lambda(lambda x: 1.0 * x))
    found = built(trunk(seen, bands="learned"), bands)
    x = noise(1, 4, 4, bands)
    np.testing.assert_allclose(found(x), x[..., np.arange(3) % bands], atol=1e-6)
    assert [w.shape for w in found.trainable_variables] == [(1, 1, bands, 3)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"low": (0, 1)}, "a number, or 3 of them"),
        ({"high": "bright"}, "a number, or 3 of them"),
        ({"bands": (0, 1)}, "learned, or 3 numbers of bands"),
        ({"bands": (0, 1, -1)}, "learned, or 3 numbers of bands"),
        ({"bands": "all"}, "learned, or 3 numbers of bands"),
        ({"statistics": "moving"}, "statistics kept or batch"),
        ({"network": 5}, "a keras.Model as trunk; received int"),
    ],
)
def test_values_that_do_not_fit(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        KerasTrunk(**{"network": pyramid(), **values})
    assert "\n" not in str(caught.value)


def test_bands_that_images_do_not_have() -> None:
    with pytest.raises(InputError, match=r"which bands these are.*images of 4 bands"):
        built(trunk(), 4)
    with pytest.raises(InputError, match="bands below 4"):
        built(trunk(bands=(0, 1, 4)), 4)


# --- vectors


def test_vectors_of_images() -> None:
    found = built(trunk(vectors()))
    assert found.vector
    assert (found.features, found(noise(2, 16, 16, 3)).shape) == (5, (2, 5))
    two = vectors()
    both = built(trunk(keras.Model(two.inputs, [two.outputs[0], 2 * two.outputs[0]])))
    x = noise(2, 16, 16, 3)
    assert both.features == 10
    np.testing.assert_allclose(both(x), np.tile(two(x), 2) * np.repeat([1, 2], 5), atol=1e-5)


def test_maps_are_averaged() -> None:
    network = pyramid()
    found = built(trunk(network, vector=True))
    x = noise(2, 16, 16, 3)
    maps = [np.asarray(network(x)[i]) for i in (1, 0, 2)]
    wanted = np.concatenate([m.mean((1, 2)) for m in maps], -1)
    np.testing.assert_allclose(found(x), wanted, atol=1e-5)


def test_a_size_that_a_network_of_vectors_does_not_take() -> None:
    with pytest.raises(InputError, match="images of 16×16 pixels, the only ones"):
        IICClusterer(2, 4, 3, 24, inputs="bands", trunk=vectors())


def test_kinds_of_trunks_are_told_apart() -> None:
    with pytest.raises(InputError, match="a trunk that makes maps"):
        IICSegmenter(2, 4, 3, trunk=vectors())
    with pytest.raises(InputError, match="a trunk that makes a vector"):
        IICClusterer(2, 4, 3, 16, inputs="bands", trunk=trunk())
    with pytest.raises(InputError, match=r"a keras\.Model or a KerasTrunk; received trunk='int'"):
        IICSegmenter(2, 4, 3, trunk=5)
