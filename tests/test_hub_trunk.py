"""Backbones of KerasHub as trunks: random weights and tiny sizes, from folders as presets are."""

import importlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise, noise_pairs, small_segmenter

from iic_tf.data.windows import windows
from iic_tf.errors import InputError
from iic_tf.models.served import ServedSegmenter
from iic_tf.networks import hub_classes, hub_trunk
from iic_tf.networks.named_trunks import trunk_named

hub = pytest.importorskip("keras_hub", reason="KerasHub is not installed")

SIZES = {"num_layers": 1, "hidden_dim": 8, "num_heads": 2, "intermediate_dim": 16}
PATCH = 4


@pytest.fixture(scope="module", autouse=True)
def _nothing_is_fetched():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hub_trunk, "not_reached", lambda url: f"no way to {url}")
        yield


@pytest.fixture(scope="module")
def presets(tmp_path_factory):
    """Folders of tiny presets, with weights that are not those that a network begins with."""
    folder = tmp_path_factory.mktemp("presets")
    keras.utils.set_random_seed(3)
    backbones = {
        # Position embeddings of another size than the images': they are interpolated.
        "dinov2": hub.models.DINOV2Backbone(
            PATCH, **SIZES, image_shape=(16, 16, 3), position_embedding_shape=(24, 24, 3)
        ),
        "dinov3": hub.models.DINOV3Backbone(PATCH, **SIZES, image_shape=(16, 16, 3)),
        "registers": hub.models.DINOV2Backbone(
            *(PATCH, 1, 8, 2, 16), num_register_tokens=3, image_shape=(16, 16, 3)
        ),
        "vit": hub.models.ViTBackbone((16, 16, 3), PATCH, 1, 2, 8, 16),
        "vgg": hub.models.VGGBackbone([1] * 5, [4] * 5),
        "bert": hub.models.BertBackbone(9, 1, 1, 4, 4, max_sequence_length=4),
    }
    for name, backbone in backbones.items():
        backbone.save_to_preset(folder / name)
    converter = hub.layers.DINOV2ImageConverter(scale=[0.02, 0.03, 0.04], offset=[-1.0, -2.0, -3.0])
    converter.save_to_preset(folder / "dinov2")
    return folder


def trunk_of(presets, name, **options):
    options = {"window": 8, **options}
    return trunk_named(f"hub:{presets / name}", **options)


def far_from_uniform(model):
    """Heads whose probabilities differ: at their beginning they are near 1/k."""
    for head in model.heads.values():
        for weight in head.trainable_weights:
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    return model


@pytest.mark.parametrize("name", ["dinov2", "dinov3", "registers"])
def test_tokens_are_cells_of_the_image_they_are_of(presets, name):
    trunk = trunk_of(presets, name, window=16)
    assert (trunk.stride, trunk.window, trunk.features) == (PATCH, 16, 8)
    backbone = trunk.network.layers[-3]
    x = np.random.default_rng(0).normal(size=(2, 16, 16, 3)).astype(np.float32)
    tokens = backbone(dict.fromkeys(backbone.input, x)).numpy()
    maps = trunk.network(x).numpy()
    prefix = tokens.shape[1] - 16
    assert prefix == 1 + {"dinov2": 0, "dinov3": 4, "registers": 3}[name]
    for row, column in ((0, 0), (1, 2), (3, 3)):
        np.testing.assert_array_equal(maps[:, row, column], tokens[:, prefix + 4 * row + column])


def test_another_window_takes_the_same_weights_with_positions_interpolated(presets):
    small, large = (trunk_of(presets, "dinov2", window=side).network for side in (8, 24))
    assert (small.input_shape[1], large.input_shape[1]) == (8, 24)
    kernels = [n.layers[-3].embeddings.patch_embeddings.projection.kernel for n in (small, large)]
    np.testing.assert_array_equal(*[k.numpy() for k in kernels])
    table = [n.layers[-3].embeddings.interpolated_position_embeddings for n in (small, large)]
    # Of 24 pixels it is as it was trained.
    trained = large.layers[-3].embeddings.position_embeddings
    np.testing.assert_allclose(table[1].numpy(), trained.numpy(), atol=1e-6)
    assert table[0].shape[1] == 1 + 4
    assert np.abs(table[0].numpy()[:, 1:]).max() > 0


def test_a_window_is_rounded_up_to_two_patches_and_else_has_sixteen(presets):
    assert trunk_of(presets, "dinov3", window=17).window == 24
    assert trunk_of(presets, "dinov3", window=None).window == 16 * PATCH


def test_positions_that_are_of_one_size_keep_it(presets):
    assert trunk_of(presets, "vit", window=64).window == 16


def test_values_are_those_of_the_presets_converter_or_of_imagenet(presets):
    trunk = trunk_of(presets, "dinov2")
    np.testing.assert_allclose(trunk.low, (-1, -2, -3))
    np.testing.assert_allclose(trunk.high, (255 * 0.02 - 1, 255 * 0.03 - 2, 255 * 0.04 - 3))
    trunk = trunk_of(presets, "dinov3")
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(trunk.low, -mean / deviation)
    np.testing.assert_allclose(trunk.high, (1 - mean) / deviation)


