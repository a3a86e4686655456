"""Features of a frozen trunk that are computed once and kept."""

from __future__ import annotations

import csv
import gc
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise
from PIL import Image

from iic_tf.cli import main
from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import Crops
from iic_tf.data.tiles import Tile, tiles_of
from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.training import kept_features
from iic_tf.training.callbacks import Evaluate
from iic_tf.training.kept_features import on_features
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.training.methods.registry import recipe_of
from iic_tf.training.run import Run
from iic_tf.training.tasks.task import fresh_model
from iic_tf.views.feature_pairs import FeaturePairs, KeptTile
from iic_tf.views.geometry import Geometry, flip, undo
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry, jitter
from iic_tf.views.tile_versions import TileVersions, turned, turned_back

STRIDE = 4
QUARTERS = Geometry(flip=0.5, upside_down=0.5, quarter_turns=True)
COLOURS = Photometry(0.4, 0.4, 0.4, 0.1)


def network(shift: bool = False) -> keras.Model:
    """Of stride 4; cells see their own pixels alone, unless some more are wanted."""
    keras.utils.set_random_seed(3)
    image = keras.Input((None, None, 3))
    found = keras.layers.Conv2D(6, STRIDE, STRIDE, "same")(image)
    if shift:
        found = keras.layers.Conv2D(6, 3, 1, "same", activation="relu")(found)
    return keras.Model(image, found)


def model_of(trunk: Any = None, **values: Any) -> IICSegmenter:
    trunk = KerasTrunk(network(), standardised=False) if trunk is None else trunk
    values = {"classes": 2, "overclusters": 3, "channels": 3, "radius": 4, "cells": True, **values}
    return IICSegmenter(**values, trunk=trunk)


def scenes(*sizes: tuple[int, int], masks: bool = False) -> Any:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]
    return from_arrays(images, [rng.integers(-1, 1, size) for size in sizes] if masks else None)


def versions_of(given: Any, margin: int = 0, crop: int = 8, **values: Any) -> TileVersions:
    masks = values.pop("masks", False)
    base = {"geometry": QUARTERS, "photometry": COLOURS, "plain_first": True, "seed": 1}
    return TileVersions(
        Crops(given, crop, 1, masks), **{**base, **values}, stride=STRIDE, align=4, margin=margin
    )


# --- parts of scenes


def test_tiles_cover_scenes_once() -> None:
    shapes = [(100, 37), (8, 250)]
    tiles = tiles_of(shapes, 32, 4)
    for scene, shape in enumerate(shapes):
        seen = np.zeros(shape, int)
        for tile in tiles:
            if tile.scene == scene:
                seen[tile.top : tile.bottom, tile.left : tile.right] += 1
        assert (seen == 1).all()
    assert [tile.number for tile in tiles] == list(range(len(tiles)))
    assert all(tile.top % 4 == tile.left % 4 == 0 for tile in tiles)
    assert max(max(tile.height, tile.width) for tile in tiles) <= 36
    assert min(tile.width for tile in tiles if tile.scene == 1) > 12


# --- versions


@pytest.mark.parametrize("index", range(8))
def test_turns_are_those_of_pairs(index: int) -> None:
    matrix = QUARTERS.draw(np.random.default_rng(index))
    image = noise(6, 6, 2)
    as_pairs = np.asarray(flip(image[None], matrix[None]))[0]
    np.testing.assert_array_equal(turned(image, matrix), as_pairs)
    wide = noise(4, 6, 2)
    np.testing.assert_array_equal(turned_back(turned(wide, matrix), matrix), wide)


def test_features_are_the_trunks_of_the_same_image() -> None:
    given = scenes((21, 30))
    source, model = versions_of(given), model_of(KerasTrunk(network(True), standardised=False))
    (tile,) = tiles_of([(21, 30)], 64, 4)
    found = source.features(tile, 6, model.features)
    assert found.shape == (6, 5, 7, 6)
    assert found.dtype == np.float16
    image = source.crops.window(0, 0, 0, 21, 30)[0]
    kinds = set()
    for v in range(6):
        colours, matrix = source.draw(tile, v)
        shown = jitter(image[None], colours[None]).numpy()
        shown = np.pad(shown[0], ((0, 3), (0, 2), (0, 0)), mode="reflect")
        maps = np.asarray(model.trunk(turned(shown, matrix)[None]))[0]
        np.testing.assert_allclose(found[v], turned_back(maps, matrix)[:5, :7], atol=2e-3)
        kinds.add(matrix.tobytes())
    # The first one is the image as it is, and not all are turned alike.
    np.testing.assert_allclose(found[0], model.trunk(image[None])[0, :5, :7], atol=2e-3)
    assert len(kinds) > 2
    assert not np.allclose(found[0], found[1], atol=0.02)
    np.testing.assert_array_equal(found, source.features(tile, 6, model.features))


