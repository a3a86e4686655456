"""Trunks by name, from keras.applications and from files; what cannot be had or does not fit."""

import hashlib
import json
import socket
import time
import zipfile

import keras
import numpy as np
import pytest
from keras.src.utils import file_utils
from made_up import noise, noise_pairs, small_infoseg, small_segmenter

from iic_tf.errors import InputError
from iic_tf.networks import keras_weights
from iic_tf.networks.applications import application
from iic_tf.networks.chosen_maps import maps_at, strides_of
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.named_trunks import trunk_named
from iic_tf.networks.reached import not_reached
from iic_tf.training.model_file import load_model
from iic_tf.training.network_estimate import network_weights
from iic_tf.training.recipe_files import load_recipe

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")

ORIGIN = "https://example.org/of/Tiny-no-top.h5"
preprocess_input = keras.applications.vgg16.preprocess_input
"""What Tiny, below, is to be shown, as that of a module of keras.applications."""


def tiny(features=4, image=None):
    image = keras.Input((None, None, 3)) if image is None else image
    x = keras.layers.Conv2D(features, 3, 2, "same", activation="relu", name="one")(image)
    x = keras.layers.Conv2D(features, 3, 2, "same", activation="relu", name="two")(x)
    x = keras.layers.Conv2D(features, 3, 2, "same", name="three")(x)
    return x


def Tiny(include_top, weights, input_tensor):
    """A network as those of keras.applications are made."""
    found = tiny(image=input_tensor)
    network = keras.Model(keras.tree.flatten(_inputs_of(input_tensor)), found, name="tiny")
    if weights == "imagenet":
        network.load_weights(
            file_utils.get_file("tiny_no_top.h5", ORIGIN, cache_subdir="models", file_hash=Tiny.md5)
        )
    return network


Tiny.md5 = None


def _inputs_of(tensor):
    return keras.src.ops.operation_utils.get_source_inputs(tensor)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keras' cache, empty, without a network, and Tiny among keras.applications."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(keras.applications, "Tiny", Tiny, raising=False)
    monkeypatch.setattr(keras_weights, "not_reached", lambda url: "no way there")
    return tmp_path / "models"


def same_weights(a, b):
    pairs = zip(a.get_weights(), b.get_weights(), strict=True)
    return all(np.array_equal(x, y) for x, y in pairs)


# --- keras.applications


@pytest.mark.parametrize(
    ("module", "low", "high"),
    [
        ("mobilenet_v2", (-1, -1, -1), (1, 1, 1)),
        ("resnet_v2", (-1, -1, -1), (1, 1, 1)),
        ("xception", (-1, -1, -1), (1, 1, 1)),
        ("efficientnet", (0, 0, 0), (255, 255, 255)),
        ("efficientnet_v2", (0, 0, 0), (255, 255, 255)),
        ("mobilenet_v3", (0, 0, 0), (255, 255, 255)),
        ("convnext", (0, 0, 0), (255, 255, 255)),
        ("densenet", (-2.1179, -2.0357, -1.8044), (2.2489, 2.4286, 2.64)),
        # These want blue first: that is done inside of the network.
        ("resnet", (-123.68, -116.779, -103.939), (131.32, 138.221, 151.061)),
        ("vgg16", (-123.68, -116.779, -103.939), (131.32, 138.221, 151.061)),
    ],
)
def test_networks_are_shown_what_their_family_wants(module, low, high, cache, monkeypatch):
    prepare = getattr(keras.applications, module).preprocess_input
    monkeypatch.setitem(globals(), "preprocess_input", prepare)
    network, shown = application("Tiny", "none")
    np.testing.assert_allclose(shown["low"], low, atol=1e-4)
    np.testing.assert_allclose(shown["high"], high, atol=1e-4)
    # Whatever goes in, red first, is what the family's own way makes of it.
    pixels = 255 * noise(1, 8, 8, 3)
    by_hand = keras.Sequential([layer for layer in network.layers if layer.get_weights()])
    mine = np.asarray(shown["low"]) + pixels / 255 * np.subtract(shown["high"], shown["low"])
    np.testing.assert_allclose(
        network(mine.astype(np.float32)), by_hand(prepare(pixels.copy())), rtol=1e-3, atol=1e-3
    )


