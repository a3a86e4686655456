"""Whole images from files to scores, by the command line."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iic_tf.cli import main
from iic_tf.training.recipe_files import load_recipe
from iic_tf.training.run import Run

SMALL = ["--recipe", "images", "--classes", "2", "--epochs", "2", "--steps", "4", "--batch", "8"]
SMALL += ["--width", "0.1", "--set", "network=B", "--set", "sub_heads=2", "--set", "side=24"]
VIEW = "{crops: [16], size: 16}"
SMALL += ["--set", f"x={VIEW}", "--set", f"gx={VIEW}", "--set", "inputs=bands"]
SHORT = ["--epochs", "1", "--steps", "2", "--set", "turns=[both]"]


@pytest.fixture(scope="module")
def images(tmp_path_factory) -> Path:
    """Bright and dark stripes, across and along, in two folders."""
    tmp_path = tmp_path_factory.mktemp("stripes")
    rng = np.random.default_rng(0)
    for name, turned in (("across", False), ("along", True)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(12):
            stripes = np.tile(np.arange(32) // 4 % 2 * 200 + rng.integers(40), (32, 1))
            pixels = np.repeat((stripes.T if turned else stripes)[..., None], 3, -1)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


def train(images: Path, run: Path, *more: str) -> int:
    command = ["train", "--dataset", "images", "--data", str(images), "--out", str(run)]
    return main([*command, *SMALL, *more])


@pytest.fixture(scope="module")
def trained(images: Path, tmp_path_factory) -> tuple[Path, str]:
    """A run, only looked at, and what was said of it."""
    run = tmp_path_factory.mktemp("trained") / "run"
    with contextlib.redirect_stdout(io.StringIO()) as said:
        assert train(images, run) == 0
    return run, said.getvalue()


def test_train_and_evaluate(trained: tuple[Path, str], tmp_path: Path, capsys) -> None:
    whole, shown = trained
    run = tmp_path / "run"
    shutil.copytree(whole, run)
    assert "24 images of 24×24, 3 channels, labels used for scores only" in shown
    assert "main -" in shown
    assert "of −0.69" in shown
    for name in ("best.keras", "metrics.csv", "pictures/losses.png", "pictures/main_shares.png"):
        assert (run / name).is_file(), name
    for name in ("confident.png", "bars.png", "joint.png", "circle.gif"):
        assert (run / "pictures" / name).is_file(), name
    assert str(whole / "pictures" / "confident.png") in shown
    with Image.open(run / "pictures" / "circle.gif") as film:
        assert film.n_frames == 3  # before the first epoch, and after each of two
    assert main(["evaluate", str(run), "--probe"]) == 0
    shown = capsys.readouterr().out
    assert "k-means on untrained features" in shown
    assert "the trunk's features" in shown
    assert "the best with labels, which nobody has" in shown
    for name in ("confident_matched.png", "bars_matched.png", "circle_truth.png"):
        assert (run / "pictures" / name).is_file(), name
        assert name in shown
    found = json.loads((run / "evaluation.json").read_text())
    assert found["probe"]["images"] == 24
    assert list(found["probe"]["linear"]) == ["features"]
    assert "clusters" not in found["probe"]
    baselines = found["baselines"]
    assert set(baselines) == {"kmeans", "kmeans_features", "untrained"}
    for row in (found, *baselines.values()):
        assert {"accuracy", "mean_iou", "nmi", "ari"} <= set(row)
        assert {"accuracy", "mean_iou", "nmi", "ari"} <= set(row["overclustering"])
    own = found["sub_heads"]
    assert own["losses"][found["sub_head"]] == min(own["losses"])
    assert own["accuracies"][found["sub_head"]] == found["accuracy"]
    assert found["images"] == 24
    # Stripes across and along are told apart by any pixel of two.
    assert baselines["kmeans"]["accuracy"] == 1.0


def test_a_run_can_be_had_again(images: Path, trained: tuple[Path, str], tmp_path: Path) -> None:
    assert train(images, tmp_path / "run") == 0
    losses = []
    for run in (trained[0], tmp_path / "run"):
        rows = (run / "metrics.csv").read_text().splitlines()[1:]
        losses.append([row.split(",")[2] for row in rows])
    assert len(losses[0]) == 2
    assert losses[0] == losses[1]


def test_without_an_overclustering_head(images: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    few = ["--epochs", "1", "--set", "overclustering=false", "--set", "turns=[main]"]
    assert train(images, run, *few) == 0
    assert main(["evaluate", str(run)]) == 0
    found = json.loads((run / "evaluation.json").read_text())
    assert "overclustering" not in found
    assert "overclustering_loss" not in (run / "metrics.csv").read_text()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--classes", "1"], "classes >= 2"),
        (["--set", "network=D"], "one of A, B"),
        (["--set", "x={crops: [99], size: 16}"], "crops within"),
        (["--set", "x={crops: [16], size: 20}"], "views of one size"),
        (["--set", "radius=3"], "a setting among"),
        (["--set", "overclustering=false"], "turns made of main"),
    ],
)
def test_wrong_values_are_named_before_anything_is_written(
    images: Path, tmp_path: Path, capsys, more: list[str], said: str
) -> None:
    assert train(images, tmp_path / "run", *more) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_missing_data_set_says_what_to_fetch(tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("TFDS_DATA_DIR", str(tmp_path))
    assert main(["train", "--dataset", "mnist", "--out", str(tmp_path / "run")]) == 2
    said = capsys.readouterr().err
    assert "train-images-idx3-ubyte" in said
    assert "--data" in said
    assert not (tmp_path / "run").exists()


def test_images_without_classes_cannot_be_scored(images: Path, tmp_path: Path, capsys) -> None:
    run = tmp_path / "run"
    assert train(images / "across", run, *SHORT) == 0
    assert main(["evaluate", str(run)]) == 2
    assert "Expected images with labels" in capsys.readouterr().err


def test_predict_and_export(images, trained: tuple[Path, str], tmp_path: Path, capsys) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained[0], run)
    for head in ([], ["--overclusters"]):
        assert main(["predict", str(run), str(images), "--out", str(out), *head]) == 0
        assert "labelled 24 images: cluster" in capsys.readouterr().out
        assert sorted(p.name for p in out.iterdir()) == ["predictions.csv", "sheet.png"]
    for form in ("savedmodel", "onnx"):
        assert main(["export", str(run), "--format", form]) == 0
    assert "labels: int32 [batch]" in capsys.readouterr().out
    assert (run / "export" / "savedmodel" / "1" / "saved_model.pb").is_file()
    assert (run / "export" / "model.onnx").is_file()


@pytest.mark.parametrize(
    ("name", "network", "overclusters", "classes", "pairs", "turns"),
    [
        ("mnist", "B", 50, 10, 700, 3),
        ("cifar10", "A", 70, 10, 660, 3),
        ("cifar100-20", "A", 140, 20, 1000, 2),
        ("stl10", "A", 70, 10, 700, 2),
    ],
)
def test_published_values(
    name: str, network: str, overclusters: int, classes: int, pairs: int, turns: int
) -> None:
    recipe = load_recipe(name)
    assert (recipe.network, recipe.overclusters, recipe.classes) == (network, overclusters, classes)
    assert recipe.batch * recipe.repeats == pairs
    assert (recipe.rate, recipe.sub_heads, len(recipe.turns)) == (1e-4, 5, turns)


def test_collapse_is_warned_of(images: Path, tmp_path: Path, capsys) -> None:
    """Below λ = 1/2 nothing is worth more than one cluster for everything."""
    more = ["--set", "lamb=0", "--set", "turns=[main]", "--rate", "0.01", "--epochs", "4"]
    assert train(images, tmp_path / "run", *more) == 0
    shown = capsys.readouterr().out
    assert "warning: one cluster of the main head holds" in shown
    assert "(collapse). A larger lamb" in shown


@pytest.mark.parametrize(
    "more",
    [["--precision", "bfloat16", "--micro-batches", "2"], ["--jit"], ["--precision=float16"]],
)
def test_options_of_how_steps_are_computed(images: Path, tmp_path: Path, more: list[str]) -> None:
    assert train(images, tmp_path / "run", *SHORT, *more) == 0
    model = Run.open(tmp_path / "run").load_best()
    assert model.micro_batches == (2 if "2" in more else 1)
    assert model.jit_compile == ("--jit" in more)
    expected = {"--jit": "float32", "--precision=float16": "float16"}.get(more[0], "bfloat16")
    assert model.compute_dtype == expected
    assert all(w.dtype in ("float32", "int32") for w in model.weights)