def test_cells_of_mirrored_versions_lie_on_one_another() -> None:
    # A network that sees no further than a cell, and no direction within it.
    mean = keras.Sequential(
        [keras.Input((None, None, 3)), keras.layers.AveragePooling2D(4)], name="mean"
    )
    model = model_of(KerasTrunk(mean, standardised=False))
    source = versions_of(scenes((16, 28)), photometry=Photometry(0, 0, 0, 0))
    found = source.features(tiles_of([(16, 28)], 64, 4)[0], 8, model.features)
    np.testing.assert_allclose(found, np.broadcast_to(found[:1], found.shape), atol=1e-3)


def test_a_margin_shows_what_is_around_a_part() -> None:
    model = model_of(KerasTrunk(network(True), standardised=False))
    given = scenes((40, 40))
    whole = model.features(Crops(given, 8).window(0, 0, 0, 40, 40)[0][None])[0]
    tile = Tile(0, 0, 16, 12, 28, 40)
    found = versions_of(given, margin=8).features(tile, 1, model.features)[0]
    np.testing.assert_allclose(found, whole[4:7, 3:10], atol=2e-3)
    without = versions_of(given).features(tile, 1, model.features)[0]
    assert not np.allclose(without, found, atol=1e-2)


# --- pairs


def feature_pairs(**values: Any) -> FeaturePairs:
    """Of features that say where they are from: tile, version, row, column."""
    tiles = []
    for number, (rows, columns) in enumerate([(6, 9), (3, 5)]):
        maps = np.zeros((3, rows, columns, 4), np.float16)
        maps[..., 0], maps[..., 1] = number, np.arange(3)[:, None, None]
        maps[..., 2], maps[..., 3] = np.arange(rows)[None, :, None], np.arange(columns)
        tiles.append(KeptTile(number + 5, maps, values.pop(f"shares_{number}", None)))
    return FeaturePairs(tiles, **{"crop": 3, "batch": 4, "steps": 50, "seed": 2, **values})


def test_pairs_are_two_versions_of_the_same_cells() -> None:
    pairs = feature_pairs()
    versions = set()
    tiles = []
    for i in range(len(pairs)):
        batch = {name: np.asarray(value) for name, value in pairs[i].items()}
        x, gx = batch["features"].astype(int), batch["features_g"].astype(int)
        assert x.shape == (4, 3, 3, 4)
        np.testing.assert_array_equal(x[..., [0, 2, 3]], gx[..., [0, 2, 3]])
        assert (np.diff(x[..., 2], axis=1) == 1).all()
        assert (np.diff(x[..., 3], axis=2) == 1).all()
        np.testing.assert_array_equal(batch["scene"], x[:, 0, 0, 0] + 5)
        versions |= set(zip(x[:, 0, 0, 1], gx[:, 0, 0, 1], strict=True))
        tiles += x[:, 0, 0, 0].tolist()
        assert "valid" not in batch
    assert versions == {(a, b) for a in range(3) for b in range(3) if a != b}
    # By area: 54 cells and 15.
    assert 0.12 < np.mean(tiles) < 0.32


def test_x_is_plain_where_it_is_to_be() -> None:
    pairs = feature_pairs(plain_x=True)
    x, gx = (
        np.concatenate([pairs[i][n][:, 0, 0, 1] for i in range(20)])
        for n in ("features", "features_g")
    )
    assert set(x.astype(int)) == {0}
    assert set(gx.astype(int)) == {1, 2}


def test_parts_of_a_batch_are_the_batch() -> None:
    pairs = feature_pairs(batch=5)
    whole = list(pairs.dataset(48, 52))
    parts = list(pairs.dataset(48, 52, [(0, 2), (1, 2)]))
    assert len(whole) == 4
    for i, batch in enumerate(whole):
        for name in batch:
            both = tf.concat([parts[2 * i][name], parts[2 * i + 1][name]], 0)
            np.testing.assert_array_equal(batch[name], both)
    assert whole[1]["epoch"].numpy().tolist() == [0] * 5
    assert whole[2]["epoch"].numpy().tolist() == [1] * 5


def test_what_is_not_valid_is_told_by_cells() -> None:
    given = scenes((20, 20), (6, 6), masks=True)
    source = versions_of(given, masks=True)
    tiles = tiles_of(source.crops.shapes, 64, 4)
    shares = source.shares(tiles[0])
    known = given.scenes[0].read_mask(0, 0, 20, 20) != -1
    np.testing.assert_allclose(shares, known.reshape(5, 4, 5, 4).mean((1, 3)), atol=1e-6)
    maps = [np.ones((2, *source.cells(t), 1), np.float16) for t in tiles]
    kept = [KeptTile(t.scene, m, source.shares(t)) for t, m in zip(tiles, maps, strict=True)]
    # The second scene has fewer cells than a crop.
    pairs = FeaturePairs(kept[1:], 2, 3, 1)
    batch = pairs[0]
    assert batch["valid"].shape == (3, 2, 2)
    np.testing.assert_array_equal(batch["valid"][:, 1], 0)
    np.testing.assert_array_equal(batch["features"][:, :, 1], 0)
    np.testing.assert_allclose(batch["valid"][:, 0, 0], kept[1].shares[0, 0])


