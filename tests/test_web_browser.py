"""The page for images in a browser: its labels beside Keras', and what it says of other files."""

from __future__ import annotations

import csv
import functools
import http.server
import json
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import rasterio
from chromium import OpenPage, needs_chromium, open_browser, until
from image_files import gdal_tiff, png
from numpy.typing import NDArray
from PIL import Image, ImageCms
from selenium.webdriver.common.by import By
from test_infoseg_windows import served_infoseg
from tiny_run import make_run

from iic_tf.data.converted import Converted
from iic_tf.data.raster import Raster
from iic_tf.data.scene import with_nan
from iic_tf.data.scene_painter import paint_scene
from iic_tf.export import onnx_file
from iic_tf.export.export import export
from iic_tf.export.form import Form
from iic_tf.export.served_run import load_served
from iic_tf.export.web import export_web

pytestmark = needs_chromium

SIZE = (516, 560)
"""Two windows a side, of which the last are small."""

CLASSES = """
head: main
classes:
  "a, \\"b\\" <i>c</i>": {number: 7, show: "#0000ff", clusters: [1]}
  strasse: {number: 3, show: "#808080", clusters: [0, 2]}
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    yield from open_browser(tmp_path_factory.mktemp("downloads"))


@pytest.fixture(autouse=True, scope="module")
def _only_what_is_here() -> Iterator[None]:
    """Npm's cache alone; and exports are compared with Keras in the browser, so not before."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("npm_config_offline", "true")
        for name in ("check", "check_windows"):
            patch.setattr(onnx_file, name, lambda *_: 0.0)
        yield


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder, keeps its words to itself, and what was asked for in `asked`."""

    asked: list[str]

    def log_message(self, format: str, *values: Any) -> None:
        self.asked.append(self.requestline)


class Page(OpenPage):
    """An exported page that is served and open."""

    def __init__(self, browser: Any, folder: Path, served: Any):
        if not json.loads((folder / "runtime.json").read_text())["offline"]:
            pytest.skip("needs npm's files: npm cache add onnxruntime-web@1.30.0 geotiff@3.0.5")
        self.browser, self.folder, self.served = browser, folder, served
        self.asked: list[str] = []
        self.address = serve(folder, self.asked)
        self.open(self.address)

    def look_at(self, path: Path) -> None:
        """Choose an image, and wait until all is shown of it or of what is wrong with it."""
        self.browser.execute_script(
            "document.getElementById('downloads').hidden = true;"
            "document.getElementById('status').className = '';"
        )
        self.give(path)
        until(lambda: self.find("downloads").is_displayed() or self.warned(), 60)

    def warned(self) -> bool:
        return "warning" in (self.find("status").get_attribute("class") or "")

    def rows(self) -> list[Any]:
        """Of the legend."""
        return list(self.browser.find_elements(By.CSS_SELECTOR, "#legend li"))

    def numbers(self, path: Path) -> NDArray[np.uint8]:
        """The map that is downloaded, 255 where there is no data."""
        self.look_at(path)
        assert "pixels in" in self.text("status"), self.text("status")
        with Image.open(self.download("png", f"{path.stem}_labels.png")) as image:
            assert image.mode == "P"
            return np.asarray(image)

    def check(self, path: Path, raster: Raster) -> NDArray[np.uint8]:
        """The map is that of Keras, shown the image whole."""
        pixels = with_nan(*raster.read_with_valid(0, 0, raster.height, raster.width))
        mine = {name: np.asarray(value)[0] for name, value in self.served(pixels[None]).items()}
        wanted = np.where(mine["labels"] == -1, 255, mine["labels"])
        found = self.numbers(path)
        assert found.shape == wanted.shape
        assert len(np.unique(wanted[wanted != 255])) > 1
        other = found != wanted
        assert other.mean() <= 1e-4
        # Of two as likely ones either is right.
        first_two = np.partition(mine["probabilities"], -2, axis=-1)[..., -2:]
        assert (np.diff(first_two[other], axis=-1) < 1e-4).all()
        assert not other[wanted == 255].any()
        return found


def serve(folder: Path, asked: list[str]) -> str:
    class Here(Handler):
        pass

    Here.asked = asked
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Here, directory=folder)
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


def painted(bands: int = 3) -> NDArray[np.uint8]:
    image, _ = paint_scene(np.random.default_rng(0), max(SIZE))
    return np.ascontiguousarray(image[: SIZE[0], : SIZE[1], :bands])


class Remainder:
    """Says of each pixel what is left of its bands' weighted sum, divided by 5.

    So any value that is read otherwise, and any order of bands, makes another label.
    """

    def __init__(self, bands: int):
        self.weights = np.arange(1, bands + 1, dtype=np.float32)

    def __call__(self, pixels: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
        left = (pixels @ self.weights) % 5
        return {
            "labels": np.where(np.isnan(left), -1, left).astype(np.int32),
            "probabilities": np.eye(5, dtype=np.float32)[np.nan_to_num(left).astype(int)],
        }

    def write(self, path: Path) -> None:
        """The same as an ONNX file."""
        node, value = onnx.helper.make_node, onnx.helper.make_tensor_value_info
        constants = {
            "weights": self.weights[:, None],
            "five": np.float32(5),
            "nothing": np.float32(0),
            "no_data": np.int32(-1),
            "last": np.array([3], np.int64),
            "numbers": np.arange(5, dtype=np.float32),
        }
        nodes = [
            node("MatMul", ["pixels", "weights"], ["kept"]),
            node("Squeeze", ["kept", "last"], ["sum"]),
            node("Mod", ["sum", "five"], ["left"], fmod=1),
            node("IsNaN", ["left"], ["empty"]),
            node("Where", ["empty", "nothing", "left"], ["known"]),
            node("Cast", ["known"], ["number"], to=onnx.TensorProto.INT32),
            node("Where", ["empty", "no_data", "number"], ["labels"]),
            node("Unsqueeze", ["known", "last"], ["each"]),
            node("Equal", ["each", "numbers"], ["same"]),
            node("Cast", ["same"], ["probabilities"], to=onnx.TensorProto.FLOAT),
        ]
        axes = [1, "height", "width"]
        graph = onnx.helper.make_graph(
            nodes,
            "remainder",
            [value("pixels", onnx.TensorProto.FLOAT, [*axes, len(self.weights)])],
            [
                value("labels", onnx.TensorProto.INT32, axes),
                value("probabilities", onnx.TensorProto.FLOAT, [*axes, 5]),
            ],
            [onnx.numpy_helper.from_array(np.asarray(v), n) for n, v in constants.items()],
        )
        opset = [onnx.helper.make_opsetid("", 18)]
        onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)


def remainder_page(colours: Page, folder: Path, bands: list[dict[str, Any]], **more: Any) -> Page:
    """The page of another, with a model by which every value counts."""
    shutil.copytree(colours.folder, folder)
    served = Remainder(len(bands))
    served.write(folder / "model.onnx")
    card = {
        "classes": [{"number": n, "name": f"{n} left", "colour": f"#{n}00000"} for n in range(5)],
        "bands": [{"name": str(i), "low": 0, "high": 255, **band} for i, band in enumerate(bands)],
        **{"no_data": -1, "whole_scene": False, "margin": 0, "align": 1, "trained": None},
    }
    (folder / "model.json").write_text(json.dumps({**card, **more}))
    return Page(colours.browser, folder, served)


@pytest.fixture(scope="module")
def colours(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A page of a model of three bands, with named classes."""
    run = make_run(tmp_path_factory.mktemp("colours"), downscale=2, inputs="bands+sobel")
    run.classes_file.write_text(CLASSES)
    return Page(browser, export(run, "web", say=str), load_served(run))


