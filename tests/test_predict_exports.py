"""Predicting with exports, whose labels are those of the run's own prediction."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rasterio
from PIL import Image
from rasterio import Affine
from test_infoseg_windows import served_infoseg
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.export import exported_model, labelling, onnx_file, savedmodel
from iic_tf.export.export import export
from iic_tf.export.exported_model import find_export
from iic_tf.export.form import Form
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.labelling import Labelling
from iic_tf.export.open_model import open_scene_model
from iic_tf.export.predict import predict
from iic_tf.training import whole_scene
from iic_tf.training.run import Run

CLASSES = """
head: main
classes:
  water: {number: 7, show: "#0000ff", clusters: [1]}
  strasse: {number: 3, show: "#808080", clusters: [0, 2]}
"""
MAPS = ("confidence.tif", "probabilities.tif")


def blocks(height: int, width: int, channels: int, seed: int = 0) -> Any:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(1, 256, (-(-height // 9), -(-width // 9), channels))
    image = coarse.repeat(9, 0).repeat(9, 1)[:height, :width]
    return np.clip(image + rng.normal(0, 20, image.shape), 1, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of bands 3 and 1 with named classes, its exports, a scene and what it predicts."""
    folder = tmp_path_factory.mktemp("exports")
    run = make_run(folder, channels=2, downscale=2, inputs="bands+sobel")
    config = run.config()
    config["source"]["bands"] = "3,1"
    run.config_file.write_text(json.dumps(config))
    run.classes_file.write_text(CLASSES)
    pixels = blocks(120, 150, 3)
    pixels[:, :40] = 0
    pixels[50:52, 90:95] = 0
    (folder / "scenes").mkdir()
    with rasterio.open(
        folder / "scenes/a.tif",
        "w",
        width=150,
        height=120,
        count=3,
        dtype="uint8",
        nodata=0,
        crs="EPSG:32633",
        transform=Affine(2, 0, 5e5, 0, -2, 5e6),
    ) as file:
        file.write(pixels.transpose(2, 0, 1))
    (folder / "list.txt").write_text("# the one\nscenes/a.tif\n")
    for kind in ("savedmodel", "onnx"):
        export(run, kind, say=lambda line: None)
    predict(run, folder / "scenes", folder / "own", confidence=True, probabilities=True)
    return folder


def values(folder: Path, part: str) -> Any:
    with rasterio.open(folder / f"a_{part}") as file:
        return file.read().astype(int)