def test_a_real_one_trains_from_nothing_and_names_the_file_of_its_weights(cache):
    with pytest.raises(InputError) as error:
        application("MobileNetV2")
    name = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
    assert str(error.value) == (
        "Expected weights: fetch https://storage.googleapis.com/tensorflow/keras-applications/"
        f"mobilenet_v2/{name} to {cache / name}, or give --trunk-weights FILE or none; received "
        "no way there."
    )
    network, shown = application("MobileNetV2", "none")
    assert strides_of(maps_at(network)) == [4, 8, 16]
    assert shown == {"low": [-1.0] * 3, "high": [1.0] * 3}


def test_names_that_are_none_or_make_uneven_maps():
    with pytest.raises(InputError, match=r"keras:NAME .* MobileNetV2.*; received Nothing"):
        trunk_named("keras:Nothing")
    with pytest.raises(InputError, match=r"whole fractions .* keras:NASNetMobile"):
        trunk_named("keras:NASNetMobile")
    with pytest.raises(InputError, match=r"keras:NAME, hub:PRESET or a .keras file"):
        trunk_named("resnet")


def test_weights_none_are_trained_with_the_batchs_statistics(cache):
    trunk = trunk_named("keras:Tiny", "none", window=64)
    assert (trunk.frozen, trunk.statistics) == (False, "batch")
    assert [level.stride for level in trunk.levels] == [4, 8]


def test_cells_may_be_finer(cache):
    recipe = load_recipe("folder").replaced(trunk="keras:Tiny", trunk_weights="none")
    strides = [
        recipe.replaced(trunk_stride=stride).trunk_arguments(3)["trunk"].stride
        for stride in (0, 4, 16)
    ]
    assert strides == [8, 4, 16]


def test_bands_of_images_that_have_others_are_chosen_by_the_user(cache):
    recipe = load_recipe("folder").replaced(trunk="keras:Tiny", trunk_weights="none")
    with pytest.raises(InputError) as error:
        recipe.trunk_arguments(4)
    assert str(error.value) == (
        "Expected a choice of what a trunk of 3 channels sees of images of 4 bands: --trunk-bands "
        "0,1,2 for the first ones, --trunk-bands learned for a linear map of all; received neither."
    )
    chosen = recipe.replaced(trunk_bands="3,2,1")
    assert chosen.trunk_arguments(4)["trunk"].bands == (3, 2, 1)
    assert "seeing 3,2,1 of the bands" in chosen.describe_trunk()
    assert recipe.replaced(trunk_bands="learned").trunk_arguments(4)["trunk"].bands == "learned"


# --- weights of a file


@pytest.mark.parametrize("ending", [".weights.h5", ".h5", ".keras"])
def test_weights_of_a_file(ending, cache, tmp_path):
    network = application("Tiny", "none")[0]
    file = tmp_path / f"mine{ending}"
    if ending == ".weights.h5":
        network.save_weights(file)
    else:
        network.save(file, **({"include_optimizer": False} if ending == ".h5" else {}))
    assert same_weights(application("Tiny", str(file))[0], network)
    assert not cache.exists()


def test_weights_that_do_not_fit_or_are_none(cache, tmp_path):
    other = keras.Model(image := keras.Input((None, None, 3)), tiny(5, image))
    other.save_weights(tmp_path / "other.weights.h5")
    (tmp_path / "text.h5").write_text("none of it")
    for name in ("other.weights.h5", "text.h5"):
        with pytest.raises(InputError, match=f"weights of Tiny in .*{name}") as error:
            application("Tiny", str(tmp_path / name))
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="imagenet, none or a file; received nowhere"):
        application("Tiny", "nowhere.h5")
    with pytest.raises(InputError, match=r"trunk weights of keras: and hub:"):
        trunk_named("some.keras", "none")


