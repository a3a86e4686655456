"""Heads: sub-heads of pixels and of vectors."""

import numpy as np
import pytest
import reference
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.networks.vector_head import VectorHead

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


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
