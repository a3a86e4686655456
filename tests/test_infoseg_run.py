"""InfoSeg from scenes to scores, label maps and exports, by the command line."""

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from iic_tf.cli import main
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError
from iic_tf.export import onnx_file, savedmodel
from iic_tf.export.served_run import load_served
from iic_tf.models.infoseg import InfoSeg
from iic_tf.training.methods.infoseg import InfoSegSegmentation
from iic_tf.training.recipe_files import load_recipe, run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import task_of

QUICK = ["--dataset", "scenes", "--recipe", "infoseg-folder", "--crop", "32"]
QUICK += ["--downscale", "2", "--width", "0.05", "--epochs", "2", "--steps", "4", "--batch", "4"]
QUICK += ["--set", "features=8", "--set", "evaluation_steps=2", "--count", "6", "--size", "160"]


def train(run: Path, *more: str) -> int:
    return main(["train", "--out", str(run), *QUICK, *more])


def shown_by(capsys: pytest.CaptureFixture[str], *command: str) -> str:
    capsys.readouterr()
    assert main(list(command)) == 0
    return capsys.readouterr().out


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run, only looked at."""
    folder = tmp_path_factory.mktemp("infoseg") / "run"
    assert train(folder) == 0
    return folder


def test_what_training_leaves(run: Path) -> None:
    log = (run / "log.txt").read_text()
    assert "3 classes, 8 features, objective jsd, soft assignment" in log
    assert "of −1.39" in log  # −2 ln 2
    assert "overcluster" not in log
    for name in ("best.keras", "pictures/losses.png", "pictures/main_shares.png"):
        assert (run / name).is_file(), name
    assert (run / "pictures" / "found.png").is_file()
    with (run / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["turn"] for row in rows] == ["main"] * 2
    assert not [name for name in rows[0] if name.startswith("overclustering")]
    assert isinstance(Run(run).load_best(), InfoSeg)
    recipe = run_recipe(Run(run))
    assert isinstance(recipe, InfoSegSegmentation)
    assert (recipe.features, recipe.tau, recipe.clusters) == (8, 0.8, {"main": 3})


def test_evaluate(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shown = shown_by(capsys, "evaluate", str(run))
    assert "overcluster" not in shown
    found = json.loads((run / "evaluation.json").read_text())
    for row in (found, found["baselines"]["kmeans"], found["baselines"]["untrained"]):
        assert {"accuracy", "mean_iou", "nmi", "ari"} <= set(row)
        assert "overclustering" not in row
    assert found["images"] == 6
    assert (run / "pictures" / "confusion.png").is_file()
    # One to one: every labelled pixel counts, three clusters and three classes.
    assert 1 / 3 <= found["accuracy"] <= 1


def test_predictions_are_the_labels_of_the_scene_as_a_whole(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served = load_served(Run(run))
    assert (served.align, served.margin) == (32, 54)
    scene = source_from_dict(Run(run).config()["source"]).load().scenes[0]
    pixels = scene.read(0, 0, scene.height, scene.width)
    whole = np.asarray(served(pixels[None].astype(np.float32))["labels"])[0]
    for core in (64, 512):
        monkeypatch.setattr("iic_tf.export.labelling.CORE", core)
        monkeypatch.setattr("iic_tf.training.whole_scene.CORE", core)
        shown_by(capsys, "predict", str(run), "scenes", "--out", str(tmp_path))
        with Image.open(tmp_path / f"{scene.name}_labels.png") as file:
            labels = np.asarray(file)
        assert labels.shape == whole.shape
        assert (labels != whole).mean() < 0.001
    assert main(["predict", str(run), "scenes", "--out", str(tmp_path), "--overclusters"]) == 2
    assert "an overclustering head" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["savedmodel", "onnx"])
def test_exports_compute_the_same(
    run: Path, tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model"
    shown_by(capsys, "export", str(run), "--format", kind, "--out", str(path))
    runner = {"savedmodel": savedmodel.runner, "onnx": onnx_file.runner}[kind](path)
    served = load_served(Run(run))
    pixels = np.random.default_rng(0).uniform(0, 255, (2, 50, 37, 4)).astype(np.float32)
    mine, theirs = served(pixels), runner(pixels)
    assert theirs["labels"].dtype == np.int32
    np.testing.assert_allclose(theirs["probabilities"], mine["probabilities"], atol=1e-5)
    assert (theirs["labels"] == mine["labels"].numpy()).mean() > 0.999
    if kind == "onnx":
        again = ["export", str(run), "--format", kind, "--out", str(path)]
        path.unlink()
        path.with_name("model.json").unlink()
        assert main(again) == 2
        assert "model.window" in capsys.readouterr().err


def test_an_ablation_in_half_precision_trains_and_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ("objective=dv", "assignment=hard", "precision=mixed_bfloat16")
    before = keras.config.dtype_policy()
    words = [word for value in more for word in ("--set", value)]
    assert train(tmp_path / "run", "--epochs", "1", *words) == 0
    keras.config.set_dtype_policy(before)
    shown = capsys.readouterr().out
    told = [line for line in shown.splitlines() if line.startswith(("epoch", "done"))]
    assert len(told) == 2
    assert all("(no lowest value)" in line for line in told)
    assert (tmp_path / "run" / "pictures" / "losses.png").is_file()
    assert "trained, one to one" in shown_by(capsys, "evaluate", str(tmp_path / "run"))


def test_untrained_models_of_other_seeds_differ() -> None:
    recipe = load_recipe("infoseg-folder").replaced(width=0.05, features=8)
    task = task_of(recipe, {"dataset": "scenes", "count": 2, "size": 64})
    first, other, again = (task.model(seed).get_weights() for seed in (0, 1, 0))
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


# --- recipes


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"batch": 1}, "at least 2 images in a batch .* received batch=1"),
        ({"batch": 6, "micro_batches": 6}, "at least 2 images in a batch"),
        ({"features": 0}, "features >= 1"),
        ({"tau": 0}, "tau > 0"),
        ({"objective": "nce"}, "one of jsd, dv, iic"),
        ({"assignment": "firm"}, "one of soft, hard"),
        ({"sub_heads": 5}, "a setting among .* received setting='sub_heads'"),
        ({"overclusters": 9}, "a setting among .* received setting='overclusters'"),
        ({"turns": ["overclustering", "main"]}, "a setting among .* received setting='turns'"),
    ],
)
def test_unfit_values_are_named(values: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        InfoSegSegmentation().replaced(**values)


def test_a_last_batch_of_one_crop_is_met_before_the_run() -> None:
    recipe = InfoSegSegmentation().replaced(crop=32, batch=4, steps=0, width=0.05, features=8)
    place = {"dataset": "scenes", "count": 1, "size": 96}
    with pytest.raises(InputError, match="9 crops in batches of 4, the last of which is alone"):
        task_of(recipe, place).pairs(0)
    assert task_of(recipe.replaced(batch=3), place).pairs(0).steps == 3
    assert task_of(recipe.replaced(objective="iic"), place).pairs(0).steps == 3


def test_the_radius_counts_where_pixels_are_displaced() -> None:
    recipe = InfoSegSegmentation().replaced(crop=8, radius=10)
    place = {"dataset": "scenes", "count": 1, "size": 64}
    assert task_of(recipe, place).recipe == recipe
    with pytest.raises(InputError, match="crop larger than the radius"):
        task_of(recipe.replaced(objective="iic"), place)


@pytest.mark.parametrize(
    ("name", "dataset", "classes", "crop", "downscale", "masks"),
    [
        ("infoseg-potsdam-3", "potsdam", 3, 200, 2, False),
        ("infoseg-potsdam-6", "potsdam", 6, 200, 2, False),
        ("infoseg-cocostuff-3", "folder", 3, 128, 3, True),
        ("infoseg-cocostuff-15", "folder", 15, 128, 3, True),
        ("infoseg-coco-persons", "folder", 2, 128, 1, False),
    ],
)
def test_published_values(
    name: str, dataset: str, classes: int, crop: int, downscale: int, masks: bool
) -> None:
    recipe = load_recipe(name)
    assert isinstance(recipe, InfoSegSegmentation)
    assert (recipe.dataset, recipe.classes, recipe.masks) == (dataset, classes, masks)
    assert (recipe.crop, recipe.downscale, recipe.width) == (crop, downscale, 1.0)
    assert (recipe.features, recipe.tau, recipe.rate, recipe.batch) == (1024, 0.8, 1e-4, 64)
    assert (recipe.objective, recipe.assignment, recipe.inputs) == ("jsd", "soft", "bands")