# --- weights that are fetched


@pytest.fixture
def server(cache, tmp_path, monkeypatch):
    """A file in place of a server, which answers."""
    folder = tmp_path / "server"
    folder.mkdir()
    monkeypatch.setattr(keras_weights, "not_reached", lambda url: "")
    monkeypatch.setitem(globals(), "ORIGIN", (folder / "Tiny-no-top.h5").as_uri())
    return folder / "Tiny-no-top.h5"


def legacy(file):
    network = application("Tiny", "none")[0]
    network.save(file.with_name("whole.h5"), include_optimizer=False)
    file.with_name("whole.h5").rename(file)
    return network


def test_fetched_weights_lie_in_the_cache_when_they_are_whole(cache, server, capsys):
    network = legacy(server)
    assert same_weights(application("Tiny")[0], network)
    assert [file.name for file in cache.iterdir()] == ["tiny_no_top.h5"]
    server.unlink()
    assert same_weights(application("Tiny")[0], network)


def test_what_breaks_off_leaves_nothing(cache, server, monkeypatch, capsys):
    with pytest.raises(InputError, match=r"fetch file:.* to .*tiny_no_top.h5"):
        application("Tiny")
    assert list(cache.iterdir()) == []
    legacy(server)
    monkeypatch.setattr(Tiny, "md5", "0" * 32)
    with pytest.raises(InputError, match=r"fetch file:.*[Ii]ncomplete"):
        application("Tiny")
    assert list(cache.iterdir()) == []


def test_a_half_file_of_before_is_fetched_anew(cache, server, monkeypatch, capsys):
    network = legacy(server)
    monkeypatch.setattr(Tiny, "md5", hashlib.md5(server.read_bytes()).hexdigest())
    cache.mkdir()
    (cache / "tiny_no_top.h5").write_bytes(server.read_bytes()[:100])
    assert same_weights(application("Tiny")[0], network)


def test_a_server_that_says_nothing_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begun = time.monotonic()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert not_reached(url, seconds=0.2)
        assert time.monotonic() - begun < 2
    assert "refused" in not_reached(url, seconds=2)


# --- feature maps


def test_maps_by_stride():
    network = keras.Model(image := keras.Input((None, None, 3)), tiny(image=image))
    assert strides_of(maps_at(network)) == [4, 8]
    assert strides_of(maps_at(network, (8, 2))) == [8, 2]
    with pytest.raises(InputError, match=r"the network has \(1, 2, 4, 8\); received \(16,\)"):
        maps_at(network, (16,))
    chosen = keras.Model(image, [network.get_layer("one").output, network.output])
    assert maps_at(chosen) is chosen
    # A map that is handed on goes before a later one of its stride.
    both = keras.Model(image, [keras.layers.ReLU()(network.output), network.output])
    assert maps_at(both, (8,)).outputs[0] is network.output


# --- files of networks and models


def test_a_network_of_a_file_trains_through_a_step(tmp_path):
    network = keras.Model(image := keras.Input((None, None, 3)), tiny(image=image))
    network.save(tmp_path / "mine.keras")
    model = small_segmenter(trunk=trunk_named(str(tmp_path / "mine.keras")))
    model.compile(keras.optimizers.Adam(0.01), run_eagerly=True)
    before = [w.copy() for h in model.heads.values() for w in h.get_weights()]
    model.fit(noise_pairs(crop=8, batch=2, steps=1), epochs=1, verbose=0)
    after = [w for h in model.heads.values() for w in h.get_weights()]
    assert any(not np.array_equal(a, b) for a, b in zip(before, after, strict=True))
    assert same_weights(model.trunk.network, network)
    model.save(tmp_path / "model.keras")
    x = noise(1, 16, 16, 3)
    again = load_model(tmp_path / "model.keras")
    for a, b in zip(model.maps_of_images(x), again.maps_of_images(x), strict=True):
        np.testing.assert_array_equal(a, b)
    # The trunk of that model, once more.
    taken = trunk_named(str(tmp_path / "model.keras"), frozen=False)
    assert same_weights(taken.network, network)
    assert not taken.frozen


