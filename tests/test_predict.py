import json
import re

import numpy as np
import pytest
import rasterio
import tifffile
from PIL import Image
from tiny_run import make_run

from iic_tf.data.raster import Raster
from iic_tf.data.scene import SceneSet
from iic_tf.errors import DataMissingError, InputError
from iic_tf.export import label_files, labelling
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.labelling import Labelling
from iic_tf.export.predict import predict
from iic_tf.export.served_run import load_served
from iic_tf.turns import OVERCLUSTERING


def picture(height, width, channels=3, seed=0):
    """Flat regions under noise: labels of more than one kind."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (-(-height // 9), -(-width // 9), channels))
    image = coarse.repeat(9, 0).repeat(9, 1)[:height, :width]
    return np.clip(image + rng.normal(0, 20, image.shape), 0, 255).astype(np.uint8)


def save(path, *size, **values):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = picture(*size, **values)
    if path.suffix == ".tif":
        tifffile.imwrite(path, pixels, photometric="minisblack", planarconfig="contig")
    else:
        Image.fromarray(pixels.squeeze()).save(path)
    return pixels


def files(folder):
    return sorted(p.name for p in folder.iterdir())


def whole(run, pixels):
    """Labels of a whole image at once, by the description that the exports hold."""
    return np.asarray(load_served(run)(pixels[None].astype(np.float32))["labels"])[0]


class ArrayScene:
    name, has_mask = "array", True

    def __init__(self, pixels):
        self.pixels = pixels
        self.height, self.width, self.channels = pixels.shape

    def read(self, top, left, height, width):
        return self.pixels[top : top + height, left : left + width]

    def read_mask(self, top, left, height, width):
        return self.read(top, left, height, width)[..., 0].astype(np.int32) % 3 - 1


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({}, (75, 101)),
        ({"inputs": "bands+sobel", "downscale": 2}, (131, 163)),
        ({"inputs": "sobel", "downscale": 3, "classes": 2}, (170, 205)),
    ],
)
@pytest.mark.parametrize("head", ["main", "overclusters"])
def test_windows_do_not_show(tmp_path, monkeypatch, values, size, head):
    served = load_served(make_run(tmp_path, **values), head)
    predictor = KerasPredictor(served)
    pixels = picture(*size)
    labels, confidence = predictor(pixels)
    assert labels.shape == size
    assert len(np.unique(labels)) > 1

    monkeypatch.setattr(labelling, "CORE", 16)
    monkeypatch.setattr(labelling, "RENDERING", 60)
    scenes = SceneSet("s", (ArrayScene(pixels),), 3, served.low, served.high)
    for strip_bytes in (1 << 28, 0):
        monkeypatch.setattr(labelling, "STRIP_BYTES", strip_bytes)
        made = Labelling(predictor, scenes, scenes.scenes[0], with_mask=True)
        strips = list(made.strips())
        assert len(strips) > 3
        np.testing.assert_array_equal(np.concatenate(strips), labels)
    np.testing.assert_array_equal(
        made.counts, np.bincount(labels.ravel(), minlength=len(made.counts))
    )

    # The rendering: one pixel for each box, its middle label and its mean confidence.
    f = made.factor
    assert max(made.labels.shape) <= 60 < max(size)
    assert made.rgb.shape == (-(-size[0] // f), -(-size[1] // f), 3)
    np.testing.assert_array_equal(
        made.labels[2:5, 3:9], labels[2 * f :, 3 * f :][f // 2 :: f, f // 2 :: f][:3, :6]
    )
    box = confidence[2 * f : 3 * f, 5 * f : 6 * f]
    np.testing.assert_allclose(made.confidence[2, 5], box.mean(), rtol=1e-5)
    np.testing.assert_array_equal(
        made.truth[2:5, 3:9],
        (pixels[2 * f :, 3 * f :, 0].astype(int) % 3 - 1)[f // 2 :: f, f // 2 :: f][:3, :6],
    )


def test_what_lies_beyond_the_margin_has_no_say(tmp_path):
    """The margin that windows get is enough, and a good deal less is not."""
    served = load_served(make_run(tmp_path, inputs="bands+sobel", downscale=2))
    segment = KerasPredictor(served)
    pixels = picture(90, 180)
    aligned = -(-served.margin // 4) * 4
    core = 100

    def far(margin):
        other = pixels.copy()
        other[:, : core - margin] = 255 - other[:, : core - margin]
        return np.abs(segment(other)[1][:, core:] - segment(pixels)[1][:, core:]).max()

    assert far(aligned) == 0.0
    assert far(aligned - 8) > 0.0


def test_a_folder_with_masks(tmp_path):
    run = make_run(tmp_path)
    one = save(tmp_path / "in/one.png", 60, 47)
    save(tmp_path / "in/two/a.jpg", 33, 80, seed=1)
    save(tmp_path / "in/three.png", 20, 20, seed=2)
    run.classes_file.write_text(
        "head: main\nclasses:\n"
        "  land: {number: 5, show: '#00FF00', clusters: [0]}\n"
        "  ice: {number: 6, show: '#FFFFFF', clusters: [1]}\n"
        "  sea: {number: 9, show: '#0000FF', clusters: [2]}\n"
    )
    found = whole(run, one)
    assert set(np.unique(found)) <= {5, 6, 9}
    # Truth is the prediction itself under other numbers, some of it not scored.
    truth = np.select([found == 5, found == 6], [1, 2], 0)
    truth[:4] = 255
    (tmp_path / "masks").mkdir()
    Image.fromarray(truth.astype(np.uint8)).save(tmp_path / "masks/one.png")
    classes = tmp_path / "classes.yaml"
    classes.write_text(
        "classes:\n  sea: {values: [0], show: '#0000FF'}\n  land: {values: [1], show: '#00FF00'}\n"
        "  ice: {values: [2], show: '#FFFFFF'}\nignore: {values: [255]}\n"
    )
    said: list[str] = []
    predict(
        run,
        tmp_path / "in",
        tmp_path / "out",
        confidence=True,
        masks=tmp_path / "masks",
        class_file=classes,
        say=said.append,
    )
    assert files(tmp_path / "out") == sorted(
        ["areas.csv", "legend.json", "sheet.png"]
        + [
            f"{n}_{p}"
            for n in ("one", "two__a", "three")
            for p in ("labels.png", "overlay.jpg", "confidence.png")
        ]
    )
    with Image.open(tmp_path / "out/one_labels.png") as image:
        assert (image.mode, image.size) == ("P", (47, 60))
        np.testing.assert_array_equal(np.asarray(image), whole(run, one))
        table = np.asarray(image.getpalette()).reshape(-1, 3)
    # Numbers, names and colours are those of classes.yaml.
    legend = json.loads((tmp_path / "out/legend.json").read_text())
    assert {k: v["name"] for k, v in legend.items()} == {"5": "land", "6": "ice", "9": "sea"}
    assert [legend[k]["colour"] for k in "569"] == ["#00ff00", "#ffffff", "#0000ff"]
    assert table[[5, 6, 9]].tolist() == [[0, 255, 0], [255, 255, 255], [0, 0, 255]]
    assert said[0] == "note: 1 of 3 images has a mask: no mask is named like 'three.png'"
    assert [line[:3] for line in said[1:4]] == ["1/3", "2/3", "3/3"]
    assert re.match(r"1/3 .* (land|ice|sea) \d+%", said[1])
    # Prediction and truth look alike on the sheet: the middle panel and the right one.
    with Image.open(tmp_path / "out/sheet.png") as image:
        sheet = np.asarray(image.convert("RGB")).astype(int)
    panel = (1200 - 4 * 12) // 3
    left = [12 + i * (panel + 12) for i in range(3)]
    rows = slice(200, 400)
    np.testing.assert_array_equal(
        sheet[rows, left[1] : left[1] + panel], sheet[rows, left[2] : left[2] + panel]
    )


def test_clusters_go_by_number_where_classes_are_others(tmp_path):
    run = make_run(tmp_path, overclusters=6)
    save(tmp_path / "in/one.png", 30, 30)
    Image.fromarray(picture(30, 30, 1)[..., 0] % 2).save(tmp_path / "one_mask.png")
    said: list[str] = []
    predict(
        run,
        str(tmp_path / "in/one.png"),
        str(tmp_path / "out"),
        head="overclusters",
        masks=str(tmp_path / "one_mask.png"),
        say=said.append,
    )
    legend = json.loads((tmp_path / "out/legend.json").read_text())
    assert [legend[str(k)]["name"] for k in range(6)] == [f"cluster {k}" for k in range(6)]
    assert files(tmp_path / "out") == [
        "areas.csv",
        "legend.json",
        "one_labels.png",
        "one_overlay.jpg",
        "sheet.png",
    ]
    served = load_served(run)
    maps = served.maps(picture(30, 30)[None].astype(np.float32), OVERCLUSTERING)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out/one_labels.png")), np.argmax(maps[0][0], -1)
    )


def test_a_tiff_of_four_channels(tmp_path, monkeypatch):
    run = make_run(tmp_path, channels=4)
    pixels = save(tmp_path / "tile.tif", 300, 281, channels=4)
    said: list[str] = []
    predict(run, tmp_path / "tile.tif", tmp_path / "out", say=said.append)
    names = ["areas.csv", "legend.json", "sheet.png"]
    names += [f"tile_{part}" for part in ("labels.png", "labels.qml", "labels.tif", "overlay.jpg")]
    assert files(tmp_path / "out") == names
    expected = whole(run, pixels)
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out/tile_labels.png")), expected
    )
    with tifffile.TiffFile(tmp_path / "out/tile_labels.tif") as file:
        page = file.pages[0]
        assert (page.is_tiled, page.compression.name, page.photometric.name) == (
            True,
            "ADOBE_DEFLATE",
            "PALETTE",
        )
        np.testing.assert_array_equal(page.asarray(), expected)
        colours = np.asarray(page.colormap)[:, :3].T >> 8
    legend = json.loads((tmp_path / "out/legend.json").read_text())
    assert [bytes(c.astype(np.uint8)).hex() for c in colours] == [
        legend[str(k)]["colour"][1:] for k in range(3)
    ]

    # What is too large for a PNG: the same from strips that fit no row of tiles.
    monkeypatch.setattr(label_files, "LARGEST_PNG", 1000)
    monkeypatch.setattr(labelling, "CORE", 70)
    predict(run, tmp_path / "tile.tif", tmp_path / "large", say=said.append)
    assert files(tmp_path / "large") == [n for n in names if n != "tile_labels.png"]
    mask = Raster(tmp_path / "large/tile_labels.tif", "index")
    np.testing.assert_array_equal(mask.read(0, 0, 300, 281)[..., 0], expected)


def test_a_georeference_is_handed_on(tmp_path):
    run = make_run(tmp_path)
    pixels = picture(270, 300)
    place = rasterio.Affine(0.5, 0, 500000, 0, -0.5, 5800000)
    (tmp_path / "in").mkdir()
    with rasterio.open(
        tmp_path / "in/a.tif",
        "w",
        driver="GTiff",
        height=270,
        width=300,
        count=3,
        dtype="uint8",
        crs="EPSG:32633",
        transform=place,
    ) as file:
        file.write(pixels.transpose(2, 0, 1))
    predict(run, tmp_path / "in", tmp_path / "out", say=lambda _: None)
    with rasterio.open(tmp_path / "out/a_labels.tif") as file:
        assert (file.crs, file.transform) == (rasterio.crs.CRS.from_epsg(32633), place)
        np.testing.assert_array_equal(file.read(1), whole(run, pixels))
        assert file.colormap(1)[0][:3] == (0, 114, 178)
    assert {"a_labels.png", "a_labels.tif"} <= set(files(tmp_path / "out"))


def test_what_is_refused_before_anything_is_written(tmp_path):
    run = make_run(tmp_path, channels=4)
    save(tmp_path / "in/a.png", 20, 20)

    def refused(message, error=InputError, images=tmp_path / "in", out=tmp_path / "out", **how):
        with pytest.raises(error, match=message):
            predict(run, images, out, say=print, **how)
        assert not (tmp_path / "out").exists()

    refused(r"Expected images of 4 channels, as run .* was trained on; received 3 in '.*in'")
    refused("received nothing", DataMissingError, tmp_path / "nowhere")
    run.best.unlink()
    refused("no epoch was finished")
    run = make_run(tmp_path / "other")
    refused("received the file", out=tmp_path / "in/a.png")
    refused("Expected another folder", out=tmp_path / "in")
    Image.fromarray(picture(20, 20, 1)[..., 0] % 3).save(tmp_path / "in/a_labels.png")
    before = (tmp_path / "in/a_labels.png").read_bytes()
    refused(
        r"they would replace '.*a_labels\.png'",
        images=tmp_path / "in/a.png",
        out=tmp_path / "in",
        masks=tmp_path / "in/a_labels.png",
    )
    assert (tmp_path / "in/a_labels.png").read_bytes() == before


def test_a_damaged_image_among_good_ones(tmp_path):
    run = make_run(tmp_path)
    for name in ("a", "b", "c"):
        save(tmp_path / f"in/{name}.png", 40, 40)
    damaged = tmp_path / "in/b.png"
    damaged.write_bytes(damaged.read_bytes()[:1500])
    said: list[str] = []
    with pytest.raises(InputError, match=r"1 of 3 images were left out\. .*b\.png"):
        predict(run, tmp_path / "in", tmp_path / "out", say=said.append)
    assert files(tmp_path / "out") == [
        *("a_labels.png", "a_overlay.jpg", "areas.csv", "c_labels.png", "c_overlay.jpg"),
        *("legend.json", "sheet.png"),
    ]
    assert any(re.match(r"2/3  b: left out\. .*damaged", line) for line in said)
    # Nothing is too small, for slopes neither; and the folder may be used again.
    run = make_run(tmp_path / "sobel", inputs="sobel", downscale=4)
    save(tmp_path / "small.png", 1, 30)
    predict(run, tmp_path / "small.png", tmp_path / "out", say=said.append)
    assert (tmp_path / "out/small_labels.png").exists()


def test_other_number_types_are_noted_and_the_runs_own_data_are_known_by_name(tmp_path):
    run = make_run(tmp_path, channels=4, high=1.0)
    said: list[str] = []
    wide = picture(20, 20, 4).astype(np.uint16) * 200
    tifffile.imwrite(tmp_path / "a.tif", wide, photometric="minisblack", planarconfig="contig")
    predict(run, tmp_path / "a.tif", tmp_path / "out", say=said.append)
    assert any(line.startswith("note: the run was trained on values from 0 to 1;") for line in said)

    config = run.config()
    config["source"] = {"dataset": "scenes", "count": 2, "size": 64}
    run.config_file.write_text(json.dumps(config))
    predict(run, "scenes", tmp_path / "own", say=said.append)
    assert sum(name.endswith("_labels.png") for name in files(tmp_path / "own")) == 2