def test_a_png_and_what_is_shown_of_it(colours: Page, tmp_path: Path) -> None:
    colours.open(colours.address)
    image = painted()
    image = np.dstack([image, np.full(SIZE, 255, np.uint8)])
    image[100:300, 400:520, 3] = 0
    path = tmp_path / "a.b.png"
    Image.fromarray(image).save(path)
    found = colours.check(path, Raster(path))
    assert set(np.unique(found)) == {3, 7, 255}
    assert (found == 255).sum() == 200 * 120
    assert colours.text("notes") == ""

    # Shares, of what holds data.
    known = (found != 255).sum()
    share = (found == 7).sum() / known
    rows = [row.text.splitlines() for row in colours.rows()]
    assert rows[0] == ['a, "b" <i>c</i>', f"{100 * share:.1f} %"]
    assert rows[2] == ["no data", f"{100 * 200 * 120 / found.size:.1f} % of all"]
    table = colours.download("csv", "a.b_shares.csv").read_text(encoding="utf-8")
    assert list(csv.reader(table.splitlines()))[1:] == [
        ["7", 'a, "b" <i>c</i>', str((found == 7).sum()), f"{share:.6f}"],
        ["3", "strasse", str((found == 3).sum()), f"{1 - share:.6f}"],
    ]
    assert not colours.find("tiff").is_displayed()

    # Colours over the image, and none of a class that is switched off.
    row, column = (int(i[0]) for i in np.nonzero(found == 7))
    colours.set(colours.find("opacity"), 100)
    assert colours.pixel(row, column) == [0, 0, 255]
    colours.rows()[0].find_element(By.CSS_SELECTOR, "input").click()
    assert colours.pixel(row, column) == image[row, column, :3].tolist()
    colours.press("sure")
    row, column = (int(i[0]) for i in np.nonzero(found == 3))
    assert colours.pixel(row, column) not in ([128, 128, 128], image[row, column, :3].tolist())
    assert colours.faults() == []


