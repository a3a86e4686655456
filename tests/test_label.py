"""iic-tf label end to end: masks, points, names by hand, groups, a classifier."""

from __future__ import annotations

import csv
import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
import yaml
from PIL import Image
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.export.served_run import load_served
from iic_tf.training import labelled
from iic_tf.training.answer import answer_of
from iic_tf.training.fine_tune import Tuning, fine_tune
from iic_tf.training.fine_tune_images import fine_tune_images
from iic_tf.training.run import Run


def squares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An image of dark and bright parts and which they are."""
    coarse = rng.integers(0, 2, (6, 8))
    mask = coarse.repeat(10, 0).repeat(10, 1)
    noise = rng.integers(0, 60, (*mask.shape, 3))
    return (mask[..., None] * 180 + noise).astype(np.uint8), mask.astype(np.uint8)


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("label")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(4):
        image, mask = squares(rng)
        Image.fromarray(image).save(folder / f"images/{i}.png")
        Image.fromarray(mask).save(folder / f"masks/{i}.png")
    run = make_run(folder, overclusters=6, classes=3, crop=32, batch=4, evaluation_steps=2)
    config = run.config()
    config["source"] = {"dataset": "folder", "data": str(folder / "images")}
    run.config_file.write_text(json.dumps(config))
    return run


@pytest.fixture
def run(shared_run: Run) -> Run:
    shared_run.classes_file.unlink(missing_ok=True)
    return shared_run


def masks_of(run: Run) -> list[str]:
    return ["--masks", str(run.folder.parent / "masks")]


def labels(run: Run, number: int = 0) -> np.ndarray:
    pixels = np.asarray(Image.open(run.folder.parent / f"images/{number}.png"), np.float32)
    return np.asarray(load_served(run)(pixels[None])["labels"])[0]


def test_without_labels_the_clusters_and_their_tree_are_shown(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(run.folder), "--suggest", "3"]) == 0
    said = capsys.readouterr().out
    assert "6 clusters of the overclustering head" in said
    assert "nothing is named" in said
    with Image.open(run.pictures / "tree.png") as image:
        assert image.size[0] > 500
    assert not run.classes_file.exists()
    with (run.folder / "suggestions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    assert {r["class"] for r in rows} == {""}
    row = rows[0]
    found = answer_of(run, "overclusters").served
    pixels = np.asarray(Image.open(run.folder.parent / f"images/{row['image']}.png"), np.float32)
    label = np.asarray(found(pixels[None])["labels"])[0, int(row["row"]), int(row["column"])]
    assert label == int(row["cluster"])


def test_masks_name_the_clusters_for_good(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label", str(run.folder), *masks_of(run), "--labelled", "3"]) == 0
    said = capsys.readouterr().out
    assert "labels of 3 of 4 images" in said
    assert "expected accuracy" in said
    classes = yaml.safe_load(run.classes_file.read_text())
    named = {c for one in classes["classes"].values() for c in one["clusters"]}
    assert named == set(range(6))
    # Named by most of the labelled pixels: of three images, counted here by hand.
    known = json.loads(run.naming_file.read_text())
    counts = np.zeros((2, 6), int)
    over = answer_of(run, "overclusters").served
    for name in known["images"]:
        pixels = np.asarray(Image.open(run.folder.parent / f"images/{name}.png"), np.float32)
        truth = np.asarray(Image.open(run.folder.parent / f"masks/{name}.png"))
        found = np.asarray(over(pixels[None])["labels"])[0]
        np.add.at(counts, (truth, found), 1)
    assert counts.tolist() == known["counts"]
    for index, one in enumerate(classes["classes"].values()):
        for cluster in set(one["clusters"]) - set(classes.get("guessed", [])):
            assert counts[index, cluster] == counts[:, cluster].max()
    # The model's answer is the sum of a class's clusters.
    pixels = np.asarray(Image.open(run.folder.parent / "images/0.png"), np.float32)[None]
    mine = np.asarray(load_served(run)(pixels)["probabilities"])
    parts = np.asarray(over(pixels)["probabilities"])
    for index, one in enumerate(classes["classes"].values()):
        summed = parts[..., one["clusters"]].sum(-1)
        np.testing.assert_allclose(mine[..., index], summed, atol=1e-6)


def test_edited_names_and_numbers_count(run: Run, tmp_path: Path) -> None:
    assert main(["label", str(run.folder), *masks_of(run)]) == 0
    (tmp_path / "mine.yaml").write_text(
        "classes:\n  night: {number: 7, show: '#000001', clusters: [0, 1]}\n"
        "  day: {number: 2, show: '#fffffe', clusters: [5]}\n"
    )
    assert main(["label", str(run.folder), "--names", str(tmp_path / "mine.yaml")]) == 0
    classes = yaml.safe_load(run.classes_file.read_text())
    assert classes["guessed"] == [2, 3, 4]
    assert set(np.unique(labels(run))) <= {7, 2}
    assert (
        main(
            [
                "predict",
                str(run.folder),
                str(run.folder.parent / "images"),
                "--out",
                str(tmp_path / "found"),
            ]
        )
        == 0
    )
    legend = json.loads((tmp_path / "found/legend.json").read_text())
    assert {n: {k: one[k] for k in ("name", "colour")} for n, one in legend.items()} == {
        "2": {"name": "day", "colour": "#fffffe"},
        "7": {"name": "night", "colour": "#000001"},
    }
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "found/0_labels.png")), labels(run)
    )


@pytest.mark.parametrize("count", [2, 4, 6])
def test_any_number_of_groups(run: Run, count: int) -> None:
    answer = answer_of(run, classes=count)
    assert answer.served.model.classes == count
    pixels = np.asarray(Image.open(run.folder.parent / "images/0.png"), np.float32)[None]
    over = np.asarray(answer_of(run, "overclusters").served(pixels)["probabilities"])
    tree = json.loads(run.tree_file.read_text())
    assert len(tree["merges"]) == 5
    found = np.asarray(answer.served(pixels)["probabilities"])
    np.testing.assert_allclose(found.sum(-1), over.sum(-1), atol=1e-6)
    if count == 6:
        np.testing.assert_array_equal(found, over)


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_a_tiff_holds_names_and_colours(run: Run, tmp_path: Path) -> None:
    assert main(["label", str(run.folder), *masks_of(run)]) == 0
    text = (
        run.classes_file.read_text()
        .replace("class 0", "Straße: alt")
        .replace("number: 1", "number: 9")
    )
    run.classes_file.write_text(text)
    pixels = np.asarray(Image.open(run.folder.parent / "images/0.png"))
    tifffile.imwrite(tmp_path / "a.tif", pixels)
    out = tmp_path / "found"
    assert main(["predict", str(run.folder), str(tmp_path / "a.tif"), "--out", str(out)]) == 0
    with rasterio.open(out / "a_labels.tif") as file:
        assert file.tags(1) == {"CLASS_0": "Straße: alt", "CLASS_9": "class 1"}
        colours = file.colormap(1)
        np.testing.assert_array_equal(file.read(1), labels(run))
    legend = json.loads((out / "legend.json").read_text())
    for number, one in legend.items():
        assert "#" + bytes(colours[int(number)][:3]).hex() == one["colour"]


def test_points_and_a_linear_classifier(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(1)
    lines = ["image,row,column,class"]
    for i in range(4):
        mask = np.asarray(Image.open(run.folder.parent / f"masks/{i}.png"))
        for _ in range(30):
            row, column = int(rng.integers(60)), int(rng.integers(80))
            lines.append(f"{i},{row},{column},{('dark', 'bright')[mask[row, column]]}")
    (tmp_path / "points.csv").write_text("\n".join(dict.fromkeys(lines)))
    given = ["label", str(run.folder), "--points", str(tmp_path / "points.csv")]
    assert main(given) == 0
    assert main([*given, "--head", "linear"]) == 0
    classes = yaml.safe_load(run.classes_file.read_text())
    assert classes["head"] == "linear"
    names = list(classes["classes"])
    truth = np.asarray(Image.open(run.folder.parent / "masks/1.png"))
    wanted = np.where(truth == 1, names.index("bright"), names.index("dark"))
    assert (labels(run, 1) == wanted).mean() > 0.9
    # Names are of this very classifier.
    old = tmp_path / "old.yaml"
    old.write_text(run.classes_file.read_text())
    assert main(["label", str(run.folder), *masks_of(run), "--head", "linear"]) == 0
    assert main(["label", str(run.folder), "--names", str(old)]) == 2
    assert "another model" in capsys.readouterr().err
    # Exports are checked against it, and hold it.
    assert (
        main(["export", str(run.folder), "--format", "onnx", "--out", str(tmp_path / "m.onnx")])
        == 0
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--classes", "7"], "2 to 6 classes"),
        (["--classes", "1"], "2 to 6 classes"),
        (["--classes", "3", "--head", "main"], "not both"),
        (["--head", "classes"], "Name them first"),
        (["--head", "main", "--overclusters"], "one of --head and --overclusters"),
    ],
)
def test_what_predict_refuses(
    run: Run, tmp_path: Path, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    images = str(run.folder.parent / "images")
    assert main(["predict", str(run.folder), images, "--out", str(tmp_path / "o"), *options]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model: abc\nclasses: {a: {clusters: [0]}, b: {clusters: [1]}}", "another model (abc)"),
        ("classes: {a: {clusters: [0]}, b: {clusters: [6]}}", "clusters 0 to 5"),
        ("classes: {a: {}, b: {}}", "at least one cluster"),
        ("head: linear\nclasses: {a: {clusters: [0]}, b: {clusters: [1]}}", "received none"),
    ],
)
def test_names_that_do_not_fit_change_nothing(
    run: Run, tmp_path: Path, text: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert main(["label", str(run.folder), "--names", str(tmp_path / "mine.yaml")]) == 2
    assert message in capsys.readouterr().err
    assert not run.classes_file.exists()


def test_names_of_a_model_that_was_trained_on_since_are_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run.classes_file.write_text(
        'model: "000000000000"\nclasses: {a: {clusters: [0]}, b: {clusters: [1, 2, 3, 4, 5]}}'
    )
    given = ["predict", str(run.folder), str(run.folder.parent / "images"), "--out", "x"]
    assert main(given) == 2
    assert "trained on since" in capsys.readouterr().err
    assert main([*given[:-1], str(tmp_path / "main"), "--head", "main"]) == 0


def test_whole_images_likewise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_clustering_run(tmp_path, batch=4, evaluation_steps=2)
    rng = np.random.default_rng(0)
    for kind, bright in (("dark", 0), ("light", 150)):
        (tmp_path / "things" / kind).mkdir(parents=True)
        for i in range(5):
            pixels = rng.integers(0, 100, (24, 24, 3)) + bright
            path = tmp_path / "things" / kind / f"{i}.png"
            Image.fromarray(pixels.astype(np.uint8)).save(path)
    config = run.config()
    config["source"] = {"dataset": "images", "data": str(tmp_path / "things")}
    run.config_file.write_text(json.dumps(config))
    (run.metrics_file).write_text(
        "epoch,best,main_loss,main_loss_0,main_loss_1,overclustering_loss_0,"
        "overclustering_loss_1\n1,1,-1,-0.5,-1,-1,-0.5\n"
    )
    given = ["label", str(run.folder)]
    assert main([*given, "--suggest", "2", "--page"]) == 0
    assert "linear classifier" in capsys.readouterr().out
    assert (run.folder / "suggestions.csv").read_text().startswith("image,class,cluster,reason")
    assert "dark" in (run.folder / "label.html").read_text()
    assert main([*given, "--head", "linear"]) == 0
    out = tmp_path / "found"
    assert main(["predict", str(run.folder), str(tmp_path / "things"), "--out", str(out)]) == 0
    with (out / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [r["name"] for r in rows] == [r["file"].split("/")[0] for r in rows]

    short = Tuning(steps=6, batch=4, head_rate=1e-2)
    tune = partial(fine_tune_images, tuning=short, folds=2)
    monkeypatch.setattr(labelled, "fine_tune_images", tune)
    assert main([*given, "--fine-tune"]) == 0
    assert "fine-tuned for 6 steps" in capsys.readouterr().out
    served = load_served(run)
    moved = zip(served.model.model.trunk.weights, run.load_best().trunk.weights, strict=True)
    assert max(float(np.abs(a.numpy() - b.numpy()).max()) for a, b in moved) > 0
    assert main(["predict", str(run.folder), str(tmp_path / "things"), "--out", str(out)]) == 0


def test_the_trunk_is_trained_on_with_labels(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    short = Tuning(steps=4, batch=2, crop=16)
    monkeypatch.setattr(labelled, "fine_tune", partial(fine_tune, tuning=short, folds=2))
    before = run.best.read_bytes()
    assert main(["label", str(run.folder), *masks_of(run), "--fine-tune"]) == 0
    assert "fine-tuned 0." in capsys.readouterr().out
    assert yaml.safe_load(run.classes_file.read_text())["head"] == "fine-tuned"
    assert run.best.read_bytes() == before
    truth = np.asarray(Image.open(run.folder.parent / "masks/1.png"))
    assert (labels(run, 1) == truth).mean() > 0.9
    # Only its own features fit its head.
    given = ["predict", str(run.folder), str(run.folder.parent / "images")]
    run.fine_tuned.write_bytes(before)
    assert main([*given, "--out", str(tmp_path / "o")]) == 2
    assert "received another one" in capsys.readouterr().err
    run.fine_tuned.unlink()
    assert main([*given, "--out", str(tmp_path / "o")]) == 2
    assert "Fine-tune anew" in capsys.readouterr().err
