"""The preprint's VGG11 and four convolutions: sizes, alignment, what a cell sees, precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.networks.four_convolutions import FourConvolutions
from iic_tf.networks.network_vgg11 import NetworkVGG11
from iic_tf.networks.resize import enlarge

SMALL = 0.08
BOTH = pytest.mark.parametrize("make", [NetworkVGG11, FourConvolutions])

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def blocks(network):
    return network.blocks if isinstance(network, NetworkVGG11) else network.convs


def open_half(network):
    """Half of the ReLUs are open at a mean of zero: no pixel's influence dies on its way."""
    for block in blocks(network):
        rng = np.random.default_rng(block.filters)
        block.norm.beta.assign(rng.uniform(-0.2, 1, block.filters))


def cells(network, images):
    """The map `[batch, ⌈height/8⌉, ⌈width/8⌉, features]`, which one of the networks flattens."""
    sides = [-(-s // network.stride) for s in images.shape[1:3]]
    out = network(tf.constant(images)).numpy()
    return out.reshape(len(images), *sides, network.features)


def parameters(network):
    return sum(int(np.prod(v.shape)) for v in network.trainable_variables)


def test_vgg11_has_the_layers_of_vgg11():
    network = NetworkVGG11()
    network.build((None, None, None, 3))
    kernels = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 3 * 512 * 512)
    scales = 2 * (64 + 128 + 2 * 256 + 4 * 512)
    assert parameters(network) == kernels + scales == 9_223_232
    assert network.features == 512
    assert network.compute_output_shape((None, None, 200, 3)) == (None, None, 25, 512)


def test_four_convolutions_have_up_to_512_features():
    network = FourConvolutions()
    network.build((None, 96, 96, 3))
    kernels = 9 * (3 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    assert parameters(network) == kernels + 2 * (64 + 128 + 256 + 512) == 1_551_936
    assert network.features == 512
    assert network.compute_output_shape((None, 96, 96, 3)) == (None, 12 * 12 * 512)


@BOTH
def test_width_is_a_factor_of_all_channels(make):
    full, quarter = make(), make(0.25)
    assert [4 * b.filters for b in blocks(quarter)] == [b.filters for b in blocks(full)]
    assert quarter.features == 128
    with pytest.raises(InputError, match="width > 0; received width=0"):
        make(0)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (8, 8), (17, 13), (24, 33)])
def test_vgg11_takes_any_size(size):
    network = NetworkVGG11(SMALL)  # built for this very size when it is first called
    images = noise(2, *size, 2)
    features = network(images)
    assert features.shape == (2, -(-size[0] // 8), -(-size[1] // 8), network.features)
    assert network.compute_output_shape(images.shape) == features.shape


def test_vgg11_takes_sizes_unknown_when_the_graph_is_built():
    network = NetworkVGG11(SMALL)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    graph = tf.function(network, input_signature=[spec])
    for size in ((9, 14), (16, 7), (1, 25)):
        images = noise(2, *size, 3)
        np.testing.assert_allclose(graph(images), network(images), atol=1e-5)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (24, 24), (33, 8)])
def test_four_convolutions_take_sizes_from_eight(size):
    network = FourConvolutions(SMALL)
    images = noise(2, *size, 2)
    features = network(images)
    assert features.shape == network.compute_output_shape(images.shape)
    assert features.shape[-1] == -(-size[0] // 8) * -(-size[1] // 8) * network.features
    assert features.numpy().std(axis=0).max() > 1e-3


@pytest.mark.parametrize("size", [(7, 8), (8, 7), (1, 1), (None, None)])
def test_four_convolutions_refuse_smaller_images_and_unknown_sizes(size):
    wanted = r"known size of at least 8 pixels for four convolutions; received size='"
    with pytest.raises(InputError, match=wanted):
        FourConvolutions(SMALL).build((None, *size, 3))


@BOTH
def test_the_map_moves_with_the_image(make):
    network = make(SMALL)
    reach = -(-network.receptive_radius // 8)
    images = noise(1, 16 * reach + 24, 16 * reach + 40, 3)
    network.build(images.shape)
    open_half(network)
    out = cells(network, images)
    moved = cells(network, np.roll(images, (8, 16), axis=(1, 2)))
    there = moved[:, reach + 1 : -reach, reach + 2 : -reach]
    here = out[:, reach : -reach - 1, reach : -reach - 2]
    assert there.size
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)
    assert np.abs(out[:, reach + 1 : -reach, reach + 2 : -reach] - here).max() > 1e-2


@BOTH
@pytest.mark.parametrize("axis", [1, 2])
def test_the_map_lies_on_the_image_without_a_shift(make, axis):
    """With kernels that are their own mirror images, a mirrored image has the mirrored map."""
    network = make(SMALL)
    images = noise(1, 40, 48, 3)
    network.build(images.shape)
    open_half(network)
    for block in blocks(network):
        kernel = block.conv.kernel.numpy()
        block.conv.kernel.assign((kernel + np.flip(kernel, axis=axis - 1)) / 2)
    out = cells(network, images)
    mirrored = cells(network, np.flip(images, axis=axis))
    np.testing.assert_allclose(np.flip(mirrored, axis=axis), out, rtol=1e-4, atol=1e-5)
    assert np.abs(mirrored - out).max() > 1e-2


@BOTH
def test_a_pixel_is_seen_exactly_as_far_as_the_receptive_radius(make):
    """Of a black image all is 0; with kernels above 0, whatever sees a bright pixel is not."""
    network = make(SMALL)
    radius = network.receptive_radius
    places = radius + 2 + np.arange(8)  # in all places that a pixel can have within a cell
    side = 2 * (radius + 8)
    images = np.zeros((8, side, side, 1), np.float32)
    network.build(images.shape)
    for block in blocks(network):
        block.conv.kernel.assign(np.abs(block.conv.kernel.numpy()) + 1e-3)
    black = cells(network, images[:1])
    np.testing.assert_array_equal(black, 0)
    images[np.arange(8), places, places[::-1]] = 1
    enlarged = enlarge(tf.constant(cells(network, images)), 8, side, side).numpy()
    before, after = [], []
    for image, *pixel in zip(enlarged.max(axis=-1), places, places[::-1], strict=True):
        for seen, at in zip(np.nonzero(image), pixel, strict=True):
            before.append(at - seen.min())
            after.append(seen.max() - at)
    assert max(before) == max(after) == radius


@BOTH
def test_it_is_saved_and_loaded(make, tmp_path):
    images = noise(2, 17, 24, 3)
    model = keras.Sequential([keras.Input((17, 24, 3)), make(SMALL)])
    open_half(model.layers[0])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.layers[0]) is make
    assert again.layers[0].get_config() == model.layers[0].get_config()
    np.testing.assert_array_equal(again(images), model(images))


@BOTH
@pytest.mark.parametrize("_precision", ["float32", "mixed_bfloat16"], indirect=True)
@pytest.mark.usefixtures("_precision")
def test_features_and_gradients_are_finite(make):
    network = make(SMALL)
    images = tf.constant(noise(4, 17, 24, 3))
    with tf.GradientTape() as tape:
        features = network(images, training=True)
        loss = tf.reduce_mean(tf.square(tf.cast(features, tf.float32) - 1))
    assert features.dtype.name == network.compute_dtype
    assert np.isfinite(tf.cast(features, tf.float32)).all()
    for gradient in tape.gradient(loss, network.trainable_variables):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0
