"""Slopes, and what a network sees of an image."""

import numpy as np
import pytest
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.views.inputs import INPUTS, check_inputs, input_channels, network_input
from iic_tf.views.sobel import sobel


def test_sobel_of_a_ramp():
    y, x = np.mgrid[:7, :9].astype(np.float32)
    ramp = np.stack([0.1 * x + 0.02 * y] * 3 + [x * y], axis=-1)[None]  # a fourth band is ignored
    slopes = sobel(tf.constant(ramp)).numpy()
    assert slopes.shape == (1, 7, 9, 2)
    np.testing.assert_allclose(slopes[0, 1:-1, 1:-1, 0], 8 * 0.1, atol=1e-5)
    np.testing.assert_allclose(slopes[0, 1:-1, 1:-1, 1], 8 * 0.02, atol=1e-5)
    # Mirrored at the border: no slope across it.
    np.testing.assert_allclose(slopes[0, :, [0, -1], 0], 0, atol=1e-5)
    np.testing.assert_allclose(slopes[0, [0, -1], :, 1], 0, atol=1e-5)


def test_what_a_network_sees():
    images = tf.constant(noise(2, 5, 6, 4))
    seen = {inputs: network_input(images, inputs).numpy() for inputs in INPUTS}
    np.testing.assert_array_equal(seen["bands"], images)
    np.testing.assert_array_equal(seen["sobel"], sobel(images))
    np.testing.assert_array_equal(
        seen["bands+sobel"], np.concatenate([images, sobel(images)], axis=-1)
    )
    for inputs, values in seen.items():
        check_inputs(inputs)
        assert input_channels(4, inputs) == values.shape[-1]
    with pytest.raises(InputError, match=r"bands, bands\+sobel, sobel; received inputs='rgb'"):
        check_inputs("rgb")


@pytest.mark.parametrize("bands", [1, 2, 4])
def test_sobel_against_loops(bands):
    image = noise(1, 5, 6, bands)
    grey = np.pad(image[0, ..., :3].mean(axis=-1), 1, mode="reflect")
    kernel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    slopes = sobel(tf.constant(image)).numpy()[0]
    for y, x in np.ndindex(5, 6):
        patch = grey[y : y + 3, x : x + 3]
        np.testing.assert_allclose(
            slopes[y, x], [(patch * kernel).sum(), (patch * kernel.T).sum()], atol=1e-5
        )