def test_a_convolutional_backbone_has_maps_of_several_strides(presets):
    assert [level.stride for level in trunk_of(presets, "vgg").levels] == [4, 8, 16]
    assert [level.stride for level in trunk_of(presets, "vgg", strides=(2, 8)).levels] == [2, 8]


def test_weights_none_begins_anew_and_trains_all(presets):
    kept, anew = (trunk_of(presets, "vit", weights=w) for w in ("imagenet", "none"))
    assert kept.frozen
    assert not anew.frozen
    first = [t.network.get_weights()[0] for t in (kept, anew)]
    assert not np.array_equal(*first)


def test_weights_of_a_file_are_the_backbones(presets, tmp_path):
    file = str(presets / "dinov2" / "model.weights.h5")
    given = trunk_of(presets, "dinov2", weights=file)
    own = trunk_of(presets, "dinov2")
    for a, b in zip(given.network.get_weights(), own.network.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(InputError, match="its weights") as error:
        trunk_of(presets, "dinov2", weights=str(presets / "vit" / "model.weights.h5"))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["dinov2", "dinov3"])
def test_frozen_and_trained_on_through_a_step(presets, name):
    for frozen in (True, False):
        trunk = trunk_of(presets, name, frozen=frozen)
        model = small_segmenter(trunk=trunk)
        model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
        before = [w.copy() for w in trunk.network.get_weights()]
        head = [w.copy() for h in model.heads.values() for w in h.get_weights()]
        model.fit(noise_pairs(crop=8, batch=2, steps=1), epochs=1, verbose=0)
        moved = [
            not np.array_equal(a, b)
            for a, b in zip(before, model.trunk.network.get_weights(), strict=True)
        ]
        assert any(moved) != frozen
        after = [w for h in model.heads.values() for w in h.get_weights()]
        assert any(not np.array_equal(a, b) for a, b in zip(head, after, strict=True))


@pytest.mark.parametrize("name", ["dinov2", "dinov3"])
def test_saved_and_loaded_it_answers_the_same(presets, name, tmp_path):
    model = far_from_uniform(small_segmenter(trunk=trunk_of(presets, name)))
    x = noise(1, 11, 14, 3)
    answers = model(x)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for a, b in zip(tf.nest.flatten(answers), tf.nest.flatten(again(x)), strict=True):
        np.testing.assert_array_equal(a, b)
    trunk = trunk_named(str(tmp_path / "model.keras"))
    np.testing.assert_array_equal(trunk(x), model.trunk(x))


def test_a_fresh_interpreter_loads_it_without_being_told_of_kerashub(presets, tmp_path):
    model = small_segmenter(trunk=trunk_of(presets, "dinov2"))
    model.save(tmp_path / "model.keras")
    program = "import sys, iic_tf, keras; keras.models.load_model(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "model.keras")], check=True)


def test_labels_do_not_depend_on_how_a_scene_is_cut(presets):
    model = far_from_uniform(small_segmenter(classes=3, trunk=trunk_of(presets, "dinov2")))
    served = ServedSegmenter(model, np.zeros(3), np.full(3, 255.0), downscale=2)
    image = (255 * noise(1, 75, 91, 3)).astype(np.float32)
    whole = np.asarray(served.probabilities(image))
    assert whole.std((0, 1, 2)).min() > 0.01
    found = np.full_like(whole, np.nan)
    count = 0
    for window in windows(75, 91, 32, served.margin, served.align):
        top, left, height, width = window.outer
        part = image[:, top : top + height, left : left + width]
        core = np.asarray(served.probabilities(part))[:, *window.inner]
        rows = slice(window.top, window.top + window.height)
        found[:, rows, window.left : window.left + window.width] = core
        count += (height, width) != (75, 91)
    assert count >= 4
    np.testing.assert_allclose(found, whole, atol=2e-5)


def test_what_cannot_be_had_is_told_in_one_line(presets, tmp_path, monkeypatch):
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path))
    place = tmp_path / "models/keras/dinov2/keras/dinov2_small/1"
    with pytest.raises(InputError) as error:
        trunk_named("hub:dinov2_small")
    assert str(error.value) == (
        "Expected the preset kaggle://keras/dinov2/keras/dinov2_small/1: fetch it to "
        f"{place}, or to a folder given as hub:FOLDER; received no way to https://api.kaggle.com."
    )
    with pytest.raises(InputError, match=r"hf://nobody/nothing.*no way to https://huggingface.co"):
        trunk_named("hub:hf://nobody/nothing")
    with pytest.raises(InputError, match="close: dinov2_small"):
        trunk_named("hub:dinov2_smal")
    with pytest.raises(InputError, match=r"a folder of a KerasHub preset, with its config.json"):
        trunk_named(f"hub:{tmp_path}")
    with pytest.raises(InputError, match="a preset of a backbone of images"):
        trunk_of(presets, "bert")


def test_without_kerashub_the_extra_is_named(presets, tmp_path, monkeypatch):
    model = small_segmenter(trunk=trunk_of(presets, "dinov3"))
    model.save(tmp_path / "model.keras")

    def missing(name):
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(hub_classes, "importlib", type("no", (), {"import_module": missing}))
    for name in (f"hub:{presets / 'dinov2'}", str(tmp_path / "model.keras")):
        with pytest.raises(InputError, match=r"pip install 'iic_tf\[hub\]'; received No module"):
            trunk_named(name)
    assert importlib.import_module("keras_hub") is hub