@pytest.mark.parametrize("name", ["model.onnx", "savedmodel", "savedmodel/1"])
def test_all_files_are_those_of_the_run(
    place: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Many windows, of which there was one.
    monkeypatch.setattr(labelling, "CORE", 48)
    words = ["predict", str(place / "run/export" / name), str(place / "list.txt")]
    assert main([*words, "--out", str(tmp_path), "--confidence", "--probabilities"]) == 0
    own = place / "own"
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(p.name for p in own.iterdir())
    labels = values(own, "labels.tif")
    assert set(np.unique(labels)) == {3, 7, 255}
    np.testing.assert_array_equal(values(tmp_path, "labels.tif"), labels)
    for part in MAPS:
        mine, theirs = values(own, part), values(tmp_path, part)
        np.testing.assert_array_equal(mine == 255, theirs == 255)
        # Percents are rounded, of probabilities that differ by less than a ten thousandth.
        assert np.abs(mine - theirs).max() <= 1
        assert (mine != theirs).mean() < 0.01
    for part in ("areas.csv", "legend.json", "a_labels.qml"):
        assert (tmp_path / part).read_text() == (own / part).read_text()
    with rasterio.open(tmp_path / "a_labels.tif") as file:
        assert file.tags(1)["CLASS_7"] == "water"
        assert file.colormap(1)[7] == (0, 0, 255, 255)
        assert (file.crs.to_epsg(), file.transform) == (32633, Affine(2, 0, 5e5, 0, -2, 5e6))


@pytest.mark.parametrize("name", ["model.onnx", "savedmodel"])
def test_probabilities_to_a_ten_thousandth(place: Path, name: str) -> None:
    run = Run.open(place / "run")
    one, other = (
        open_scene_model(source, probabilities=True)
        for source in (run, place / "run/export" / name)
    )
    seen = blocks(61, 75, 2, seed=3).astype(np.float32)
    seen[:9] = np.nan
    mine, theirs = one.predictor.maps(seen), other.predictor.maps(seen)
    np.testing.assert_array_equal(mine[0], theirs[0])
    np.testing.assert_allclose(mine[1], theirs[1], atol=1e-4)
    assert (theirs[0][:9] == 255).all()
    assert (other.low.tolist(), other.high.tolist()) == (one.low.tolist(), one.high.tolist())
    assert other.bands == "3,1"


def test_of_versions_the_highest_counts(place: Path, tmp_path: Path) -> None:
    for version in ("2", "10", "notes"):
        (tmp_path / version).mkdir()
    for version in ("2", "10"):
        (tmp_path / version / "saved_model.pb").write_bytes(b"")
    assert find_export(tmp_path) == tmp_path / "10"
    assert find_export(tmp_path / "2") == tmp_path / "2"
    assert find_export(place / "run") is None
    assert find_export(tmp_path / "nowhere") is None
    assert (
        main(["predict", str(tmp_path), str(place / "scenes"), "--out", str(tmp_path / "o")]) == 2
    )


@pytest.mark.parametrize("kind", ["onnx", "savedmodel"])
def test_whole_scenes(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of InfoSeg, whose labels depend on the scene as a whole."""
    served = served_infoseg()
    pixels = blocks(150, 190, served.model.channels, seed=2)
    bands = [
        {"name": str(i), "low": float(low), "high": float(high)}
        for i, (low, high) in enumerate(zip(served.low, served.high, strict=True), 1)
    ]
    card = {
        "task": "segmentation",
        "classes": [{"number": i, "name": f"c{i}", "colour": "#000000"} for i in range(3)],
        "bands": bands,
        "input": {"pixels": "float32"},
        "outputs": {"labels": "int32", "probabilities": "float32"},
        "margin": served.margin,
        "align": served.align,
        "whole_scene": True,
    }
    path = tmp_path / ("1" if kind == "savedmodel" else "model.onnx")
    write = savedmodel.export_savedmodel if kind == "savedmodel" else onnx_file.export_onnx
    write(served, path, card=card)
    monkeypatch.setattr(whole_scene, "CORE", 64)
    monkeypatch.setattr(labelling, "CORE", 64)
    scenes = from_arrays([pixels])
    found = []
    for predictor in (KerasPredictor(served), open_scene_model(path).predictor):
        made = Labelling(predictor, scenes, scenes.scenes[0])
        found.append(np.concatenate(list(made.strips())))
        np.testing.assert_allclose(
            predictor.sums(scenes.scenes[0]), KerasPredictor(served).sums(scenes.scenes[0]), 1e-4
        )
    assert len(np.unique(found[0])) == 3
    assert (found[0] != found[1]).mean() < 0.001
    if kind == "onnx":
        (tmp_path / "model.window.onnx").rename(tmp_path / "away.window.onnx")
        with pytest.raises(InputError, match=r"'model\.window\.onnx' beside .*received none"):
            open_scene_model(path)
        with pytest.raises(InputError, match=r"received .* with pixels, sums, core"):
            open_scene_model(tmp_path / "away.window.onnx")


def test_integers_leave_out_what_holds_no_data(place: Path, tmp_path: Path) -> None:
    model, said = tmp_path / "m.onnx", []
    form = Form("uint8", labels_only=True)
    export(Run.open(place / "run"), "onnx", model, form=form, say=lambda line: None)
    predict(model, place / "scenes", tmp_path / "out", say=said.append)
    assert any("cannot say that there is no data" in line for line in said)
    mine, theirs = values(place / "own", "labels.tif"), values(tmp_path / "out", "labels.tif")
    np.testing.assert_array_equal(mine == 255, theirs == 255)
    # Other labels stand beside the edge alone.
    assert (mine != theirs)[..., 80:].mean() < 0.01
    with pytest.raises(InputError, match=r"for --confidence and --probabilities; .*labels alone"):
        predict(model, place / "scenes", tmp_path / "o", confidence=True, probabilities=True)
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize("words", [["--head", "main"], ["--classes", "3"], ["--overclusters"]])
def test_an_export_has_one_answer(
    place: Path, words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = place / "run/export/model.onnx"
    told = main(
        ["predict", str(model), str(place / "scenes"), "--out", str(tmp_path / "o"), *words]
    )
    assert told == 2
    assert (
        "Expected no --head, --overclusters or --classes for an export" in capsys.readouterr().err
    )
    assert not (tmp_path / "o").exists()


def _without_card(place: Path, tmp_path: Path) -> Path:
    model = onnx.load(place / "run/export/model.onnx")
    kept = [p for p in model.metadata_props if p.key in ("task", "bands", "input", "outputs")]
    del model.metadata_props[:]
    model.metadata_props.extend(kept)
    onnx.save(model, tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


def _without_file(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place / "run/export/savedmodel/1", tmp_path / "1")
    (tmp_path / "1/assets.extra/model.json").unlink()
    return tmp_path / "1"


def _damaged(place: Path, tmp_path: Path) -> Path:
    shutil.copytree(place / "run/export/savedmodel/1", tmp_path / "1")
    file = tmp_path / "1/assets.extra/model.json"
    file.write_text(file.read_text().replace('"#0000ff"', '"blue"'))
    return tmp_path / "1"


@pytest.mark.parametrize(
    ("broken", "message"),
    [
        (
            _without_card,
            r"metadata lack classes, margin, align, whole_scene: .*Export the run anew",
        ),
        (_without_file, "metadata lack task, classes, bands, input, outputs: "),
        (_damaged, "where they do not fit: ValueError"),
        (lambda place, tmp: tmp / "no.onnx", "an ONNX file at .*no.onnx'; received nothing"),
        (lambda place, tmp: place / "list.txt", "an ONNX file, a SavedModel's folder, or one of"),
    ],
)
def test_what_says_too_little_is_refused(
    place: Path, tmp_path: Path, broken: Callable[[Path, Path], Path], message: str
) -> None:
    model = broken(place, tmp_path)
    with pytest.raises(InputError, match=message):
        predict(model, place / "scenes", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_whole_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_clustering_run(tmp_path)
    for number in range(6):
        (tmp_path / "in").mkdir(exist_ok=True)
        image = Image.fromarray(blocks(40 + number, 30, 3, seed=number))
        image.save(tmp_path / f"in/{number}.png")
    (tmp_path / "list.txt").write_text("".join(f"in/{n}.png\n" for n in range(6)))
    assert (
        main(["predict", str(run.folder), str(tmp_path / "in"), "--out", str(tmp_path / "own")])
        == 0
    )
    own = (tmp_path / "own/predictions.csv").read_text().splitlines()
    for kind, name in (("onnx", "model.onnx"), ("savedmodel", "savedmodel")):
        export(run, kind, say=lambda line: None)
        out = tmp_path / kind
        model = str(run.folder / "export" / name)
        assert main(["predict", model, str(tmp_path / "list.txt"), "--out", str(out)]) == 0
        found = (out / "predictions.csv").read_text().splitlines()
        assert (found[0], len(found)) == (own[0], 7)
        for mine, theirs in zip(own[1:], found[1:], strict=True):
            (name, label, *shares), (other, its, *others) = mine.split(","), theirs.split(",")
            assert (name, label) == (other, its)
            np.testing.assert_allclose([*map(float, shares)], [*map(float, others)], atol=1e-4)
        assert (out / "sheet.png").stat().st_size > 1000
    assert exported_model.load_export(run.folder / "export/model.onnx").card.background == "stored"
    capsys.readouterr()
    assert main(["predict", model, str(tmp_path / "in"), "--out", str(out), "--confidence"]) == 2
    assert "received --confidence" in capsys.readouterr().err
