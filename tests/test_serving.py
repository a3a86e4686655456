"""The serving kit: its client against TensorFlow Serving's protocols, and its files."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
import tensorflow as tf
import yaml
from google.protobuf import text_format
from image_files import patchy
from prediction_server import grpc_server, rest_server, savedmodel
from test_infoseg_windows import served_infoseg
from tiny_run import answering, make_clustering_run, make_run

from iic_tf.data.windows import windows as own_windows
from iic_tf.export import export as exporting
from iic_tf.export.client import ServingError, grpc_model, label_image, label_scene, rest_model
from iic_tf.export.client.__main__ import main as client_main
from iic_tf.export.client.messages import array, tensor
from iic_tf.export.client.scene import windows
from iic_tf.export.export import export
from iic_tf.export.form import Form
from iic_tf.export.served_run import load_served

pytest.importorskip("tensorflow_serving", reason="without tensorflow-serving-api's messages")


class Kit:
    """An exported kit: its folder, card, model and the run's own."""

    def __init__(self, run: Any, form: Form, served: Any = None):
        self.said: list[str] = []
        self.folder = export(run, "serving", say=self.said.append, form=form)
        self.card = json.loads((self.folder / "model.json").read_text())
        self.name = self.card["task"]
        self.version = self.folder / "models" / self.name / "1"
        self.model = savedmodel(str(self.version))
        self.served = served or load_served(run)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    return Kit(make_run(tmp_path_factory.mktemp("plain"), downscale=2, channels=4), Form())