def test_photographs_of_all_kinds(colours: Page, tmp_path: Path) -> None:
    page = remainder_page(colours, tmp_path / "web", [{}] * 3)
    image = Image.fromarray(painted())
    # Lying, and of a profile that swaps colours if it is heeded.
    exif = Image.Exif()
    exif[0x0112] = 6
    lying = tmp_path / "lying.jpg"
    image.save(lying, quality=92, exif=exif, icc_profile=swapped_profile())
    raster = Raster(lying)
    assert (raster.height, raster.width) == SIZE[::-1]
    page.check(lying, raster)
    image.save(tmp_path / "profile.png", icc_profile=swapped_profile())
    page.check(tmp_path / "profile.png", Raster(tmp_path / "profile.png"))
    for name, other in (("grey.jpg", image.convert("L")), ("few.png", image.quantize(40))):
        other.save(tmp_path / name)
        page.check(tmp_path / name, Converted(Raster(tmp_path / name), 3))
    half = np.dstack([painted(), np.full(SIZE, 200, np.uint8)])
    Image.fromarray(half).save(tmp_path / "half.png")
    page.look_at(tmp_path / "half.png")
    assert "half transparent" in page.text("notes")
    assert page.faults() == []


def test_grey_models_take_the_brightness_of_colours(colours: Page, tmp_path: Path) -> None:
    page = remainder_page(colours, tmp_path / "web", [{}])
    path = tmp_path / "a.png"
    Image.fromarray(painted()).save(path)
    page.check(path, Converted(Raster(path), 1))
    gdal_tiff(tmp_path / "b.tif", painted())
    page.check(tmp_path / "b.tif", Converted(Raster(tmp_path / "b.tif"), 1))


def test_what_is_refused(colours: Page, tmp_path: Path) -> None:
    colours.open(colours.address)
    image = painted()[:40, :50]
    png(tmp_path / "deep.png", image.astype(np.uint16) * 257)
    Image.fromarray(image).convert("CMYK").save(tmp_path / "inks.jpg")
    Image.fromarray(image).quantize(9).save(tmp_path / "palette.tif")
    gdal_tiff(tmp_path / "four.tif", np.dstack([image, image[..., 0]]))
    gdal_tiff(tmp_path / "lossy.tif", image, compress="jpeg", photometric="rgb")
    (tmp_path / "words.png").write_text("no image")
    Image.fromarray(image).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:60])
    (tmp_path / "cut.tif").write_bytes((tmp_path / "four.tif").read_bytes()[:200])
    for name, message in {
        "deep.png": "8 bits a value; received a PNG of 16",
        "inks.jpg": "four inks",
        "palette.tif": "colours by a palette",
        "four.tif": "Expected 3 bands, as the model was trained on; received 4",
        "lossy.tif": "JPEG compression",
        "words.png": "Expected a PNG, a JPEG or a TIFF; received words.png",
        "cut.png": "received cut.png, which is damaged",
        "cut.tif": "Expected a TIFF that geotiff.js reads; received cut.tif",
    }.items():
        colours.look_at(tmp_path / name)
        assert message in colours.text("status")
        assert not colours.find("downloads").is_displayed()
    # The page goes on as if nothing had happened.
    colours.look_at(tmp_path / "whole.png")
    assert "40 × 50 pixels" in colours.text("status")


