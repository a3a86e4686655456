"""InfoSeg's network: what it sees, where it looks, how it begins."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, small_infoseg

from iic_tf.losses.infoseg import class_probabilities
from iic_tf.models.infoseg import InfoSeg
from iic_tf.models.segmenter import Segmenter
from iic_tf.networks.local_global_head import LocalGlobalHead
from iic_tf.networks.patch_network import PatchNetwork

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


def open_half(blocks):
    """Half of the ReLUs are open at a mean of zero: no pixel's influence dies on its way."""
    for block in blocks:
        rng = np.random.default_rng(block.filters)
        block.norm.beta.assign(rng.uniform(-0.2, 1, block.filters))


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 2), (5, 8), (17, 13), (20, 20)])
def test_any_image_size(size):
    images = noise(2, *size, 3)
    model = small_infoseg(3)
    local, image = model.local_and_global(images)
    assert local.shape == (2, -(-size[0] // 4), -(-size[1] // 4), 8)
    assert image.shape == (2, 3, 8)
    assert model.trunk.compute_output_shape((2, *size, 3))[:3] == local.shape[:3]
    maps = model.predict(images, batch_size=1, verbose=0)
    assert maps.shape == (2, *size, 3)
    np.testing.assert_allclose(maps.sum(axis=-1), 1, atol=1e-6)
    np.testing.assert_allclose(maps, model(images), atol=1e-6)


def test_sizes_unknown_when_the_graph_is_built():
    model = small_infoseg(3)
    graph = tf.function(model, input_signature=[tf.TensorSpec((None, None, None, 3), tf.float32)])
    for size in ((9, 14), (16, 7), (1, 5)):
        images = noise(2, *size, 3)
        np.testing.assert_allclose(graph(images), model(images), atol=1e-6)


@pytest.mark.parametrize("pixel", [(32, 33), (34, 35)])
def test_local_features_see_as_far_as_the_receptive_radius(pixel):
    model = small_infoseg(3)
    open_half(model.trunk.blocks)
    images = noise(1, 70, 71, 3)
    changed = images.copy()
    changed[0, pixel[0], pixel[1]] += 20

    def enlarged(images):
        local, _ = model.local_and_global(images)
        fixed = class_probabilities(local, np.random.default_rng(0).normal(size=(1, 3, 8)))
        return Segmenter.enlarged(Fixed(model, fixed), None, "main", images, False)[0].numpy()

    difference = np.abs(enlarged(changed) - enlarged(images))[0].max(axis=-1)
    radius = PatchNetwork.receptive_radius
    for places, at in zip(np.nonzero(difference), pixel, strict=True):
        assert np.abs(places - at).max() <= radius
        assert np.abs(places - at).max() >= radius - 3


class Fixed:
    """A model whose cells' probabilities are given."""

    def __init__(self, model, cells):
        self.trunk = model.trunk
        self.cells = cells

    def small_maps(self, features, head, training):
        return [self.cells]


@pytest.mark.parametrize("axis", [1, 2])
def test_the_map_lies_on_the_image_without_a_shift(axis):
    """With kernels that are their own mirror images, a mirrored image has the mirrored map."""
    # Untrained statistics make scores large: probabilities would be all 0 and 1.
    model = small_infoseg(3, tau=0.05)
    open_half(model.trunk.blocks)
    # Block B's stride begins at the first cell: of an odd number of cells it has a mirror image.
    for block in (*model.trunk.blocks, *model.heads["main"].image):
        kernel = block.conv.kernel.numpy()
        block.conv.kernel.assign((kernel + np.flip(kernel, axis=axis - 1)) / 2)
    images = noise(1, 36, 36, 3)
    out = model(images).numpy()
    mirrored = model(np.flip(images, axis=axis)).numpy()
    np.testing.assert_allclose(np.flip(mirrored, axis=axis), out, atol=1e-5)
    assert np.abs(np.roll(out, 1, axis=axis) - out).max() > 1e-3


def test_global_features_see_the_whole_image_and_local_ones_do_not():
    model = small_infoseg(3)
    open_half((*model.trunk.blocks, *model.heads["main"].image))
    images = noise(1, 64, 64, 3)
    changed = images.copy()
    changed[0, :8, :8] += 10
    before, after = model.local_and_global(images), model.local_and_global(changed)
    far = np.s_[:, 12:, 12:]
    np.testing.assert_array_equal(before[0][far], after[0][far])
    assert np.abs(before[0] - after[0]).max() > 1e-3
    assert np.abs(before[1] - after[1]).min(axis=-1).max() > 1e-6


def test_parameters_are_those_of_the_blocks():
    head = LocalGlobalHead(3, 16, 0.05)
    head.build((None, None, None, 26))
    norm = 2  # a scale and an offset a channel
    block_b = 9 * 26 * 26 * 2 + norm * 26 * 2
    block_c = 26 * 16 + 16 * 16 + 26 * 16 + norm * 16
    local_norms = 2 * norm * 16  # of the image's C the first convolution alone is normalised
    block_d = 3 * (16 * 16 + 16)
    assert head.linear.count_params() == block_d
    assert sum(int(np.prod(v.shape)) for v in head.trainable_variables) == (
        block_b + 2 * block_c + local_norms + block_d
    )
    assert PatchNetwork().features == 512


def test_classes_begin_as_the_same_ones_in_all_images():
    """Differences of two H_k, which classes are told apart by, are alike from image to image."""
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model = InfoSeg(3, 3, width=0.1, features=64)
        _, image = model.local_and_global(noise(16, 32, 32, 3), training=True)
        between = image.numpy()[:, 0] - image.numpy()[:, 1]
        common = np.linalg.norm(between.mean(0))
        assert common > np.linalg.norm(between - between.mean(0), axis=-1).mean()


def test_segmentations_are_uncertain_at_the_beginning():
    for dimensions in (8, 256):
        keras.utils.set_random_seed(1)
        model = InfoSeg(3, 3, width=0.1, features=dimensions)
        features = model.features(noise(8, 24, 24, 3), training=True)
        (found,) = model.small_maps(features, "main", training=True)
        assert 0.35 < found.numpy().max(-1).mean() < 0.85


def test_what_images_have_of_their_own_sums_to_nothing_over_classes_if_centred():
    images = noise(4, 16, 16, 3)
    found = {}
    for centred in (False, True):
        keras.utils.set_random_seed(3)
        model = small_infoseg(3, centred=centred)
        features = model.features(images, training=True)
        head = model.heads["main"]
        head.linear.bias.assign(np.random.default_rng(0).normal(size=head.linear.bias.shape))
        local, image = (f.numpy() for f in head(features, training=True))
        own = image - head.linear.bias.numpy().reshape(1, 3, 8)
        found[centred] = (own, class_probabilities(local, image).numpy())
    np.testing.assert_allclose(found[True][0].sum(axis=1), 0, atol=1e-6)
    assert np.abs(found[False][0].sum(axis=1)).max() > 0.1
    # Probabilities are those of features that are not centred: L tells the mean from no class.
    np.testing.assert_allclose(found[True][1], found[False][1], atol=1e-6)


def test_what_images_have_of_their_own_begins_scaled():
    images = noise(4, 16, 16, 3)
    own = []
    for scale in (1.0, 0.25):
        keras.utils.set_random_seed(3)
        model = small_infoseg(3, image_scale=scale)
        _, image = model.local_and_global(images, training=True)
        own.append(image - model.heads["main"].linear.bias.numpy().reshape(1, 3, 8))
    np.testing.assert_allclose(own[1], 0.25 * own[0], atol=1e-6)
