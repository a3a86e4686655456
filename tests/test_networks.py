"""Networks, heads and resizing: sizes, alignment with the image, and precision."""

import keras
import numpy as np
import pytest
import reference
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.networks.basic_block import BasicBlock
from iic_tf.networks.conv_block import ConvBlock
from iic_tf.networks.network_a import NetworkA
from iic_tf.networks.network_b import NetworkB
from iic_tf.networks.network_c import RECEPTIVE_RADIUS, NetworkC
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.networks.resize import enlarge
from iic_tf.networks.vector_head import VectorHead

SMALL = 0.08

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def segmenter(inputs="bands", **arguments):
    """A model whose probabilities are far from uniform, in inference mode."""
    model = IICSegmenter(3, 4, channels=3, width=SMALL, inputs=inputs, **arguments)
    for block in (*model.trunk.before, *model.trunk.after):
        rng = np.random.default_rng(block.filters)
        # Half of the ReLUs are open at a mean of zero: no pixel's influence dies on its way.
        block.norm.beta.assign(rng.uniform(-0.2, 1, block.filters))
    return model


def probabilities(model, images):
    return model(tf.constant(images)).numpy()


# --- network C


def test_network_c_has_four_and_a_half_million_parameters():
    network = NetworkC()
    network.build((None, None, None, 4))
    kernels = 9 * (4 * 64 + 64 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
    scales = 2 * (64 + 128 + 256 + 256 + 512 + 512)
    assert sum(int(np.prod(v.shape)) for v in network.trainable_variables) == kernels + scales
    assert network.count_params() == pytest.approx(4.5e6, rel=0.01)
    assert network.features == 512


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (2, 2), (5, 8), (17, 13), (20, 20)])
def test_any_image_size(size):
    network = NetworkC(SMALL)  # built for this very size when it is first called
    images = noise(2, *size, 2)
    half = [-(-s // 2) for s in size]
    features = network(images)
    assert features.shape == (2, *half, network.features)
    assert network.compute_output_shape((2, *size, 2)) == features.shape
    model = IICSegmenter(3, 4, channels=2, width=SMALL)
    assert model(images).shape == (2, *size, 3)


def test_sizes_unknown_when_the_graph_is_built():
    model = segmenter()
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    for size in ((9, 14), (16, 7), (1, 5)):
        images = noise(2, *size, 3)
        np.testing.assert_allclose(graph(images), probabilities(model, images), atol=1e-6)


def test_the_map_moves_with_the_image():
    model = segmenter()
    images = noise(1, 50, 46, 3)
    moved = np.roll(images, (2, 4), axis=(1, 2))
    out, out_moved = (probabilities(model, i) for i in (images, moved))
    reach = RECEPTIVE_RADIUS
    there = out_moved[:, reach + 2 : -reach, reach + 4 : -reach]
    here = out[:, reach : -reach - 2, reach : -reach - 4]
    np.testing.assert_allclose(there, here, atol=1e-6)
    assert np.abs(out[:, reach + 2 : -reach, reach + 4 : -reach] - here).max() > 1e-3


@pytest.mark.parametrize("axis", [1, 2])
def test_the_map_lies_on_the_image_without_a_shift(axis):
    """With kernels that are their own mirror images, a mirrored image has the mirrored map."""
    model = segmenter()
    for block in (*model.trunk.before, *model.trunk.after):
        kernel = block.conv.kernel.numpy()
        block.conv.kernel.assign((kernel + np.flip(kernel, axis=axis - 1)) / 2)
    images = noise(1, 24, 22, 3)
    out = probabilities(model, images)
    mirrored = probabilities(model, np.flip(images, axis=axis))
    np.testing.assert_allclose(np.flip(mirrored, axis=axis), out, atol=1e-6)
    # A shift by a single pixel would not pass unnoticed.
    assert np.abs(np.roll(out, 1, axis=axis) - out).max() > 1e-3


@pytest.mark.parametrize("size", [(23, 31), (24, 31)])
def test_odd_sizes_stay_aligned(size):
    """A row or column more at the far end changes nothing beyond its reach."""
    model = segmenter()
    images = noise(1, size[0] + 30, size[1] + 30, 3)
    height, width = size[0] + 29, size[1] + 29
    whole, less = (probabilities(model, i) for i in (images, images[:, :height, :width]))
    near = np.s_[:, : height - RECEPTIVE_RADIUS, : width - RECEPTIVE_RADIUS]
    np.testing.assert_allclose(less[near], whole[near], atol=1e-6)


@pytest.mark.parametrize(("inputs", "more"), [("bands", 0), ("bands+sobel", 1)])
@pytest.mark.parametrize("pixel", [(24, 25), (25, 24)])
def test_a_pixel_is_seen_as_far_as_the_receptive_radius(pixel, inputs, more):
    model = segmenter(inputs)
    images = noise(1, 50, 51, 3)
    changed = images.copy()
    changed[0, pixel[0], pixel[1]] += 20
    difference = np.abs(probabilities(model, changed) - probabilities(model, images))
    rows, columns = np.nonzero(difference[0].max(axis=-1))
    for places, at in zip((rows, columns), pixel, strict=True):
        assert np.abs(places - at).max() <= RECEPTIVE_RADIUS + more
        assert np.abs(places - at).max() >= RECEPTIVE_RADIUS - 3


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


# --- resizing


@pytest.mark.parametrize("factor", [1, 2, 3])
@pytest.mark.parametrize("size", [(12, 15), (11, 13), (10, 14)])
def test_enlarged_cells_stay_centred_on_their_pixels(size, factor):
    rows, columns = (-(-s // factor) for s in size)
    # Every cell holds the centre of its pixels, so that every pixel gets its own place.
    y, x = np.mgrid[:rows, :columns].astype(np.float32) * factor + (factor - 1) / 2
    large = enlarge(tf.constant(np.stack([y, x], axis=-1)[None]), factor, *size).numpy()[0]
    assert large.shape == (*size, 2)
    places = np.stack(np.mgrid[: size[0], : size[1]], axis=-1)
    last = [(rows - 1) * factor + (factor - 1) / 2, (columns - 1) * factor + (factor - 1) / 2]
    held = np.clip(places, (factor - 1) / 2, last)  # constant beyond the outermost centres
    np.testing.assert_allclose(large, held, atol=1e-5)


def test_enlarged_probabilities_sum_to_one():
    maps = reference.similar_maps((2, 5, 6, 4))[0]
    large = enlarge(tf.constant(maps), 2, 9, 12).numpy()
    assert large.shape == (2, 9, 12, 4)
    np.testing.assert_allclose(large.sum(axis=-1), 1, atol=1e-6)


# --- heads


def test_sub_heads_are_separate_layers_computed_at_once():
    head = PixelHead(3, sub_heads=4)
    features = noise(2, 5, 6, 7) - 0.5
    maps = head(tf.constant(features))
    assert len(maps) == 4
    kernel = head.conv.kernel.numpy()
    assert kernel.shape == (1, 1, 7, 12)
    for i, one in enumerate(maps):
        logits = features.astype(np.float64) @ kernel[0, 0, :, 3 * i : 3 * i + 3]
        np.testing.assert_allclose(one, reference.softmax(logits), atol=1e-6)
    assert np.abs(maps[0].numpy() - maps[1].numpy()).max() > 0.01


def test_sub_heads_of_vectors_are_separate_layers_computed_at_once():
    head = VectorHead(3, sub_heads=4)
    features = 100 * (noise(50, 400) - 0.5)
    every = head(tf.constant(features))
    kernel, bias = head.linear.get_weights()
    assert kernel.shape == (400, 12)
    assert kernel.std() == pytest.approx(0.01, rel=0.1)  # as published
    assert not bias.any()
    head.linear.bias.assign(np.linspace(-1, 1, 12))
    every = head(tf.constant(features))
    assert len(every) == 4
    for i, one in enumerate(every):
        part = np.s_[3 * i : 3 * i + 3]
        logits = features.astype(np.float64) @ kernel[:, part] + np.linspace(-1, 1, 12)[part]
        np.testing.assert_allclose(one, reference.softmax(logits), atol=1e-5)
    assert np.abs(every[0].numpy() - every[1].numpy()).max() > 0.01


@pytest.mark.parametrize("head", [PixelHead, VectorHead])
@pytest.mark.parametrize(("clusters", "sub_heads"), [(1, 1), (0, 1), (3, 0)])
def test_heads_need_clusters_and_sub_heads(head, clusters, sub_heads):
    with pytest.raises(InputError, match="at least"):
        head(clusters, sub_heads)


def test_probabilities_sum_to_one():
    out = probabilities(segmenter(), noise(2, 13, 18, 3))
    np.testing.assert_allclose(out.sum(axis=-1), 1, atol=1e-6)
    assert out.min() >= 0
    assert out.std() > 1e-3


@pytest.mark.parametrize("_precision", ["mixed_bfloat16", "mixed_float16"], indirect=True)
@pytest.mark.usefixtures("_precision")
def test_mixed_precision_gives_probabilities_in_float32():
    images = noise(2, 13, 18, 3)
    model = segmenter()
    assert model.trunk(tf.constant(images)).dtype.name in ("bfloat16", "float16")
    out = model(images)
    assert out.dtype == tf.float32
    np.testing.assert_allclose(out.numpy().sum(axis=-1), 1, atol=1e-6)
    keras.config.set_dtype_policy("float32")
    exact = segmenter()
    exact.set_weights(model.get_weights())
    np.testing.assert_allclose(out, exact(images), atol=0.05)
