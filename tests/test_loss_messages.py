"""What is said of arguments that an objective cannot take."""

import math

import numpy as np
import pytest
import reference
import tensorflow as tf

from iic_tf.errors import InputError
from iic_tf.losses import iic_clustering_loss, iic_segmentation_loss


def maps(*shape):
    return np.full(shape, 1 / shape[-1], np.float32)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: iic_clustering_loss(maps(2, 3, 4), maps(2, 3, 4)), r"\[batch, clusters\]"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(3, 3)), r"of one shape.*\(2, 3\), \(3, 3\)"),
        (lambda: iic_clustering_loss(maps(2, 1), maps(2, 1)), "at least 2 clusters.*clusters=1"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(2, 3), -0.5), "lamb >= 0.*lamb=-0.5"),
        (lambda: iic_clustering_loss(maps(2, 3), maps(2, 3), math.nan), "lamb >= 0.*lamb=nan"),
        (lambda: iic_segmentation_loss(maps(2, 3), maps(2, 3)), r"p\.shape=\(2, 3\)"),
        (
            lambda: iic_segmentation_loss(maps(2, 4, 4, 3), maps(4, 4, 3)),
            r"\[batch, height, width, clusters\]; received q\.shape=\(4, 4, 3\)",
        ),
        (
            lambda: iic_segmentation_loss(maps(2, 4, 4, 3), maps(2, 4, 5, 3)),
            r"\(2, 4, 4, 3\), \(2, 4, 5, 3\)",
        ),
        (lambda: iic_segmentation_loss(maps(1, 4, 4, 1), maps(1, 4, 4, 1)), "clusters=1"),
        (
            lambda: iic_segmentation_loss(maps(1, 4, 4, 3), maps(1, 4, 4, 3), -1),
            "radius >= 0; received radius=-1",
        ),
        (
            lambda: iic_segmentation_loss(maps(1, 4, 4, 3), maps(1, 4, 4, 3), 1, -1.0),
            "lamb >= 0 and finite; received lamb=-1.0",
        ),
        (
            lambda: iic_segmentation_loss(
                maps(1, 4, 4, 3), maps(1, 4, 4, 3), mask=np.ones((1, 4, 4, 1))
            ),
            r"a mask \[batch, height, width\]; received mask.shape=\(1, 4, 4, 1\)",
        ),
    ],
)
def test_messages_say_what_was_expected_and_what_came(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_graph_without_static_size_is_refused():
    unknown = tf.TensorSpec((None, None, 8, 3), tf.float32)
    graph = tf.function(iic_segmentation_loss, autograph=False)
    with pytest.raises(InputError, match="height and width known"):
        graph.get_concrete_function(unknown, unknown)


def test_a_mask_of_another_size_is_refused():
    p, q = reference.similar_maps((1, 6, 6, 3))
    for shape in ((1, 6, 1), (1, 1, 6), (2, 6, 6)):
        with pytest.raises(InputError, match="mask"):
            iic_segmentation_loss(p, q, 1, mask=np.ones(shape, bool))


def test_a_broken_network_shows_in_the_loss():
    p = np.full((1, 4, 4, 3), 1 / 3, np.float32)
    p[0, 1, 1] = np.nan
    for radius in (1, 5):
        assert math.isnan(float(iic_segmentation_loss(p, p, radius=radius)))
    assert math.isnan(float(iic_clustering_loss(p[0, 1], p[0, 1])))
