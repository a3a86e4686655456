"""Networks A and B, blocks, and what all layers have in common."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.networks.basic_block import BasicBlock
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.network_a import NetworkA
from iic_tf.networks.network_b import NetworkB
from iic_tf.networks.network_c import NetworkC
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.networks.vector_head import VectorHead

SMALL = 0.08

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


@pytest.mark.parametrize("network", [NetworkA, NetworkB, NetworkC])
def test_networks_need_a_width(network):
    with pytest.raises(InputError, match="width > 0; received width=0"):
        network(0)


@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_conv_block_against_loops(dilation):
    block = ConvBlock(2, dilation=dilation)
    images = noise(1, 6, 7, 3) - 0.5
    out = block(tf.constant(images)).numpy()
    kernel = block.conv.kernel.numpy()
    exact = np.zeros((6, 7, 2))
    for y, x, i, j in np.ndindex(6, 7, 3, 3):
        row, column = y + (i - 1) * dilation, x + (j - 1) * dilation
        if 0 <= row < 6 and 0 <= column < 7:
            exact[y, x] += images[0, row, column] @ kernel[i, j]
    np.testing.assert_allclose(out[0], np.maximum(exact, 0) / np.sqrt(1 + 1e-5), atol=1e-5)
    training = block(tf.constant(images), training=True).numpy()
    normal = (exact - exact.mean(axis=(0, 1))) / np.sqrt(exact.var(axis=(0, 1)) + 1e-5)
    np.testing.assert_allclose(training[0], np.maximum(normal, 0), atol=1e-5)
    # Momentum 0.9: a tenth of the batch's mean is taken over.
    np.testing.assert_allclose(block.norm.moving_mean, exact.mean(axis=(0, 1)) / 10, atol=1e-6)


@pytest.mark.parametrize(
    "layer",
    [
        *(ConvBlock(8, 5, dilation=2), ConvBlock(8, stride=2, activate=False), BasicBlock(8, 2)),
        *(NetworkA(0.25), NetworkB(0.25), NetworkC(0.5)),
        *(PixelHead(4, sub_heads=3), VectorHead(4, sub_heads=3)),
    ],
)
def test_layers_are_made_again_from_their_config(layer):
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert type(again) is type(layer)
    assert again.get_config() == layer.get_config()


@pytest.mark.parametrize("size", [(6, 8), (7, 5), (1, 2)])
def test_a_stride_keeps_every_second_pixel_from_the_first(size):
    images = noise(2, *size, 3) - 0.5
    for kernel in (1, 3, 5):
        dense = ConvBlock(4, kernel, activate=False)
        strided = ConvBlock(4, kernel, stride=2, activate=False)
        out = dense(images)
        assert strided(images).shape == strided.compute_output_shape(images.shape)
        strided.set_weights(dense.get_weights())
        np.testing.assert_allclose(strided(images), out[:, ::2, ::2], atol=1e-5)
        assert out.numpy().min() < 0


# --- networks A and B


def scales(*filters):
    return 2 * sum(filters)


def parameters(layer):
    return sum(int(np.prod(v.shape)) for v in layer.trainable_variables)


def test_network_a_is_table_ones():
    network = NetworkA()
    network.build((None, 32, 32, 2))
    stem = 9 * 2 * 64 + scales(64)
    stages = 3 * (2 * 9 * 64 * 64 + scales(64, 64))
    for before, filters, blocks in ((64, 128, 4), (128, 256, 6), (256, 512, 3)):
        stages += 9 * before * filters + scales(filters)
        stages += (2 * blocks - 1) * (9 * filters * filters + scales(filters))
        stages += before * filters + scales(filters)  # the shortcut of the first block
    assert parameters(network) == stem + stages == 21_276_416
    filters = [block.filters for block in network.blocks]
    assert filters == [64] * 3 + [128] * 4 + [256] * 6 + [512] * 3
    assert [block.stride for block in network.blocks].count(2) == 3
    assert network.features == 512


def test_network_b_is_table_ones():
    network = NetworkB()
    network.build((None, 24, 24, 1))
    kernels = 25 * (1 * 64 + 64 * 128 + 128 * 256 + 256 * 512)
    assert parameters(network) == kernels + scales(64, 128, 256, 512) == 4_304_320
    assert network.compute_output_shape((None, 24, 24, 1)) == (None, 3 * 3 * 512)


@pytest.mark.parametrize("size", [(8, 8), (9, 13), (24, 24), (33, 8)])
def test_sizes_of_networks_a_and_b(size):
    images = noise(2, *size, 2)
    for network in (NetworkA(SMALL), NetworkB(SMALL)):
        features = network(images)
        assert features.shape == network.compute_output_shape(images.shape)
        assert features.numpy().std(axis=0).max() > 1e-3
    cells = -(-size[0] // 8) * -(-size[1] // 8)
    assert features.shape[-1] == cells * network.convs[-1].filters


@pytest.mark.parametrize("network", [NetworkA, NetworkB])
def test_images_too_small_for_a_network_are_refused(network):
    for size in ((7, 8), (8, 7), (1, 1)):
        with pytest.raises(InputError, match=r"at least 8 pixels for network [AB]; received"):
            network(SMALL).build((None, *size, 3))


def test_network_b_must_know_the_size_but_a_need_not():
    with pytest.raises(InputError, match=r"a known size.*received size='None×None'"):
        NetworkB(SMALL).build((None, None, None, 1))
    network = NetworkA(SMALL)
    network.build((None, None, None, 1))
    assert network(noise(1, 10, 9, 1)).shape == (1, network.features)
    assert network.compute_output_shape((None, None, None, 1)) == (None, network.features)


def test_a_basic_block_against_its_parts():
    images = noise(2, 6, 7, 8) - 0.5
    plain, changing = BasicBlock(8), BasicBlock(6, stride=2)
    assert plain(images).shape == images.shape
    assert plain.shortcut is None
    deep = plain.second(plain.first(images))
    np.testing.assert_allclose(plain(images), np.maximum(deep + images, 0), atol=1e-6)
    out = changing(images)
    assert out.shape == changing.compute_output_shape(images.shape) == (2, 3, 4, 6)
    deep = changing.second(changing.first(images)).numpy()
    kernel = changing.shortcut.conv.kernel.numpy()[0, 0]
    beside = images[:, ::2, ::2] @ kernel / np.sqrt(1 + 1e-5)
    np.testing.assert_allclose(out, np.maximum(deep + beside, 0), atol=1e-5)
