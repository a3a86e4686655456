"""ZCA whitening: by hand, as a convolution, fitted to pairs, saved, served and exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, same, small_segmenter

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.export import onnx_file, savedmodel
from iic_tf.models.fitting import Fit
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.views.pairs import Pairs
from iic_tf.views.whitening import EPSILON, Whitening, patches, zca

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

X = np.array([[2.0, 0, 1], [0, 1, 1], [4, 1, 3], [2, 2, 3], [2, 1, 7]])


def test_five_rows_by_hand() -> None:
    mean, w = zca(X, 0.1)
    np.testing.assert_allclose(mean, [2, 1, 3])
    expected = [
        [0.7951582, 0.03597902, -0.0857143],
        [0.03597902, 1.46341495, -0.09682568],
        [-0.0857143, -0.09682568, 0.47029052],
    ]
    np.testing.assert_allclose(w, expected, atol=1e-6)
    y = (X - mean) @ w
    np.testing.assert_allclose(
        np.linalg.eigvalsh(y.T @ y / 5), [0.78224665, 0.93417162, 0.98047509], atol=1e-6
    )


@pytest.mark.parametrize(
    ("rows", "epsilon", "message"),
    [
        (np.zeros((0, 3)), 0.1, "finite rows"),
        (np.zeros(3), 0.1, "finite rows"),
        (np.full((2, 3), np.nan), 0.1, "finite rows"),
        (X, 0.0, "epsilon > 0"),
    ],
)
def test_what_cannot_be_whitened(rows: Any, epsilon: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        zca(rows, epsilon)


def all_patches(image: Any, side: int) -> Any:
    """Of each pixel the patch around it, the image mirrored, `[height, width, side² c]`."""
    r = side // 2
    wide = np.pad(image, ((r, r), (r, r), (0, 0)), mode="reflect")
    height, width = image.shape[:2]
    return np.stack(
        [[wide[y : y + side, x : x + side].ravel() for x in range(width)] for y in range(height)]
    )


@pytest.mark.parametrize(("whitening", "side"), [("channels", 1), ("patches", 3)])
def test_the_convolution_is_the_centre_of_whitened_patches(whitening: str, side: int) -> None:
    images = noise(2, 6, 5, 2) * [1.0, 0.2] + noise(2, 6, 5, 1, seed=1)
    layer = Whitening(whitening, 2)
    np.testing.assert_allclose(layer(images), images, atol=1e-6)
    assert not layer.fitted
    rows = np.stack([all_patches(image, side) for image in images])
    layer.fit(rows.reshape(-1, side * side * 2))
    mean, w = zca(rows.reshape(-1, side * side * 2), EPSILON)
    centre = side * side // 2 * 2
    exact = ((rows - mean) @ w)[..., centre : centre + 2]
    np.testing.assert_allclose(layer(images), exact, rtol=1e-4, atol=1e-4)
    assert layer.fitted
    assert layer.trainable_variables == []
    assert layer.radius == side // 2


def test_whitened_channels_are_alike_and_unlike() -> None:
    """Of unit variance, but for ε, and without correlation."""
    base = noise(1, 40, 40, 1)
    images = np.concatenate([base, 0.9 * base + 0.3 * noise(1, 40, 40, 1, seed=1)], -1)
    layer = Whitening("channels", 2)
    layer.fit(images.reshape(-1, 2))
    found = np.cov(np.asarray(layer(images)).reshape(-1, 2).T, bias=True)
    assert np.corrcoef(images.reshape(-1, 2).T)[0, 1] > 0.9
    assert abs(found[0, 1]) < 0.1
    np.testing.assert_allclose(np.diag(found), 1, atol=0.15)


def test_patches_are_of_valid_pixels_alone() -> None:
    image, rng = noise(8, 9, 2), np.random.default_rng(0)
    valid = np.ones((8, 9))
    valid[:, 4] = 0.5
    found = patches(image, 3, valid, 1000, rng)
    whole = [
        image[y : y + 3, x : x + 3].ravel() for y in range(6) for x in range(7) if x in (0, 1, 5, 6)
    ]
    np.testing.assert_array_equal(found, whole)
    some = patches(image, 3, valid, 10, rng)
    assert len(np.unique(some, axis=0)) == 10
    assert all((some[i] == whole).all(1).any() for i in range(10))
    assert patches(image, 1, None, 1000, rng).shape == (72, 2)
    assert patches(image[:2], 3, None, 10, rng).shape == (0, 18)


# --- in the model


def fitted(whitening: str, **arguments: Any) -> Any:
    model = small_segmenter(whitening=whitening, **arguments)
    model.compile(run_eagerly=True)
    pairs = noise_pairs(steps=2)
    model.fit(pairs, epochs=2, callbacks=[Fit(pairs)], verbose=0)
    return model


def test_it_is_fitted_once_before_the_first_epoch() -> None:
    model = small_segmenter(whitening="channels")
    model.compile(run_eagerly=True)
    pairs = noise_pairs()
    with pytest.raises(InputError, match=r"a whitening that was fitted.*Fit\(pairs\)"):
        model.fit(pairs, verbose=0)
    model.fit(noise_pairs(), callbacks=[Fit(noise_pairs())], verbose=0)
    crops = np.concatenate([images.numpy() for images, _ in noise_pairs().plain_views(0)])
    # Crops of 64 pixels: all of them.
    _, w = zca(crops.reshape(-1, 3))
    np.testing.assert_allclose(model.whitener.kernel[0, 0], w, rtol=1e-4, atol=1e-4)
    before = [w.copy() for w in model.whitener.get_weights()]
    other = Pairs(from_arrays([np.full((16, 16, 3), 200, np.uint8)]), 8, 2)
    model.fit(other, callbacks=[Fit(other)], verbose=0)
    assert same(before, model.whitener.get_weights())
    # Nothing to fit where there is none.
    plain = small_segmenter()
    plain.before_epoch(noise_pairs(), 0)


def test_the_network_sees_whitened_images() -> None:
    model = fitted("patches")
    plain = small_segmenter()
    plain.trunk.set_weights(model.trunk.get_weights())
    x = noise(2, 9, 8, 3)
    np.testing.assert_array_equal(model.features(x), plain.features(model.whitener(x)))
    assert np.abs(model.features(x) - plain.features(x)).max() > 1e-3
    assert model.window_radius == plain.window_radius + 1
    assert fitted("channels").window_radius == plain.window_radius


def test_a_window_with_its_margin_has_the_labels_of_the_whole() -> None:
    """The margin counts the patch."""
    served = ServedSegmenter(fitted("patches"), np.zeros(3), np.full(3, 255.0))
    pixels = 255 * noise(1, 60, 60, 3)
    margin = -(-served.margin // served.align) * served.align
    whole = served.probabilities(pixels)
    part = served.probabilities(pixels[:, 30 - margin :])
    np.testing.assert_allclose(part[:, margin:], whole[:, 30:], atol=1e-5)


@pytest.mark.parametrize("whitening", ["channels", "patches"])
def test_saved_and_exported_it_answers_as_before(whitening: str, tmp_path: Path) -> None:
    model = fitted(whitening)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = noise(2, 11, 7, 3)
    np.testing.assert_array_equal(model(x), again(x))
    assert same(model.whitener.get_weights(), again.whitener.get_weights())
    assert again.whitener.fitted
    served = ServedSegmenter(again, np.zeros(3), np.full(3, 255.0))
    if whitening == "channels":
        return
    pixels = 255 * x
    exact = served(tf.constant(pixels))["probabilities"]
    # Both look themselves whether they answer as the model does.
    onnx_file.export_onnx(served, tmp_path / "model.onnx")
    savedmodel.export_savedmodel(served, tmp_path / "saved")
    for run in (onnx_file.runner(tmp_path / "model.onnx"), savedmodel.runner(tmp_path / "saved")):
        np.testing.assert_allclose(run(pixels)["probabilities"], exact, atol=1e-4)


def test_wrong_values() -> None:
    for make in (small_segmenter, IICSegmentation):
        with pytest.raises(InputError, match="one of none, channels, patches"):
            make(whitening="pca")
        with pytest.raises(
            InputError, match="inputs bands with whitening; received inputs='sobel'"
        ):
            make(whitening="channels", inputs="sobel")


def test_crops_without_a_whole_patch() -> None:
    images = [np.zeros((8, 8, 3), np.uint8)]
    labels = [np.where(np.arange(8) % 2, -1, 0)[None].repeat(8, 0)]
    pairs = Pairs(from_arrays(images, labels), 8, 1, masks=True)
    model = small_segmenter(whitening="patches")
    with pytest.raises(InputError, match="patches of 3×3 valid pixels"):
        model.before_epoch(pairs, 0)