def test_nothing_can_be_sent_anywhere(colours: Page) -> None:
    colours.open(colours.address)
    elsewhere: list[str] = []
    address = serve(colours.folder, elsewhere)
    script = """
      const done = arguments[arguments.length - 1];
      const sent = `fetch("${arguments[0]}", {method: "POST", mode: "no-cors", body: "pixels"})`;
      const inside = new Worker(URL.createObjectURL(new Blob([
        `${sent}.then(() => postMessage("sent"), () => postMessage("refused"))`])));
      inside.onmessage = ({ data }) =>
        fetch(arguments[0]).then(() => done("sent"), () => done(data));
    """
    assert colours.browser.execute_async_script(script, address) == "refused"
    assert elsewhere == []
    assert {line.split()[0] for line in colours.asked} == {"GET"}
    assert all("Content Security Policy" in fault for fault in colours.faults())

    colours.browser.get((colours.folder / "index.html").as_uri())
    assert "python3 -m http.server" in colours.text("status")
    colours.faults()


def test_a_file_that_was_changed_is_not_run(colours: Page, tmp_path: Path) -> None:
    changed = tmp_path / "changed"
    changed.mkdir()
    for path in colours.folder.iterdir():
        (changed / path.name).symlink_to(path)
    (changed / "vendor").unlink()
    for path in (colours.folder / "vendor").rglob("*.*"):
        copy = changed / path.relative_to(colours.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes() + b" " * (path.suffix == ".wasm"))
    colours.browser.get(serve(changed, []))
    until(lambda: ".wasm as it was exported" in colours.text("status"))
    assert not colours.find("choose").is_enabled()
    colours.faults()


def test_a_geotiff_of_four_bands(colours: Page, tmp_path: Path) -> None:
    bands = [{"number": number, "high": 3000} for number in (5, 1, 2, 3)]
    page = remainder_page(colours, tmp_path / "web", bands, resolution=2.0)
    image = painted(4).astype(np.uint16)[..., [0, 1, 2, 0, 3]] * 11
    image[..., 3] = 9
    image[:70, :300] = 0
    mask = np.full(SIZE, 255, np.uint8)
    mask[416:, 460:] = 0
    path = tmp_path / "scene.tif"
    tiled = {"tiled": True, "blockxsize": 128, "blockysize": 128}
    gdal_tiff(path, image, mask, compress="deflate", predictor=2, nodata=0, **tiled)
    found = page.check(path, Raster(path, bands=(5, 1, 2, 3)))
    assert (found == 255).sum() == 70 * 300 + 100 * 100
    assert "trained on pixels of 2.0 m; these have 0.50 m" in page.text("notes")
    with rasterio.open(page.download("tiff", "scene_labels.tif")) as map, rasterio.open(path) as of:
        assert (map.crs, map.transform, map.nodata) == (of.crs, of.transform, 255)
        assert map.colormap(1)[1][:3] == (16, 0, 0)
        np.testing.assert_array_equal(map.read(1), found)

    # Real numbers, of which a band is NaN here and there; and infrared that is tagged as alpha.
    real = image.astype(np.float32)
    real[5:9, 400:410, 2] = np.nan
    real[:70, :300] = -1e30
    gdal_tiff(path, real, nodata=-1e30, compress="lzw", interleave="band")
    found = page.check(path, Raster(path, bands=(5, 1, 2, 3)))
    assert (found == 255).sum() == 70 * 300 + 40
    Image.fromarray(painted()).save(tmp_path / "colours.jpg")
    page.look_at(tmp_path / "colours.jpg")
    assert "Expected a GeoTIFF of 4 bands" in page.text("status")
    assert page.faults() == []


def test_labels_that_depend_on_the_whole_scene(browser: Any, tmp_path: Path) -> None:
    served = served_infoseg()
    card = {
        "classes": [{"number": n, "name": str(n), "colour": "#00000" + str(n)} for n in range(3)],
        "bands": [{"name": str(n), "low": 0, "high": 255} for n in (1, 2, 3)],
        **{"no_data": -1, "whole_scene": True, "margin": served.margin, "align": served.align},
    }
    export_web(served, tmp_path / "web", Form(), card)
    page = Page(browser, tmp_path / "web", served)
    path = tmp_path / "a.png"
    slope = np.linspace(0.1, 1, SIZE[1])[:, None]
    Image.fromarray((painted() * slope).astype(np.uint8)).save(path)
    page.check(path, Raster(path))


def swapped_profile() -> bytes:
    """An ICC profile of an RGB space whose red and blue are each other's."""
    usual = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = int.from_bytes(usual[128:132], "big")
    places = {usual[132 + 12 * i : 136 + 12 * i].decode(): 136 + 12 * i for i in range(count)}
    red, blue = (slice(places[name], places[name] + 8) for name in ("rXYZ", "bXYZ"))
    usual[red], usual[blue] = usual[blue], usual[red]
    return bytes(usual)
