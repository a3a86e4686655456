"""Trunks beside each other: each one's features as they are alone, in models and their files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from made_up import noise, noise_pairs, small_segmenter
from tiny_trunks import chain, conv

from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.networks.named_trunks import parts_of, trunk_named
from iic_tf.networks.side_by_side import side_by_side

pytestmark = pytest.mark.usefixtures("_same_weights_each_time")


@pytest.fixture(scope="module")
def files(tmp_path_factory: Any) -> Path:
    """`network.keras` of stride 4, and `run.keras`, a model of this package of three bands."""
    folder = Path(tmp_path_factory.mktemp("files"))
    chain(conv(5, 3, 4, activation="elu")).save(folder / "network.keras")
    segmenter = small_segmenter()
    segmenter(noise(1, 8, 8, 3))
    segmenter.save(folder / "run.keras")
    return folder


def test_features_are_those_of_each_the_finest_first(files: Path) -> None:
    x = noise(1, 48, 64, 3)
    names = ["textures", str(files / "network.keras"), str(files / "run.keras")]
    textures, network, run = (np.asarray(trunk_named(name, stride=4)(x)) for name in names)
    two = trunk_named(",".join(names[:2]), stride=4)
    assert (two.frozen, two.features) == (True, textures.shape[-1] + network.shape[-1])
    np.testing.assert_allclose(two(x), np.concatenate([textures, network], -1), atol=1e-5)
    # Of stride 2: the others' maps are enlarged to it, and averaged again.
    three = trunk_named(",".join(names), stride=4)
    found = np.asarray(three(x))
    assert three.features == found.shape[-1] == two.features + run.shape[-1]
    np.testing.assert_allclose(found[..., : run.shape[-1]], run, atol=1e-5)
    wide = found[..., run.shape[-1] : run.shape[-1] + textures.shape[-1]]
    np.testing.assert_allclose(wide.mean((1, 2)), textures.mean((1, 2)), atol=0.02)


def test_each_is_shown_its_own() -> None:
    x = noise(1, 16, 16, 3)
    networks = [chain(conv(2, 1, 4)), chain(conv(3, 1, 4))]
    scaled = {"low": [-1.0, 0.0, 2.0], "high": [1.0, 255.0, 3.0]}
    found = side_by_side(networks, [{}, scaled])(x)
    np.testing.assert_allclose(found[0], networks[0](x), atol=1e-6)
    shown = np.array(scaled["low"]) + x * (np.array(scaled["high"]) - scaled["low"])
    np.testing.assert_allclose(found[1], networks[1](shown), rtol=1e-5, atol=1e-4)


def test_a_model_learns_on_them_and_its_file_needs_neither(files: Path, tmp_path: Path) -> None:
    trunk = trunk_named(f"textures, {files / 'network.keras'}", stride=4)
    model = IICSegmenter(2, 4, 3, trunk=trunk, cells=True, radius=4)
    model.compile()
    model.fit(noise_pairs(crop=16, size=(24, 24)), epochs=1, verbose=0)
    x = noise(1, 20, 24, 3)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(x), model(x), atol=1e-6)
    # And it is a trunk again, alone or beside others.
    assert trunk_named(str(tmp_path / "model.keras")).features == trunk.features
    beside = trunk_named(f"{tmp_path / 'model.keras'},{files / 'network.keras'}", stride=4)
    assert beside.features == trunk.features + 5


def test_what_does_not_fit_is_refused(files: Path, tmp_path: Path) -> None:
    network = str(files / "network.keras")
    with pytest.raises(InputError, match=r"same images .* received textures \(None, None, 4\), "):
        trunk_named(f"textures,{network}", channels=4)
    assert trunk_named(f"textures,{network}", channels=4, bands=(3, 0, 1)).bands == (3, 0, 1)
    for wrong in (f"{network},", f"{network},c", f"{network},nothing.keras"):
        with pytest.raises(InputError, match=r"Expected a trunk|path of a \.keras file"):
            trunk_named(wrong)
    with pytest.raises(InputError, match="frozen trunk of textures, which no gradient trains"):
        trunk_named(f"{network},textures", frozen=False)
    odd = tmp_path / "a,b.keras"
    odd.write_bytes((files / "network.keras").read_bytes())
    assert parts_of(str(odd)) == [str(odd)]
    assert trunk_named(str(odd)).features == 5