@pytest.fixture(scope="module")
def small_kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Integers in, labels alone out."""
    run = make_run(tmp_path_factory.mktemp("small"), inputs="bands+sobel")
    return Kit(run, Form("uint8", labels_only=True))


@pytest.fixture(scope="module")
def whole_kit(tmp_path_factory: pytest.TempPathFactory) -> Kit:
    """Of a model whose labels depend on the scene as a whole."""
    served = served_infoseg()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporting, "answer_of", lambda *_: answering(served))
        return Kit(make_run(tmp_path_factory.mktemp("whole")), Form(), served)


def scene(height: int, width: int, bands: int) -> Any:
    """With a collar and a hole that hold no data."""
    pixels = patchy(height, width, bands).astype(np.float32)
    pixels[:, :37] = np.nan
    pixels[60:90, 100:120, 1] = np.nan
    return pixels


def keras_labels(kit: Kit, pixels: Any) -> Any:
    return np.asarray(kit.served(pixels[None].astype(np.float32))["labels"])[0]


@pytest.mark.parametrize("which", ["kit", "small_kit", "whole_kit"])
def test_clients_labels_are_keras_whatever_the_tiles(
    which: str, request: pytest.FixtureRequest
) -> None:
    kit = request.getfixturevalue(which)
    pixels = scene(163, 221, len(kit.card["bands"]))
    wanted = keras_labels(kit, pixels)
    if which == "small_kit":
        # Without NaN it is shown zeros there.
        filled = np.where(np.isfinite(pixels).all(-1, keepdims=True), pixels, 0)
        wanted = np.where(wanted < 0, -1, keras_labels(kit, filled))
    assert len(np.unique(wanted)) > 2
    assert (wanted == -1).any()
    seen: list[Any] = []
    with grpc_server(kit.model, kit.name, seen) as address:
        ask = grpc_model(address, kit.name)
        for tile in (96,) if which == "whole_kit" else (96, 150):
            found = label_scene(ask, kit.card, pixels, tile)
            # Keras itself, of tiles: the last digit of close calls.
            assert (found != wanted).mean() < 1e-4
            np.testing.assert_array_equal(found == -1, wanted == -1)
    assert len(seen) > 10
    assert {tuple(one.output_filter) for one in seen} <= {("labels",), ("own_sums",)}
    with rest_server(kit.model, kit.name) as url:
        found = label_scene(rest_model(url, kit.name), kit.card, pixels[:110, :140], 96)
    if which != "small_kit":
        wanted = keras_labels(kit, pixels[:110, :140])
    kept = (slice(0, 110 - kit.served.margin), slice(0, 140 - kit.served.margin))
    assert (found[kept] != wanted[kept]).mean() < 1e-4


def test_tiles_are_those_of_predictions() -> None:
    for height, width, tile, margin, align in (
        (100, 130, 64, 9, 4),
        (7, 5, 64, 30, 2),
        (90, 9, 20, 9, 3),
    ):
        places = list(windows(height, width, tile, margin, align))
        core = places[0].kept[0].stop if places[0].kept[0].stop < height else max(height, width)
        mine = list(own_windows(height, width, core, margin, align))
        if len(places) == len(mine):
            for place, window in zip(places, mine, strict=True):
                top, left, rows, columns = window.outer
                assert place.outer == (slice(top, top + rows), slice(left, left + columns))
                assert place.inner == window.inner
        covered = np.zeros((height, width), int)
        for place in places:
            covered[place.kept] += 1
            assert all(edge.start % align == 0 for edge in place.outer)
        assert (covered == 1).all()
    # Tiles smaller than their margins grow.
    assert next(windows(1000, 1000, 64, 100, 4)).kept[0].stop == 100


def test_whole_images(tmp_path: Path) -> None:
    run = make_clustering_run(tmp_path)
    kit = Kit(run, Form("uint8", labels_only=True))
    assert kit.name == "clustering"
    images = np.random.default_rng(0).integers(0, 256, (9, 3, 3, 3)).repeat(8, 1).repeat(8, 2)
    wanted = np.asarray(kit.served(images.astype(np.float32))["labels"])
    assert len(np.unique(wanted)) > 1
    with grpc_server(kit.model, kit.name) as address, rest_server(kit.model, kit.name) as url:
        for ask in (grpc_model(address, kit.name), rest_model(url, kit.name)):
            assert [label_image(ask, kit.card, one) for one in images] == wanted.tolist()
        np.save(tmp_path / "one.npy", images[0])
        card = str(kit.folder / "model.json")
        assert client_main([str(tmp_path / "one.npy"), "--grpc", address, "--card", card]) == 0


def test_the_copied_client_needs_nothing_of_this_package(kit: Kit, tmp_path: Path) -> None:
    pixels = patchy(120, 90, 5)
    place = {"crs": "EPSG:32633", "transform": rasterio.Affine(2, 0, 5e5, 0, -2, 5e6)}
    sides = {"height": 120, "width": 90, "count": 5, "dtype": "uint8", "nodata": 0}
    pixels[:20, :, :] = 0
    with rasterio.open(tmp_path / "s.tif", "w", driver="GTiff", **sides, **place) as file:
        file.write(np.moveaxis(pixels, -1, 0))
    with grpc_server(kit.model, kit.name) as address:
        # An interpreter that finds neither TensorFlow nor this package.
        program = (
            "import sys, runpy; sys.modules['tensorflow'] = sys.modules['iic_tf'] = None; "
            "sys.argv[0] = 'client'; runpy.run_module('client', run_name='__main__')"
        )
        given = ["s.tif", "l.tif", "--grpc", address, "--tile", "80"]
        given[:2] = [str(tmp_path / name) for name in given[:2]]
        done = subprocess.run(
            [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, '.'); {program}", *given],
            *(),
            cwd=kit.folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    with rasterio.open(tmp_path / "l.tif") as file:
        assert (file.crs, file.transform, file.nodata) == ("EPSG:32633", place["transform"], -1)
        labels = file.read(1)
    # Bands 1 to 4 of the five.
    raw = pixels[..., :4].astype(np.float32)
    raw[:20] = np.nan
    assert (labels != keras_labels(kit, raw)).mean() < 1e-4
    assert (labels[:20] == -1).all()
    lines = [line.split() for line in done.stdout.splitlines()]
    assert [line[:3] for line in lines] == [[str(k), "cluster", str(k)] for k in range(3)]
    assert sum(float(line[3]) for line in lines) == pytest.approx(100 * 100 / 120, abs=0.2)


def test_what_goes_wrong_is_one_line(
    kit: Kit, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pixels = patchy(40, 40, 4)
    with grpc_server(kit.model, kit.name) as address, rest_server(kit.model, kit.name) as url:
        for ask in (grpc_model(address, "other"), rest_model(url, "other")):
            with pytest.raises(ServingError, match="Servable not found"):
                label_scene(ask, kit.card, pixels)
        with pytest.raises(ValueError, match=r"\[height, width, 4\]; received \(40, 40, 3\)"):
            label_scene(grpc_model(address, kit.name), kit.card, pixels[..., :3])
        with pytest.raises(ServingError, match="INVALID_ARGUMENT"):
            grpc_model(address, kit.name)("serving_default", {"image": pixels[None]}, ["labels"])
    asked: list[Any] = []

    def broken(*_: Any) -> Any:
        asked.append(1)
        raise ServingError("no answer")

    with pytest.raises(ServingError, match="no answer"):
        label_scene(broken, kit.card, patchy(1000, 1000, 4), 64)
    # Of 256 tiles: some were asked for before the first one's end was seen.
    assert len(asked) < 128
    with pytest.raises(ServingError, match=f"an answer of {address}; received UNAVAILABLE"):
        label_scene(grpc_model(address, kit.name), kit.card, pixels)
    np.save(tmp_path / "s.npy", pixels)
    given = [str(tmp_path / "s.npy"), "--card", str(kit.folder / "model.json"), "--rest", url]
    assert client_main(given) == 1
    assert capsys.readouterr().err.startswith(f"client: Expected an answer of {url}; received")
    assert client_main(["no.npy", *given[1:]]) == 1


def test_files_of_the_kit(kit: Kit) -> None:
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((kit.folder / "models.config").read_text(), config)
    (one,) = config.model_config_list.config
    assert (one.name, one.base_path) == (kit.name, f"/kit/models/{kit.name}")
    compose = yaml.safe_load((kit.folder / "compose.yaml").read_text())["services"]["serving"]
    assert compose["volumes"] == [".:/kit:ro"]
    assert "--model_config_file=/kit/models.config" in compose["command"]
    assert all(port.startswith("127.0.0.1:") for port in compose["ports"])
    readme = (kit.folder / "README.md").read_text()
    assert "models/segmentation/1" in readme
    assert "MODEL" not in readme
    assert kit.card == json.loads((kit.version / "assets.extra" / "model.json").read_text())
    assert sorted(p.name for p in kit.folder.iterdir()) == [
        *("README.md", "client", "compose.yaml", "model.json", "models", "models.config"),
    ]
    assert any("docker compose up" in line for line in kit.said)


@pytest.mark.parametrize("which", ["kit", "small_kit", "whole_kit"])
def test_the_warm_up_is_what_the_server_takes(which: str, request: pytest.FixtureRequest) -> None:
    from tensorflow_serving.apis import prediction_log_pb2

    kit = request.getfixturevalue(which)
    path = kit.version / "assets.extra" / "tf_serving_warmup_requests"
    assert path.stat().st_size < 1000
    signatures = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
        asked = log.predict_log.request
        inputs = {k: tf.make_ndarray(v) for k, v in asked.inputs.items()}
        assert inputs["pixels"].shape == (1, 512, 512, len(kit.card["bands"]))
        assert inputs["pixels"].dtype == kit.card["input"]["pixels"]
        found = kit.model(asked.model_spec.signature_name, inputs)
        assert found["labels"].shape == (1, 512, 512)
        assert (found["labels"] >= 0).all()
        signatures.append(asked.model_spec.signature_name)
    assert signatures == ["serving_default", "window"][: 2 if which == "whole_kit" else 1]


def test_tensors_are_tensorflows() -> None:
    for kind in ("float32", "float64", "int32", "uint8", "int16", "int64", "uint16"):
        values = np.arange(6).reshape(2, 3).astype(kind)
        message = tensor(values)
        from tensorflow.core.framework import tensor_pb2

        theirs = tensor_pb2.TensorProto.FromString(message.SerializeToString())
        np.testing.assert_array_equal(tf.make_ndarray(theirs), values)
        assert tf.make_ndarray(theirs).dtype == kind
        for sent in (tf.make_tensor_proto(values), tf.make_tensor_proto(7, kind, (2, 3))):
            mine = array(type(message).FromString(sent.SerializeToString()))
            np.testing.assert_array_equal(mine, tf.make_ndarray(sent))
            assert mine.dtype == kind
