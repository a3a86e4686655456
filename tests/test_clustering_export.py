"""Clusterers as they are served: SavedModel and ONNX beside Keras, and tables of predictions."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from image_files import save
from PIL import Image
from tiny_run import answering, make_clustering_run, make_run

from iic_tf import ImageView, ServedClusterer
from iic_tf.cli import main
from iic_tf.data.image_folder import load_image_folder, read_square
from iic_tf.data.image_set import ImageSet
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError
from iic_tf.export import export as exporting
from iic_tf.export import onnx_file, savedmodel
from iic_tf.export.export import export
from iic_tf.export.predict_images import predict_images
from iic_tf.export.servable import ExportError
from iic_tf.export.served_run import load_served
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.views.central_views import central_views

CASES = {
    "network B, grey, rotations": {
        "channels": 1,
        "side": 28,
        "x": {"crops": [20], "size": 24, "rotate": 25},
        "gx": {"crops": [16], "size": 24},
    },
    "network A, sobel, mixed precision": {
        "network": "A",
        "inputs": "sobel",
        "precision": "mixed_bfloat16",
        "side": 32,
        "x": {"crops": [20], "size": 16},
        "gx": {"crops": [20], "size": 16},
    },
    "four channels, no other head, odd": {
        "channels": 4,
        "side": 25,
        "overclustering": False,
        "turns": ["main"],
        "inputs": "bands+sobel",
    },
}


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def blobs(count: int, side: int, channels: int) -> np.ndarray:
    """Images of unlike brightness and structure, so that they get unlike labels."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (count, 3, 3, channels)).repeat(side // 3 + 1, 1)
    return coarse.repeat(side // 3 + 1, 2)[:, :side, :side].astype(np.uint8)


def names_under(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


@pytest.mark.parametrize(
    ("side", "crop", "size", "rotate"),
    [(28, 20, 24, 25), (28, 20, 24, 0), (32, 20, 32, 0), (29, 29, 16, 0), (96, 64, 64, 0)],
)
def test_what_is_served_sees_the_central_view(side, crop, size, rotate) -> None:
    class Nothing:
        channels = 3

    view = ImageView(crops=(crop, 8), size=size, rotate=rotate)
    raw = noise(5, side, side, 3)
    (wanted,) = central_views(ImageSet("noise", raw), view)
    served = ServedClusterer(Nothing(), view, side)
    np.testing.assert_allclose(served.prepared(raw.astype(np.float32)), wanted, atol=1e-6)
    # A graph that does not know the size sees the same.
    spec = tf.TensorSpec((None, None, None, 3), tf.float32)
    graph = tf.function(served.prepared, input_signature=[spec])
    found = graph(raw.astype(np.float32))
    assert found.shape == (5, size, size, 3)
    np.testing.assert_allclose(found, wanted, atol=1e-6)
    with pytest.raises(InputError, match="crops within"):
        ServedClusterer(Nothing(), view, crop - 1)


@pytest.mark.parametrize("shape", [(100, 151), (61, 40), (24, 31), (9, 14)])
def test_other_sizes_are_scaled_as_a_folder_of_images_is(tmp_path, shape) -> None:
    class Nothing:
        channels = 3

    raw = noise(*shape, 3)
    Image.fromarray(raw).save(tmp_path / "a.png")
    square = read_square(Raster(tmp_path / "a.png"), 24)
    served = ServedClusterer(Nothing(), ImageView(crops=(24,), size=24), 24)
    found = 255 * np.asarray(served.prepared(raw[None].astype(np.float32))[0])
    # Pillow rounds to whole levels twice, by 0.5 each time.
    assert np.abs(found - square).max() < 1.1


@pytest.mark.parametrize("values", CASES.values(), ids=CASES.keys())
def test_both_formats_compute_the_same(tmp_path, values) -> None:
    run = make_clustering_run(tmp_path, **values)
    said: list[str] = []
    folder = export(run, "savedmodel", say=said.append)
    file = export(run, "onnx", say=said.append)
    assert folder == run.folder / "export" / "savedmodel" / "1"
    assert file == run.folder / "export" / "model.onnx"
    assert sum("largest difference from the Keras model" in line for line in said) == 2
    assert "  output  labels: int32 [batch]" in said
    assert "  output  probabilities: float32 [batch, 3]" in said

    served = load_served(run)
    assert served.model.compute_dtype == "float32"
    side, channels = served.side, served.model.channels
    # The Keras model on the views by which scores are taken.
    raw = blobs(17, side, channels)
    (views,) = central_views(ImageSet("blobs", raw), run_recipe(run).x)
    wanted = np.asarray(served.model(views))
    assert len(np.unique(wanted.argmax(1))) > 1
    for runner in (savedmodel.runner(folder), onnx_file.runner(file)):
        for count in (1, 2, 7, 17):
            found = runner(raw[:count].astype(np.float32))
            assert (found["labels"].dtype, found["labels"].shape) == (np.int32, (count,))
            assert found["probabilities"].dtype == np.float32
            np.testing.assert_allclose(found["probabilities"], wanted[:count], atol=1e-5)
            np.testing.assert_array_equal(found["labels"], wanted[:count].argmax(1))
        wide = noise(3, 70, 45, channels).astype(np.float32)
        np.testing.assert_allclose(
            runner(wide)["probabilities"], served(wide)["probabilities"], atol=1e-5
        )


def test_names_and_dimensions_and_wrong_channels(tmp_path) -> None:
    import onnx

    run = make_clustering_run(tmp_path)
    folder = export(run, "savedmodel", say=lambda _: None)
    loaded = tf.saved_model.load(folder)
    serve = loaded.signatures["serving_default"]
    assert serve.structured_input_signature[1] == {
        "pixels": tf.TensorSpec((None, None, None, 3), tf.float32, "pixels")
    }
    assert serve.structured_outputs["labels"].shape.as_list() == [None]
    assert serve.structured_outputs["probabilities"].shape.as_list() == [None, 3]

    file = export(run, "onnx", tmp_path / "deep" / "m.onnx", say=lambda _: None)
    graph = onnx.load(file).graph

    def dims(value):
        return [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]

    assert {v.name: dims(v) for v in graph.input} == {"pixels": ["batch", "height", "width", 3]}
    assert {v.name: dims(v) for v in graph.output} == {
        "labels": ["batch"],
        "probabilities": ["batch", 3],
    }
    grey = noise(2, 24, 24, 1).astype(np.float32)
    with pytest.raises(ExportError, match="ONNX Runtime runs on pixels"):
        onnx_file.runner(file)(grey)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
        savedmodel.runner(folder)(grey)
    # A convolution made for one channel would take three for groups.
    one = make_clustering_run(tmp_path / "one", channels=1)
    folder = export(one, "savedmodel", say=lambda _: None)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not compatible with expected shape"):
        savedmodel.runner(folder)(noise(2, 24, 24, 3).astype(np.float32))


def test_weights_and_sub_head_are_the_runs(tmp_path) -> None:
    run = make_clustering_run(tmp_path)
    served = load_served(run)
    trained = keras.models.load_model(run.best)
    for mine, theirs in zip(served.model.get_weights(), trained.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    raw = blobs(4, 24, 3).astype(np.float32)
    heads = [np.asarray(p) for p in served.model.probabilities(served.prepared(raw))]
    np.testing.assert_allclose(served(raw)["probabilities"], heads[1], atol=1e-6)
    assert np.abs(heads[1] - heads[0]).max() > 1e-3


class Wrong(ServedClusterer):
    """Answers the check with something else than the graph that was written."""

    def __call__(self, pixels):
        found = super().__call__(pixels)
        if isinstance(pixels, np.ndarray):
            found["probabilities"] = found["probabilities"] + 2e-4
        return found


def test_a_failed_check_leaves_nothing_and_an_existing_export_stays(tmp_path, monkeypatch) -> None:
    """Of both formats: test_export.py."""
    kind = "onnx"
    run = make_clustering_run(tmp_path)
    wrong = Wrong(load_served(run).model, run_recipe(run).x, 24)
    before = names_under(run.folder)
    monkeypatch.setattr(exporting, "answer_of", lambda *_: answering(wrong))
    with pytest.raises(ExportError, match="Nothing was written"):
        export(run, kind, say=print)
    assert names_under(run.folder) == before
    monkeypatch.undo()
    export(run, kind, say=print)
    with pytest.raises(InputError, match="there already"):
        export(run, kind, say=print)
    after = names_under(run.folder)
    export(run, kind, overwrite=True, say=print)
    assert names_under(run.folder) == after


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Seven images, some of them in a folder within, of several sizes and formats."""
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    for i, image in enumerate(blobs(7, 40, 3)):
        place = folder / ("more" if i % 2 else "") / f"{i}.png"
        Image.fromarray(image[: 40 - i]).save(place)
    return folder


@pytest.mark.parametrize("overclusters", [False, True])
def test_a_folder_becomes_a_table_and_a_sheet(tmp_path, photos, overclusters) -> None:
    run = make_clustering_run(tmp_path, sub_heads=1 if overclusters else 2)
    said: list[str] = []
    out = photos / "found"
    for _ in range(2):
        # The second time the sheet of the first is none of the images.
        predict_images(run, photos, out, "overclusters" if overclusters else None, said.append)
    assert names_under(out) == ["predictions.csv", "sheet.png"]
    rows = rows_of(out / "predictions.csv")
    images = load_image_folder(photos, 24)
    names = [name for name in images.files if not name.startswith("found")]
    assert [row["file"] for row in rows] == names
    served = load_served(run)
    pixels = images.images[[images.files.index(n) for n in names]]
    (views,) = central_views(ImageSet("photos", pixels), run_recipe(run).x)
    head = "overclustering" if overclusters else "main"
    wanted = np.asarray(served.model.probabilities(views, head)[-1])
    clusters = 4 if overclusters else 3
    found = np.asarray([[float(row[f"cluster_{k}"]) for k in range(clusters)] for row in rows])
    np.testing.assert_allclose(found, wanted, atol=2e-6)
    assert [int(row["label"]) for row in rows] == wanted.argmax(1).tolist()
    np.testing.assert_allclose([float(r["confidence"]) for r in rows], wanted.max(1), atol=2e-6)
    assert said[0].startswith("labelled 7 images: cluster ")
    assert "predictions.csv" in said[1]


def test_one_file_and_the_runs_own_data(tmp_path, photos) -> None:
    run = make_clustering_run(tmp_path)
    said: list[str] = []
    predict_images(run, photos / "0.png", tmp_path / "one", say=said.append)
    assert [row["file"] for row in rows_of(tmp_path / "one" / "predictions.csv")] == ["0.png"]
    source = {"dataset": "images", "data": str(photos), "side": 24}
    own = Run.create(run.folder, run.config() | {"source": source}, overwrite=True)
    make_clustering_run(tmp_path / "again").best.rename(own.best)
    predict_images(own, "images", tmp_path / "own", say=said.append)
    predict_images(own, photos, tmp_path / "same", say=said.append)
    table = [(tmp_path / name / "predictions.csv").read_text() for name in ("own", "same")]
    assert table[0] == table[1]


def test_bad_files_do_not_spoil_the_others(tmp_path, photos, capsys) -> None:
    run = make_clustering_run(tmp_path)
    whole = (photos / "2.png").read_bytes()
    (photos / "2.png").write_bytes(whole[: len(whole) // 2])
    (photos / "4.png").unlink()
    save(photos / "4.tif", noise(30, 30, 4))
    Image.fromarray(noise(30, 30)).save(photos / "more" / "5.png")
    out = tmp_path / "out"
    assert main(["predict", str(run.folder), str(photos), "--out", str(out)]) == 2
    shown = capsys.readouterr()
    assert "2.png: left out." in shown.out
    assert "labelled 5 images" in shown.out
    assert "2 of 7 images were left out" in shown.err
    assert "Expected 3 channels; received 4" in shown.err
    assert "note: 1 grey images are read as colour, such as 'more/5.png'" in shown.out
    assert len(rows_of(out / "predictions.csv")) == 5


def test_what_predict_refuses(tmp_path, photos, capsys) -> None:
    run = make_clustering_run(tmp_path)
    out = tmp_path / "out"

    def refused(message: str, images: Path = photos, *more: str, to: Path = out) -> None:
        assert main(["predict", str(run.folder), str(images), "--out", str(to), *more]) == 2
        assert message in capsys.readouterr().err
        assert not out.exists()

    refused("only --head, --classes and --overclusters", photos, "--confidence")
    refused("received --masks, --class-file", photos, "--masks", "m", "--class-file", "c.yaml")
    refused("received nothing", tmp_path / "nowhere")
    refused("received a folder with run.txt", _folder(tmp_path / "texts", "run.txt"))
    refused("received the file", to=photos / "0.png")
    refused("Expected another folder", to=photos)
    for file in photos.rglob("*.png"):
        Image.fromarray(noise(30, 30)).save(file)
    refused("Expected images of 3 channels, as run")
    run = make_clustering_run(tmp_path / "single", overclustering=False, turns=["main"])
    refused("trained without one", photos, "--overclusters")
    run.best.unlink()
    refused("no epoch was finished")


def test_what_export_refuses(tmp_path) -> None:
    run = make_clustering_run(tmp_path)
    run.best.write_bytes(b"PK damaged")
    with pytest.raises(InputError, match="readable model"):
        export(run, "onnx")
    make_run(tmp_path / "other").best.rename(run.best)
    with pytest.raises(InputError, match=r"Expected IICClusterer .* received IICSegmenter"):
        export(run, "onnx")
    run.best.unlink()
    for kind in ("onnx", "savedmodel"):
        with pytest.raises(InputError, match="no epoch was finished"):
            export(run, kind)
    assert not (run.folder / "export").exists()


def _folder(path: Path, name: str) -> Path:
    path.mkdir()
    (path / name).write_text("")
    return path
