"""Network C and the segmenter on it: sizes, alignment with the image, and precision."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise

from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.networks.network_c import RECEPTIVE_RADIUS, NetworkC

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