def test_crops_that_are_half_empty_are_drawn_again() -> None:
    shares = np.zeros((6, 9), np.float32)
    shares[:, 6:] = 1
    means = {}
    for holes in (False, True):
        pairs = feature_pairs(shares_0=shares, holes=holes)
        batches = [pairs[i]["valid"].numpy() for i in range(20)]
        means[holes] = np.concatenate(batches).mean((1, 2))
    assert (means[False] < 0.3).any()
    assert means[True].min() > 0.3


# --- the model


def test_the_loss_is_that_of_the_images() -> None:
    given = scenes((16, 24), (16, 24), masks=True)
    pairs = Pairs(given, crop=16, batch=2, steps=1, masks=True, photometry=Photometry(0, 0, 0, 0))
    model = model_of()
    model.compile()
    batch = pairs[0]
    x, gx = (model.features(batch[name]) for name in ("x", "gx"))
    kept = {
        "features": tf.cast(x, tf.float16),
        "features_g": tf.cast(undo(gx, batch), tf.float16),
        "valid": model.shares_of_cells(batch["x"], batch["valid"]),
        **{name: batch[name] for name in ("epoch", "number", "scene")},
    }
    sums, ours = (model.sums(b, ("main", "overclustering"), False) for b in (batch, kept))
    for head in sums:
        np.testing.assert_allclose(sums[head], ours[head], rtol=2e-3)
    before = [np.asarray(v) for v in model.trainable_variables]
    model.train_on_batch(kept)
    after = [np.asarray(v) for v in model.trainable_variables]
    assert all((a != b).any() for a, b in zip(after, before, strict=True))
    for wrong, said in (
        (model_of(cells=False), "cells=True"),
        (model_of(KerasTrunk(network(), standardised=False, frozen=False)), "trunk that learns"),
        (model_of(KerasTrunk(network())), "standardised"),
    ):
        with pytest.raises(InputError, match=said):
            wrong.check_batch(kept)
    with pytest.raises(InputError, match="6 features"):
        model.check_batch({**kept, "features": kept["features"][..., :2]})


# --- what is kept, and what is said


def asked(model: Any, folder: Path, given: Any = None, **values: Any) -> tuple[Any, str]:
    """What comes of pairs, and what was said."""
    options = {name: values.pop(name) for name in ("geometry", "steps") if name in values}
    given = scenes((40, 48), (24, 30)) if given is None else given
    options = {"steps": 200, "crop": 8, "batch": 4, "jitter_x": True, **options}
    pairs = Pairs(given, **options)
    recipe = IICSegmentation().replaced(
        **{"kept_views": 4, "epochs": 10, "crop": 8, "batch": 4, **values}
    )
    said: list[str] = []
    with on_features(model, recipe, pairs, pairs, folder, said.append) as (found, fixed):
        assert isinstance(found, FeaturePairs) == isinstance(fixed, FeaturePairs)
        # A file without a name.
        assert list(folder.iterdir()) == []
        if isinstance(found, FeaturePairs):
            found.tiles = list(found.tiles)
    return found, "; ".join(said)


def test_all_versions_are_kept_where_there_is_room(tmp_path: Path) -> None:
    model = model_of(KerasTrunk(network()))
    assert not model.trunk.fitted
    found, said = asked(model, tmp_path)
    # What the model fits to images is fitted before.
    assert model.trunk.fitted
    assert said.startswith("features kept: 2 images × 4 versions, ")
    assert [tile.features.shape for tile in found.tiles] == [(4, 10, 12, 6), (4, 6, 7, 6)]
    every = np.concatenate([t.features.reshape(-1, 6) for t in found.tiles]).astype(float)
    assert np.abs(every.mean(0)).max() < 0.3
    assert 0.7 < every.std(0).min() < every.std(0).max() < 1.3
    model.compile()
    model.evaluate(found, verbose=0)


