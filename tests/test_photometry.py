"""Drawing colour jitter and applying it; the formulas stand beside it."""

import colorsys
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from made_up import noise

from iic_tf.errors import InputError
from iic_tf.views.photometry import Photometry, jitter

STILL = Photometry(0, 0, 0, 0)


def luma(image):
    return image @ np.array([0.299, 0.587, 0.114])


def jitter_by_formula(image, brightness, contrast, saturation, hue):
    """What torchvision's ColorJitter does, in that order, of one image in float64."""
    image = np.clip(np.asarray(image, np.float64) * brightness, 0, 1)
    image = np.clip(contrast * image + (1 - contrast) * luma(image).mean(), 0, 1)
    image = np.clip(saturation * image + (1 - saturation) * luma(image)[..., None], 0, 1)
    turned = np.empty_like(image)
    for at in np.ndindex(image.shape[:2]):
        h, s, v = colorsys.rgb_to_hsv(*image[at])
        turned[at] = colorsys.hsv_to_rgb((h + hue) % 1.0, s, v)
    return turned


@pytest.mark.parametrize(
    "draw",
    [
        (1.1, 1, 1, 0),
        (0.6, 1, 1, 0),
        (1, 1.3, 1, 0),
        (1, 0.7, 1, 0),
        (1, 1, 0.5, 0),
        (1, 1, 1.4, 0),
        (1, 1, 1, 0.1),
        (1, 1, 1, -0.4),
        (1.4, 0.8, 1.2, 0.125),
    ],
)
def test_jitter_agrees_with_the_formulas(draw):
    images = noise(2, 5, 6, 3)
    draws = np.array([draw, (1, 1, 1, 0.05)], np.float32)
    coloured = jitter(tf.constant(images), tf.constant(draws)).numpy()
    for image, result, values in zip(images, coloured, draws, strict=True):
        np.testing.assert_allclose(result, jitter_by_formula(image, *values), atol=1e-5)


def test_infrared_stays_bit_for_bit():
    images = noise(3, 6, 7, 5)
    draws = np.stack([Photometry(1, 1, 1, 0.5).draw(np.random.default_rng(i)) for i in range(3)])
    coloured = jitter(tf.constant(images), draws).numpy()
    np.testing.assert_array_equal(coloured[..., 3:], images[..., 3:])
    assert (np.abs(coloured - images)[..., :3].max(axis=(1, 2, 3)) > 0.05).all()
    assert coloured.min() >= 0
    assert coloured.max() <= 1


def test_no_hue_leaves_colours_untouched():
    images = noise(2, 5, 6, 3)
    still = jitter(tf.constant(images), tf.constant([[1.0, 1, 1, 0]] * 2)).numpy()
    np.testing.assert_allclose(still, images, atol=2e-7)


@pytest.mark.parametrize("bands", [1, 2])
def test_one_or_two_bands_get_brightness_and_contrast_on_all(bands):
    images = noise(1, 5, 6, bands)
    coloured = jitter(tf.constant(images), tf.constant([[1.2, 0.7, 0.2, 0.3]])).numpy()
    brighter = np.clip(images.astype(np.float64) * np.float32(1.2), 0, 1)
    exact = np.clip(brighter.mean() + (brighter - brighter.mean()) * np.float32(0.7), 0, 1)
    np.testing.assert_allclose(coloured, exact, atol=1e-6)


def test_colour_draws_keep_within_their_bounds():
    draws = np.stack(
        [Photometry(0.4, 0.3, 0.2, 0.1).draw(np.random.default_rng(i)) for i in range(300)]
    )
    middle, reach = np.array([1, 1, 1, 0]), np.array([0.4, 0.3, 0.2, 0.1])
    moved = np.abs(draws - middle) / reach
    assert moved.max() <= 1 + 1e-5
    assert (moved.max(axis=0) > 0.95).all()
    assert STILL.draw(np.random.default_rng(0)).tolist() == [1, 1, 1, 0]
    wrongs: tuple[dict[str, Any], ...] = (
        *({"brightness": -0.1}, {"contrast": 2}, {"saturation": 1.01}, {"hue": 0.6}),
        *({"brightness": "1"}, {"contrast": float("nan")}, {"saturation": [0]}, {"hue": None}),
    )
    for wrong in wrongs:
        with pytest.raises(InputError, match=f"received {next(iter(wrong))}="):
            Photometry(**wrong)