def test_the_trunk_of_a_run_of_this_package_is_taken(tmp_path):
    model = small_segmenter()
    model.save(tmp_path / "best.keras")
    trunk = trunk_named(str(tmp_path / "best.keras"))
    assert isinstance(trunk, KerasTrunk)
    assert trunk.frozen
    x = noise(1, 16, 16, 3)
    np.testing.assert_array_equal(trunk.network(x), model.trunk(x))
    small_infoseg(inputs="bands+sobel").save(tmp_path / "sobel.keras")
    with pytest.raises(InputError, match="a model that sees bands"):
        trunk_named(str(tmp_path / "sobel.keras"))


def test_files_that_are_no_networks(tmp_path):
    image = keras.Input((None, None, 3))
    lambdas = keras.Model(image, keras.layers.Lambda(lambda x: x * 2)(tiny(image=image)))
    lambdas.save(tmp_path / "lambda.keras")
    keras.Model(image, tiny(image=image)).save(tmp_path / "whole.keras")
    whole = (tmp_path / "whole.keras").read_bytes()
    (tmp_path / "half.keras").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.keras").write_text("none of it")
    (tmp_path / "empty.keras").write_bytes(b"")
    for name in ("lambda", "half", "text", "empty"):
        with pytest.raises(InputError, match=f"a readable model in .*{name}.keras") as error:
            trunk_named(str(tmp_path / f"{name}.keras"))
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"the path of a .keras file; received trunk='no.keras'"):
        trunk_named("no.keras")


# --- absurd sizes


def doctored(file, change):
    """The file with its configuration's text changed."""
    with zipfile.ZipFile(file) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = parts["config.json"].decode()
    parts["config.json"] = change(text).encode()
    assert parts["config.json"].decode() != text
    with zipfile.ZipFile(file, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_an_absurd_network_in_a_file_is_refused_before_it_is_built(tmp_path, monkeypatch):
    network = keras.Model(image := keras.Input((None, None, 3)), tiny(image=image))
    network.save(tmp_path / "mine.keras")
    trunk = KerasTrunk(network)
    small_segmenter(trunk=trunk).save(tmp_path / "best.keras")

    def built(*_, **__):
        raise AssertionError("it was built")

    monkeypatch.setattr(keras.models, "load_model", built)
    recipe = load_recipe("folder")
    for name in ("mine", "best"):
        file = tmp_path / f"{name}.keras"
        doctored(file, lambda text: text.replace('"filters": 4', '"filters": 40000000'))
        with pytest.raises(InputError, match=r"a network that this machine has memory for.*TB"):
            load_model(file)
        with pytest.raises(InputError, match="a network that this machine has memory for"):
            recipe.replaced(trunk=str(file)).trunk_arguments(3)


def test_an_absurd_preset_is_refused_before_it_is_built(tmp_path):
    sizes = {"num_layers": 10**9, "hidden_dim": 4096, "patch_size": 14}
    config = {"class_name": "DINOV2Backbone", "config": sizes}
    (tmp_path / "config.json").write_text(json.dumps(config))
    recipe = load_recipe("folder").replaced(trunk=f"hub:{tmp_path}")
    with pytest.raises(InputError, match="a network that this machine has memory for"):
        recipe.trunk_arguments(3)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="a readable configuration in"):
        recipe.trunk_arguments(3)


def test_the_estimate_is_near_the_weights_of_real_layers():
    network = keras.Model(image := keras.Input((None, None, 3)), tiny(32, image))
    found = network_weights(keras.saving.serialize_keras_object(network))
    assert 0.5 < found / network.count_params() < 2