def test_room_bounds_versions_then_parts(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(kept_features, "FEWEST", 4)
    monkeypatch.setattr(kept_features, "SIDE", 8)
    given = scenes((64, 64), (64, 64))
    cells = 2 * 16 * 16 * 6 * 2 / 1e9
    found, said = asked(model_of(), tmp_path, given, kept_gigabytes=3.5 * cells)
    assert "2 images × 3 versions, as many as fit" in said
    assert "kept_gigabytes" in said
    assert {len(tile.features) for tile in found.tiles} == {3}
    found, said = asked(model_of(), tmp_path, given, kept_gigabytes=1.2 * cells)
    assert "4 of 8 parts of images × 2 versions" in said
    assert sum(tile.features.nbytes for tile in found.tiles) <= 1.2 * cells * 1e9
    found, said = asked(model_of(), tmp_path, given, kept_gigabytes=0.1 * cells)
    assert isinstance(found, Pairs)
    assert "features not kept: " in said
    # Nor more than a short training would see.
    found, said = asked(model_of(), tmp_path, given, steps=20)
    assert "3 versions, as many as fit a training of 200 steps" in said


@pytest.mark.parametrize(
    ("model", "pairs", "said"),
    [
        ({"cells": False}, {}, "pixels are compared"),
        ({"frozen": False}, {}, "is trained"),
        ({"bands": "learned"}, {}, "is trained"),
        ({}, {"geometry": Geometry(rotation=10)}, "warped"),
        ({}, {"steps": None}, "grid"),
    ],
)
def test_the_reason_is_said_where_nothing_is_kept(
    tmp_path: Path, model: dict[str, Any], pairs: dict[str, Any], said: str
) -> None:
    of_trunk = {n: model.pop(n) for n in ("frozen", "bands") if n in model}
    trunk = KerasTrunk(network(), standardised=False, **of_trunk)
    found, line = asked(model_of(trunk, **model), tmp_path, **pairs)
    assert isinstance(found, Pairs)
    assert line.startswith("features not kept: ")
    assert said in line


def test_nothing_is_said_where_nobody_asks(tmp_path: Path) -> None:
    found, said = asked(model_of(), tmp_path, kept_views=0)
    assert isinstance(found, Pairs)
    assert said == ""
    with pytest.raises(InputError, match="at least 2 versions"):
        IICSegmentation().replaced(kept_views=1)


# --- runs


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kept")
    network(True).save(folder / "net.keras")
    (folder / "images").mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = rng.integers(20, 60, (40, 36, 3))
        pixels[:, 18:] += 120
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / f"{i}.png")
    return folder


def command_of(place: Path, run: Path) -> list[str]:
    command = ["train", "--data", str(place / "images"), "--classes", "2", "--out", str(run)]
    command += ["--recipe", "pretrained", "--trunk", str(place / "net.keras"), "--downscale", "1"]
    command += ["--crop", "16", "--batch", "12", "--steps", "10", "--epochs", "2"]
    return [*command, "--set", "radius=4", "--set", "evaluation_steps=2", "--set", "sub_heads=2"]


@pytest.fixture(scope="module")
def whole(place: Path) -> Path:
    """A run that nothing stopped."""
    assert main(command_of(place, place / "whole")) == 0
    return place / "whole"


def weights(run: Path) -> list[Any]:
    return [np.asarray(v) for v in Run(run).load_best().weights]


def losses(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return [{n: v for n, v in row.items() if n != "seconds"} for row in csv.DictReader(file)]


def test_a_run_learns_from_kept_features(place: Path, whole: Path) -> None:
    assert "features kept: 4 images × 4 versions" in (whole / "log.txt").read_text()
    model = Run(whole).load_best()
    # The saved model has its trunk, whose weights stayed, and heads that moved.
    own = keras.models.load_model(place / "net.keras").get_weights()
    for ours, theirs in zip(model.trunk.network.get_weights(), own, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    recipe = Run(whole).config()["recipe"]
    fresh = fresh_model(recipe_of(recipe), 3, Run(whole).config()["seed"])
    for head, layer in model.heads.items():
        assert np.abs(layer.conv.kernel - fresh.heads[head].conv.kernel).max() > 1e-2
    found = np.asarray(model(noise(2, 18, 21, 3)))
    assert found.shape == (2, 18, 21, 2)
    np.testing.assert_allclose(found.sum(-1), 1, atol=1e-5)
    gc.collect()
    maps = Path("/proc/self/maps")
    if maps.is_file():
        assert str(whole) not in maps.read_text()


def test_a_resumed_run_ends_as_if_it_had_not_stopped(
    place: Path, whole: Path, monkeypatch: Any
) -> None:
    judge = Evaluate.on_epoch_end

    def stop(self: Any, epoch: int, logs: Any = None) -> None:
        if epoch == 1:
            raise KeyboardInterrupt
        judge(self, epoch, logs)

    run = place / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(Evaluate, "on_epoch_end", stop)
        assert main(command_of(place, run)) == 130
    assert main(["train", "--resume", "--out", str(run)]) == 0
    assert (run / "log.txt").read_text().count("features kept") == 2
    assert losses(run) == losses(whole)
    for ours, theirs in zip(weights(run), weights(whole), strict=True):
        np.testing.assert_array_equal(ours, theirs)
