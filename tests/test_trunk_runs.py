"""Runs on a trunk from a file, through the command."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from contract_runs import make_data
from keras import layers
from tiny_trunks import chain, conv, pyramid

from iic_tf.cli import main
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.memory_estimate import weights_in_training
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.training.run import Run
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.segmentation import SEGMENTATION

TINY = ["--classes", "2", "--epochs", "3", "--steps", "2", "--batch", "4"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: Any) -> Path:
    folder = Path(tmp_path_factory.mktemp("trunks"))
    make_data(folder)
    pyramid(normalised=True).save(folder / "maps.keras")
    chain(layers.Flatten(), channels=3, side=8).save(folder / "flat.keras")
    chain(conv(3, 3, 3)).save(folder / "odd.keras")
    return folder


def command(place: Path, task: str = SEGMENTATION, trunk: str = "maps.keras") -> list[str]:
    data = place / "scenes" / "images" if task == SEGMENTATION else place / "things"
    own = ["--dataset", "images"] if task == CLUSTERING else ["--crop", "16", "--set", "radius=2"]
    small = ["--set", "evaluation_steps=1", "--trunk", str(place / trunk)]
    return ["train", "--data", str(data), *TINY, *own, *small]


@pytest.fixture(scope="module")
def run(place: Path) -> Run:
    """Of scenes, whose trunk is trained in the third epoch alone."""
    masks = ["--masks", str(place / "scenes" / "masks"), "--out", str(place / "run")]
    tuned = ["--fine-tune-trunk", "--set", "frozen_epochs=2", "--set", "schedule=cosine"]
    assert main([*command(place), *masks, *tuned]) == 0
    return Run.open(place / "run")


def network_of(file: Path) -> list[Any]:
    model = keras.models.load_model(file, compile=False)
    trunk = getattr(model, "trunk", None) or model.layers[-1]
    return [np.copy(w) for w in trunk.network.get_weights()]


def test_heads_learn_alone_then_all(run: Run, place: Path) -> None:
    begun = network_of(run.trunk_file)
    given = keras.models.load_model(place / "maps.keras").get_weights()
    for mine, theirs in zip(begun, given, strict=True):
        np.testing.assert_array_equal(mine, theirs)
    second, third = (network_of(run.checkpoints / f"epoch-{n:04d}" / "model.keras") for n in (2, 3))
    assert all(np.array_equal(a, b) for a, b in zip(begun, second, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(begun, third, strict=True))
    assert "frozen for 2 epochs, then trained at 0.1 × the rate" in run.log_file.read_text()
    model = keras.models.load_model(run.checkpoints / "epoch-0003" / "model.keras")
    steps = {n: int(model._by_part.of(n).iterations) for n in model.parts()}
    assert steps == {"main": 6, "overclustering": 6, "trunk": 2}


def test_a_run_resumed_at_the_switch_ends_the_same(run: Run, tmp_path: Path) -> None:
    stopped = Run(tmp_path / "run")
    shutil.copytree(run.folder, stopped.folder)
    shutil.rmtree(stopped.checkpoints / "epoch-0003")
    # The trunk's file may be gone.
    stopped.trunk_file.unlink()
    assert main(["train", "--resume", "--out", str(stopped.folder)]) == 0
    assert not stopped.trunk_file.exists()
    newest = (Checkpoints(one.checkpoints).newest(print) for one in (run, stopped))
    a, b = (keras.models.load_model(one.model) for one in newest if one is not None)
    for mine, theirs in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_it_is_scored_beside_the_trunk_that_it_began_with(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    (place / "maps.keras").rename(place / "elsewhere.keras")
    try:
        assert main(["evaluate", str(run.folder)]) == 0
    finally:
        (place / "elsewhere.keras").rename(place / "maps.keras")
    assert "untrained network" in capsys.readouterr().out


def test_whole_images(place: Path, tmp_path: Path, capsys: Any) -> None:
    out = str(tmp_path / "run")
    assert main([*command(place, CLUSTERING), "--epochs", "1", "--out", out]) == 0
    assert "maps.keras, frozen" in capsys.readouterr().out
    assert main(["predict", out, str(place / "things"), "--out", str(tmp_path / "found")]) == 0


@pytest.mark.parametrize(
    ("trunk", "more", "message"),
    [
        ("none.keras", [], "Expected the path of a .keras file"),
        ("odd.keras", [], "whole fraction of an image"),
        ("flat.keras", [], "a trunk that makes maps"),
        ("maps.keras", ["--trunk-bands", "0,1"], "learned, or 3 numbers of bands"),
        ("maps.keras", ["--trunk-bands", "0,1,9"], "bands below 3"),
        ("maps.keras", ["--trunk-bands", "red"], "numbers of bands from 0 with commas"),
        ("maps.keras", ["--fine-tune-trunk", "--set", "frozen_epochs=3"], "frozen_epochs below"),
        ("maps.keras", ["--set", "cells=true", "--crop", "20"], "crops of a multiple of 8"),
        ("maps.keras", ["--set", "whitening=channels"], "whitening none"),
        ("maps.keras", ["--method", "deepcluster"], "a trunk that is trained"),
        ("maps.keras", ["--method", "infoseg", "--set", "paired=true"], "paired crops of a mult"),
    ],
)
def test_what_does_not_fit_is_told_in_a_line_before_a_folder_is_made(
    trunk: str, more: list[str], message: str, place: Path, tmp_path: Path, capsys: Any
) -> None:
    out = tmp_path / "run"
    given = command(place, trunk=trunk)
    if "--method" in more:
        given = [a for a in given if a not in ("--set", "radius=2")]
        given += ["--set", "evaluation_steps=1"] if "evaluation_steps=1" not in given else []
        given.remove("evaluation_steps=1")
    assert main([*given, *more, "--out", str(out)]) == 2
    (line,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("iic-tf:")]
    assert message in line
    assert not out.exists()


def test_recipes_of_before_there_were_trunks() -> None:
    from iic_tf.training.methods.infoseg import InfoSegSegmentation

    for recipe, parts in (
        (IICSegmentation(width=0.05), ["trunk", "main", "overclustering"]),
        (InfoSegSegmentation(width=0.05, features=8), ["network"]),
    ):
        model = recipe.build(3)
        config = model.get_config()
        for name in ("trunk", "trunk_from", "cells", "dropout"):
            config.pop(name, None)
        again = type(model).from_config(config)
        assert list(again.parts()) == parts
        assert again.get_config() == model.get_config()


def test_memory_counts_weights_that_are_trained_with_their_moments() -> None:
    from iic_tf import IICSegmenter, KerasTrunk

    frozen, trained = (
        IICSegmenter(2, 0, 3, trunk=KerasTrunk(pyramid(), frozen=f)) for f in (True, False)
    )
    count = sum(int(np.prod(w.shape)) for w in frozen.trunk.network.weights)
    more = weights_in_training(trained).total - weights_in_training(frozen).total
    assert more == 4 * 3 * count
