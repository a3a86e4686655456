"""Images of one pixel a side, and no image at all: in Keras, SavedModel and ONNX."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, small_clusterer, small_infoseg, small_segmenter
from tiny_run import randomise

from iic_tf.errors import InputError
from iic_tf.export import onnx_file
from iic_tf.models.served import ServedSegmenter
from iic_tf.views.sobel import sobel

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

SIZES = ((1, 1, 1), (2, 1, 7), (1, 6, 1), (1, 2, 2), (2, 9, 5))
MODELS = {
    "iic": lambda: small_segmenter(inputs="bands+sobel", sub_heads=2),
    "infoseg": lambda: small_infoseg(inputs="sobel"),
}


def test_slopes_are_those_of_a_mirrored_image_and_none_along_one_pixel() -> None:
    graph = tf.function(sobel, input_signature=[tf.TensorSpec((None, None, None, 3))])
    for n, height, width in SIZES:
        images = noise(n, height, width, 3)
        found = sobel(tf.constant(images)).numpy()
        np.testing.assert_array_equal(graph(images), found)
        grey = images.mean(-1)
        modes = ["edge" if side == 1 else "reflect" for side in (height, width)]
        grey = np.pad(grey, ((0, 0), (1, 1), (0, 0)), mode=modes[0])
        grey = np.pad(grey, ((0, 0), (0, 0), (1, 1)), mode=modes[1])
        smooth = grey[:, :-2] + 2 * grey[:, 1:-1] + grey[:, 2:]
        np.testing.assert_allclose(found[..., 0], smooth[..., 2:] - smooth[..., :-2], atol=1e-6)
        if width == 1:
            np.testing.assert_allclose(found[..., 0], 0, atol=1e-6)
        if height == 1:
            np.testing.assert_allclose(found[..., 1], 0, atol=1e-6)


@pytest.mark.parametrize("name", MODELS)
def test_segmenters_label_any_size(name: str, tmp_path: Any) -> None:
    model = MODELS[name]()
    randomise(model, 0)
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    for shape in SIZES:
        images = noise(*shape, 3)
        found = np.asarray(model(images))
        assert found.shape == (*shape, 2)
        np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
        np.testing.assert_allclose(saved.serve(images), found, atol=1e-5)
    nothing = np.zeros((0, 9, 12, 3), np.float32)
    assert model(nothing).shape == saved.serve(nothing).shape == (0, 9, 12, 2)


def test_they_do_in_onnx(tmp_path: Any) -> None:
    model = MODELS["iic"]()
    randomise(model, 0)
    served = ServedSegmenter(model, [0.0] * 3, [1.0] * 3)
    onnx_file.export_onnx(served, tmp_path / "model.onnx")
    run = onnx_file.runner(tmp_path / "model.onnx")
    for shape in SIZES:
        images = noise(*shape, 3)
        found = run(images)["probabilities"]
        np.testing.assert_allclose(found, served(images)["probabilities"], atol=1e-5)
    assert run(np.zeros((0, 9, 12, 3), np.float32))["labels"].shape == (0, 9, 12)


@pytest.mark.parametrize("network", ["A", "B"])
def test_clusterers_take_no_image_as_well(network: str, tmp_path: Any) -> None:
    model = small_clusterer(network=network)
    model.export(tmp_path / "saved", verbose=False)
    saved = tf.saved_model.load(tmp_path / "saved")
    nothing = np.zeros((0, 8, 8, 1), np.float32)
    assert model(nothing).shape == saved.serve(nothing).shape == (0, 2)
    images = noise(3, 8, 8, 1)
    np.testing.assert_allclose(saved.serve(images), model(images), atol=1e-5)


@pytest.mark.parametrize("_precision", ["float16", "bfloat16"], indirect=True)
@pytest.mark.usefixtures("_precision")
def test_half_precision_is_mixed() -> None:
    name = keras.config.dtype_policy().name
    for make in (small_segmenter, small_infoseg, small_clusterer):
        with pytest.raises(InputError, match=f"mixed_{name} .*weights in float32.*{name}"):
            make()
        assert make(dtype=f"mixed_{name}").trunk.variable_dtype == "float32"
