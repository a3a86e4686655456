"""What exports say of themselves, and the smaller forms of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from image_files import gdal_tiff, save
from rasterio import Affine
from rasterio.control import GroundControlPoint
from test_infoseg_windows import served_infoseg
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.data.array_scene import from_arrays
from iic_tf.data.folder import load_folder
from iic_tf.data.ground_size import ground_size, pixel_size
from iic_tf.errors import InputError
from iic_tf.export import onnx_file, savedmodel
from iic_tf.export.check import check, check_windows
from iic_tf.export.export import export
from iic_tf.export.form import Form
from iic_tf.export.model_card import card_path
from iic_tf.export.servable import ExportError
from iic_tf.export.served_run import load_served
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.methods.iic import IICSegmentation
from iic_tf.training.run import Run
from iic_tf.training.tasks.segmentation import SegmentationTask

SMALL = Form("uint8", labels_only=True)
CLASSES = """
head: main
classes:
  water: {number: 7, show: "#0000ff", clusters: [1]}
  strasse: {number: 3, show: "#808080", clusters: [0, 2]}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """With named classes and whatever else a training writes."""
    made = make_run(tmp_path_factory.mktemp("named"), downscale=2, inputs="bands+sobel")
    config = made.config()
    config["source"]["bands"] = "B04, B03,B02"
    config |= {
        "data": {"images": {"sha256": "0f" * 32}},
        "versions": {"iic_tf": "0.0.9", "keras": "3"},
        "resolution": 0.6,
    }
    made.config_file.write_text(json.dumps(config))
    made.classes_file.write_text(CLASSES)
    return made


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both formats in the smallest form, and the lines that were shown."""
    out, said = tmp_path_factory.mktemp("exported"), []
    return {
        "onnx": export(run, "onnx", out / "m.onnx", say=said.append, form=SMALL),
        "savedmodel": export(run, "savedmodel", out / "1", say=said.append, form=SMALL),
        "said": said,
    }


def metadata(path: Path) -> dict[str, str]:
    return {p.key: p.value for p in onnx.load(path).metadata_props}


def test_what_exports_say_of_themselves(run: Run, exported: dict[str, Any]) -> None:
    beside = exported["onnx"].with_name("m.json")
    within = exported["savedmodel"] / "assets.extra" / "model.json"
    card = json.loads(beside.read_text())
    assert card == json.loads(within.read_text())
    assert f"  more    {beside}, metadata" in exported["said"]
    assert f"  more    {within}" in exported["said"]
    # In the order of probabilities, which the file has.
    assert card["classes"] == [
        {"number": 7, "name": "water", "colour": "#0000ff"},
        {"number": 3, "name": "strasse", "colour": "#808080"},
    ]
    assert card["bands"] == [
        {"name": name, "low": 0, "high": 255} for name in ("B04", "B03", "B02")
    ]
    served = load_served(run)
    assert (card["margin"], card["align"]) == (served.margin, served.align)
    tiles = f"multiples of {served.align} pixels and show {served.margin} or more"
    assert sum(tiles in line for line in exported["said"]) == 2
    assert "  ground  trained on pixels of 0.6 m" in exported["said"]
    assert (card["resolution"], card["whole_scene"]) == (0.6, False)
    assert (card["input"], card["outputs"]) == ({"pixels": "uint8"}, {"labels": "int16"})
    # Whole numbers have no NaN.
    assert card["no_data"] is None
    assert card["made_by"].startswith("iic-tf ")
    assert [card[k] for k in ("task", "answers", "method")] == ["segmentation", "classes", "iic"]
    assert [card[k] for k in ("seed", "data", "data_set")] == [0, "0f" * 32, "folder"]
    assert card["versions"] == {"iic_tf": "0.0.9", "keras": "3"}
    assert card["trained"][:2] == "20"
    assert card["trained"][10] == "T"

    told = metadata(exported["onnx"])
    assert set(told) == {name for name, value in card.items() if value is not None}
    assert told["recipe"] == card["recipe"]
    for name, text in told.items():
        assert (text if isinstance(card[name], str) else json.loads(text)) == card[name]


def test_both_smaller_forms_are_keras_labels(run: Run, exported: dict[str, Any]) -> None:
    served = load_served(run)
    pixels = np.random.default_rng(1).integers(0, 256, (2, 19, 41, 3)).astype(np.uint8)
    wanted = np.asarray(served(pixels.astype(np.float32))["labels"])
    assert set(np.unique(wanted)) == {3, 7}
    for format in (onnx_file, savedmodel):
        kind = format.__name__.rpartition(".")[2].partition("_")[0]
        found = format.runner(exported[kind])(pixels)
        assert list(found) == ["labels"]
        assert found["labels"].dtype == np.int16
        assert (found["labels"] == wanted).mean() > 0.999
    assert exported["said"].count("labels that differ from the Keras model's: 0 %") == 2


def test_each_form_alone(tmp_path: Path) -> None:
    run = make_run(tmp_path, high=60000.0)
    served = load_served(run)
    rng = np.random.default_rng(0)
    short = rng.integers(0, 65536, (1, 20, 33, 3)).astype(np.uint16)
    mine = served(short.astype(np.float32))
    command = ["export", str(run.folder), "--format", "onnx", "--overwrite"]
    assert main([*command, "--uint16"]) == 0
    path = run.folder / "export" / "model.onnx"
    theirs = onnx_file.runner(path)(short)
    np.testing.assert_allclose(theirs["probabilities"], mine["probabilities"], atol=1e-5)
    assert theirs["labels"].dtype == np.int32
    told = metadata(path)
    assert "no_data" not in told
    assert json.loads(told["input"]) == {"pixels": "uint16"}

    # Labels alone of floats: NaN is no data still, and colours that were never named are clusters'.
    path = export(run, "savedmodel", say=str, form=Form(labels_only=True))
    pixels = short.astype(np.float32)
    pixels[0, 3, 4, 1] = np.nan
    labels = savedmodel.runner(path)(pixels)["labels"]
    assert labels[0, 3, 4] == -1
    assert (labels == np.asarray(served(pixels)["labels"])).mean() > 0.99
    card = json.loads((path / "assets.extra" / "model.json").read_text())
    assert (card["no_data"], card["answers"]) == (-1, "main")
    assert [c["name"] for c in card["classes"]] == [f"cluster {k}" for k in range(3)]
    assert [b["name"] for b in card["bands"]] == ["1", "2", "3"]
    # Older runs kept neither a ground size nor a digest.
    assert [card[name] for name in ("resolution", "data", "versions")] == [None] * 3

    # The command: one kind of integers, which must hold the values.
    assert main([*command, "--uint8"]) == 2
    assert main([*command, "--uint8", "--uint16"]) == 2
    fractions = make_run(tmp_path / "fractions", high=1.0)
    with pytest.raises(InputError, match=r"whole numbers from 0 to 255 for --uint8.*0 to 1"):
        export(fractions, "onnx", form=Form("uint8"))
    with pytest.raises(InputError, match="uint8, uint16"):
        Form("int8")


def test_whole_images(tmp_path: Path) -> None:
    run = make_clustering_run(tmp_path)
    path = export(run, "savedmodel", say=str, form=SMALL)
    card = json.loads((path / "assets.extra" / "model.json").read_text())
    assert (card["task"], card["size"], card["data_set"]) == ("clustering", 24, "images")
    assert not {"margin", "align", "resolution", "no_data"} & set(card)
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 3, 3)).astype(np.uint8)
    images = images.repeat(8, 1).repeat(8, 2)
    wanted = load_served(run)(images.astype(np.float32))["labels"]
    assert len(np.unique(wanted)) > 1
    np.testing.assert_array_equal(savedmodel.runner(path)(images)["labels"], wanted)
    with pytest.raises(InputError, match="--uint16"):
        export(run, "onnx", form=Form("uint16"))


def test_windows_of_a_scene_likewise(tmp_path: Path) -> None:
    served = served_infoseg()
    model = onnx_file.convert_window(served, SMALL)
    assert [v.name for v in model.graph.output] == ["labels", "own_sums"]
    onnx.save(model, tmp_path / "model.window.onnx")
    run = onnx_file.window_runner(tmp_path / "model.window.onnx")
    assert check_windows(run, served, SMALL) < 1e-3
    wrong = Wrong(served.model, served.low, served.high)
    with pytest.raises(ExportError, match=r"labels; received \d+ others"):
        check_windows(run, wrong, SMALL)


class Wrong(ServedSegmenter):
    """Answers with other labels than the graph that was written."""

    def __call__(self, pixels: Any) -> dict[str, Any]:
        found = super().__call__(pixels)
        return {**found, "labels": (found["labels"] + 1) % 3}


def test_the_check_tells_wrong_labels_alone(tmp_path: Path) -> None:
    good = load_served(make_run(tmp_path))

    def exported(pixels: Any) -> dict[str, Any]:
        assert pixels.dtype == np.uint8
        return {"labels": np.asarray(good(pixels.astype(np.float32))["labels"]).astype(np.int16)}

    assert check(exported, good, SMALL) == 0
    with pytest.raises(ExportError, match=r"labels; received \d+ others"):
        check(exported, Wrong(good.model, good.low, good.high), SMALL)
    with pytest.raises(ExportError, match="Expected outputs labels, probabilities of the"):
        check(exported, good, Form("uint8"))


def test_a_file_of_something_else_is_not_replaced(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    before = run.config_file.read_bytes()
    with pytest.raises(InputError, match=r"config\.json, which is something else"):
        export(run, "onnx", run.folder / "config.onnx", overwrite=True)
    assert run.config_file.read_bytes() == before
    assert card_path(Path("a/m.json")) == Path("a/m.json.json")


def test_the_ground_size_of_a_pixel(tmp_path: Path) -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    gdal_tiff(tmp_path / "a.tif", image)
    # UTM is 0.9996 of the ground in the middle of its zone.
    size = ground_size(load_folder(tmp_path))
    assert size == pytest.approx(0.5 / 0.9996, rel=1e-4)
    # What a training keeps of its data.
    recipe = IICSegmentation().replaced(crop=16, radius=2)
    task = SegmentationTask(recipe, {"dataset": "folder", "data": str(tmp_path)})
    assert task.data_config()["resolution"] == size

    def of(**place: Any) -> float | None:
        gdal_tiff(tmp_path / "b.tif", image, **place)
        return pixel_size(tmp_path / "b.tif", 20, 30)

    feet = Affine(0.5, 0, 984_250, 0, -0.5, 200_000)
    assert of(crs="EPSG:2263", transform=feet) == pytest.approx(0.5 * 1200 / 3937, rel=1e-3)
    # At 60° north a degree of longitude is half as long, but for the ellipsoid.
    degrees = Affine(1e-5, 0, 10, 0, -1e-5, 60)
    square = np.sqrt(111_412 * 55_800) * 1e-5
    assert of(crs="EPSG:4326", transform=degrees) == pytest.approx(square, rel=1e-3)
    # There Web Mercator is twice as large.
    web = Affine(1, 0, 1e6, 0, -1, 8_399_738)
    assert of(crs="EPSG:3857", transform=web) == pytest.approx(0.5, rel=5e-3)
    beyond = Affine(1, 0, 1e30, 0, -1, 5e6)
    assert of(transform=beyond) is None
    corners = [(0, 0), (0, 30), (20, 0), (20, 30)]
    points = [GroundControlPoint(r, c, 5e5 + 2 * c, 5e6 - 2 * r, 0) for r, c in corners]
    assert of(gcps=points) == pytest.approx(2, rel=1e-3)
    points = [*points[:3], GroundControlPoint(20, 30, 5e5 + 500, 5e6, 0)]
    assert of(gcps=points) is None
    save(tmp_path / "none.tif", image)
    assert pixel_size(tmp_path / "none.tif", 20, 30) is None
    assert ground_size(from_arrays([image])) is None
