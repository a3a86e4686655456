"""Images are mirrored at their borders before a network labels them."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, small_infoseg, small_segmenter

from iic_tf.networks.mirror import mirrored


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 5), (3, 40), (7, 8)])
@pytest.mark.parametrize("margin", [0, 2, 6, 16])
def test_it_is_numpys_reflection(size: tuple[int, int], margin: int) -> None:
    x = noise(2, *size, 3)
    expected = np.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)), mode="reflect")
    np.testing.assert_array_equal(mirrored(x, margin), expected)
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    graph = tf.function(lambda x: mirrored(x, margin), input_signature=[spec])
    np.testing.assert_array_equal(graph(x), expected)


@pytest.mark.parametrize("make", [small_segmenter, small_infoseg])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (19, 21)])
def test_a_model_answers_images_of_any_size_by_their_mirror_images(make, size) -> None:  # type: ignore[no-untyped-def]
    model, x = make(), noise(2, *size, 3)
    found = model(x).numpy()
    assert found.shape == (2, *size, 2)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-6)
    flipped = model(x[:, :, ::-1]).numpy()
    assert flipped.shape == found.shape


def test_the_padding_of_convolutions_reaches_no_pixel() -> None:
    """A column that goes on the same way beyond the border gets the labels that it has inside."""
    model = small_segmenter()
    even = np.full((1, 40, 40, 3), 0.7, np.float32)
    found = model(even).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1, :1], found.shape), atol=1e-5)
    # In training there is nothing but the crop.
    padded = model.maps(even)[0].numpy()
    assert np.abs(padded - found).max() > 1e-3
