"""Maps for a GIS: areas of classes, and the files that lie beside label maps."""

import csv
import json
import os
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import rasterio
import tifffile
from image_files import gdal_tiff
from PIL import Image
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.enums import ColorInterp
from test_predict import picture
from tiny_run import make_run

from iic_tf.data.folder import load_folder
from iic_tf.export import labelling
from iic_tf.export.areas import AreaSum, AreaTable
from iic_tf.export.label_files import write_labels
from iic_tf.export.legend import Legend
from iic_tf.export.predict import predict
from iic_tf.export.predictor import NO_DATA
from iic_tf.export.qgis_style import write_style
from iic_tf.export.served_run import load_served
from iic_tf.training.atomic import clear_left, scratch
from iic_tf.training.pace import Pace
from iic_tf.training.progress import Bar
from iic_tf.training.run import Run

SIDE = 96

MERIDIAN, PARALLEL = 6_367_381.816, 6_388_838.290
"""Radii of curvature of WGS 84 at 45°, metres: a(1−e²)/(1−e²/2)^1.5 and a/(1−e²/2)^0.5."""


def square_metres(place, labels, count=2, rows=40):
    areas = AreaSum(place, count)
    for top in range(0, len(labels), rows):
        areas.add(labels[top : top + rows])
    return areas.square_metres


def halves(height=SIDE, width=SIDE):
    """0 above, 1 below, 255 in the first column."""
    labels = np.repeat(np.arange(height) >= height // 2, width).reshape(height, width)
    labels = labels.astype(np.uint8)
    labels[:, 0] = 255
    return labels


def test_projected_areas_go_by_the_plane_and_its_unit():
    matrix = Affine(0.5, 0, 500000, 0, -0.5, 5800000)
    known = SIDE // 2 * (SIDE - 1)
    metres = square_metres({"crs": CRS.from_epsg(32633), "transform": matrix}, halves())
    np.testing.assert_allclose(metres, [known / 4] * 2)
    # Feet of the US survey, and a turned picture of the same pixels.
    turned = Affine(0.4, 0.3, 500000, 0.3, -0.4, 5800000)
    feet = square_metres({"crs": CRS.from_epsg(2263), "transform": turned}, halves())
    np.testing.assert_allclose(feet, [known / 4 * (1200 / 3937) ** 2] * 2)


def test_areas_of_degrees_are_those_on_the_ellipsoid():
    world = {"crs": CRS.from_epsg(4326), "transform": Affine(3.75, 0, -180, 0, -1.875, 90)}
    labels = np.repeat([[0], [1]], SIDE, 1).repeat(SIDE // 2, 0).astype(np.uint8)
    # Half of all the surface each, 510 065 621.724 km².
    np.testing.assert_allclose(square_metres(world, labels), [2.55032810862e14] * 2, rtol=1e-11)
    # Pixels of 1e-5° at 45°: the radii of curvature there give an area by hand.
    across = np.radians(1e-5)
    pixel = MERIDIAN * PARALLEL * np.cos(np.pi / 4) * across**2
    for matrix in (Affine(1e-5, 0, 9, 0, -1e-5, 45), Affine(0, 1e-5, 9, 1e-5, 0, 45)):
        place = {"crs": CRS.from_epsg(4326), "transform": matrix}
        found = square_metres(place, np.zeros((2, 3), np.uint8))
        # Half a pixel of latitude is 1e-7 of the area.
        np.testing.assert_allclose(found, [6 * pixel, 0], rtol=1e-6)


def test_mercators_plane_is_not_taken_for_the_ground():
    # Pseudo-Mercator's y of 45° north; its plane is twice as large there as the ground.
    matrix = Affine(2, 0, 1e6, 0, -2, 5621521.486 + SIDE)
    place = {"crs": CRS.from_epsg(3857), "transform": matrix}
    found = square_metres(place, np.zeros((SIDE, SIDE), np.uint8))[0]
    ground = MERIDIAN * PARALLEL * np.cos(np.pi / 4) ** 2 / 6378137.0**2
    np.testing.assert_allclose(found, 4 * SIDE**2 * ground, rtol=1e-6)


@pytest.mark.parametrize(
    "place",
    [
        {},
        {"crs": CRS.from_epsg(4326)},
        {"transform": Affine(2, 0, 0, 0, -2, 0)},
        {"crs": CRS.from_wkt('LOCAL_CS["a",UNIT["metre",1]]'), "transform": Affine.scale(2)},
        {"crs": CRS.from_epsg(4326), "gcps": []},
    ],
)
def test_what_tells_no_area_has_none(place):
    assert square_metres(place, halves()) is None


def collared():
    """A picture whose first ten columns, and nothing else, are 0."""
    pixels = np.maximum(picture(SIDE, SIDE), 1)
    pixels[:, :10] = 0
    return pixels


@pytest.fixture(scope="module")
def mapped(tmp_path_factory):
    """A run, two scenes with a place and one without, and what was found and said of them."""
    folder = tmp_path_factory.mktemp("maps")
    run = make_run(folder)
    run.classes_file.write_text(
        "head: main\nclasses:\n"
        "  'land <&> \"ice\"': {number: 5, show: '#00FF00', clusters: [0]}\n"
        "  sea: {number: 2, show: '#0000FF', clusters: [1, 2]}\n"
    )
    (folder / "in").mkdir()
    gdal_tiff(folder / "in/a.tif", collared(), nodata=0)
    degrees = Affine(1e-5, 0, 9, 0, -1e-5, 45)
    gdal_tiff(folder / "in/b.tif", picture(SIDE, 60, seed=1), crs="EPSG:4326", transform=degrees)
    said: list[str] = []
    for name in ("a", "b"):
        predict(run, folder / f"in/{name}.tif", folder / name, say=said.append)
    wanted = {"confidence": True, "probabilities": True}
    predict(run, folder / "in", folder / "out", **wanted, say=said.append)
    return folder, said


def rows_of(folder):
    with (folder / "areas.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_areas_of_scenes_and_their_totals(mapped):
    folder, _ = mapped
    rows = rows_of(folder / "out")
    names = [("2", "sea"), ("5", 'land <&> "ice"')]
    assert [(r["scene"], r["number"], r["name"]) for r in rows] == [
        (scene, *name) for scene in "ab" for name in names
    ]
    for scene, count in (("a", SIDE * (SIDE - 10)), ("b", SIDE * 60)):
        own = [row for row in rows if row["scene"] == scene]
        assert sum(int(row["pixels"]) for row in own) == count
        np.testing.assert_allclose(sum(float(row["share"]) for row in own), 1, atol=1e-6)
        assert own == rows_of(folder / scene)
    for row in rows[:2]:
        assert float(row["hectares"]) == int(row["pixels"]) / 4 / 10_000
    legend = json.loads((folder / "out/legend.json").read_text())
    for number, name in names:
        own = [row for row in rows if row["number"] == number]
        entry = legend[number]
        assert entry["name"] == name
        assert entry["pixels"] == sum(int(row["pixels"]) for row in own)
        np.testing.assert_allclose(entry["hectares"], sum(float(r["hectares"]) for r in own))
    np.testing.assert_allclose(sum(entry["share"] for entry in legend.values()), 1, atol=1e-6)


def test_totals_have_no_hectares_where_a_scene_has_none():

    legend = Legend(("x", "y"), np.zeros((2, 3), np.uint8), np.arange(2, dtype=np.int32))
    table = AreaTable(legend)
    assert [total["share"] for total in table.totals()] == [0, 0]
    table.add("a", np.array([3, 1]), np.array([30000.0, 10000.0]))
    assert [total["hectares"] for total in table.totals()] == [3, 1]
    table.add("b", np.array([0, 4]), None)
    assert table.totals()[1] == {"pixels": 5, "share": 0.625, "hectares": None}


def tree_labels(height, width):
    """Labels in 2 × 2 boxes of which three pixels agree; 255 where nothing is known."""
    boxes = np.random.default_rng(0).integers(0, 3, (height // 2, width // 2)).astype(np.uint8)
    boxes[:20, :20] = NO_DATA
    labels = boxes.repeat(2, 0).repeat(2, 1)
    labels[::2, ::2] = (labels[::2, ::2] + 1) % 3
    return labels, boxes


def test_a_label_map_is_a_cloud_optimised_geotiff(tmp_path):
    labels, boxes = tree_labels(1100, 640)
    colours = np.array([[255, 0, 0], [0, 9, 0], [1, 2, 3]], np.uint8)
    place = {"crs": CRS.from_epsg(32633), "transform": Affine(0.5, 0, 500000, 0, -0.5, 5800000)}
    strips = (labels[top : top + 300] for top in range(0, len(labels), 300))
    names = {1: "Straße <&>"}
    write_labels(tmp_path, "a", strips, labels.shape, colours, place, names)
    path = tmp_path / "a_labels.tif"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a_labels.png", "a_labels.tif"]
    with rasterio.open(path) as file:
        assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert (file.crs, file.transform, file.nodata) == (*place.values(), NO_DATA)
        assert file.block_shapes == [(512, 512)]
        assert file.overviews(1) == [2, 4]
        assert file.tags(1) == {"CLASS_1": "Straße <&>"}
        table = file.colormap(1)
        assert [table[i] for i in range(3)] == [(*map(int, colour), 255) for colour in colours]
        assert table[NO_DATA] == (0, 0, 0, 0)
        np.testing.assert_array_equal(file.read(1), labels)
    with rasterio.open(path, overview_level=0) as file:
        # The most frequent label, and no data only where nothing else is.
        found = file.read(1)
        np.testing.assert_array_equal(found[20:], boxes[20:])
        np.testing.assert_array_equal(found[:, 20:], boxes[:, 20:])
    # By another reader: directories from large to small before all data, whose order is reversed.
    with tifffile.TiffFile(path) as file:
        pages = file.pages
        assert [page.shape for page in pages] == [(1100, 640), (550, 320), (275, 160)]
        assert all(page.is_tiled for page in pages)
        offsets = [page.offset for page in pages]
        data = [min(page.dataoffsets) for page in pages]
        assert offsets == sorted(offsets)
        assert max(offsets) < min(data)
        assert data == sorted(data, reverse=True)


def test_a_killed_map_is_cleared_away(tmp_path):
    with scratch(tmp_path / "a_labels.tif") as room:
        (room / "tiled.tif").write_bytes(b"x")
        clear_left(tmp_path)
        assert room.is_dir()
        # As another process, which is no more, would have named it.
        left = room.with_name(room.name.replace(f"-{os.getpid()}-", "-999999999-"))
        room.rename(left)
        clear_left(tmp_path)
        assert not left.exists()


def test_probabilities_at_full_size_lie_where_the_labels_do(mapped, monkeypatch):
    folder, _ = mapped
    run = Run.open(folder / "run")
    seen = collared().astype(np.float32)
    seen[:, :10] = np.nan
    expected = np.asarray(load_served(run)(seen[None])["probabilities"])[0]
    # `in` once more, by windows that fit no tile.
    monkeypatch.setattr(labelling, "CORE", 20)
    again = folder / "again"
    predict(run, folder / "in/a.tif", again, confidence=True, probabilities=True, say=str)
    for out in (folder / "out", again):
        with rasterio.open(out / "a_probabilities.tif") as file:
            assert file.descriptions == ("2 sea", '5 land <&> "ice"')
            assert set(file.colorinterp) <= {ColorInterp.gray, ColorInterp.undefined}
            assert set(file.units) == {"%"}
            every = file.read()
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        with rasterio.open(out / "a_confidence.tif") as file:
            assert (file.count, file.dtypes, file.nodata) == (1, ("uint8",), NO_DATA)
            best = file.read(1)
            place = (file.crs, file.transform)
        with rasterio.open(out / "a_labels.tif") as file:
            assert (file.crs, file.transform) == place
            labels = file.read(1)
        assert (best[:, :10] == NO_DATA).all()
        assert (every[..., :10] == NO_DATA).all()
        assert best[:, 10:].max() <= 100
        np.testing.assert_array_equal(best[:, 10:], every[..., 10:].max(0))
        # Index 0 of the model is land, number 5; files go by numbers.
        np.testing.assert_allclose(
            every[..., 10:], 100 * expected[:, 10:, ::-1].transpose(2, 0, 1), atol=0.51
        )
        np.testing.assert_array_equal(labels[:, 10:], np.array([5, 2])[expected[:, 10:].argmax(-1)])


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_pictures_without_a_place_have_probabilities_too(mapped, tmp_path):
    folder, _ = mapped
    Image.fromarray(picture(20, 30)).save(tmp_path / "c.png")
    wanted = {"confidence": True, "probabilities": True}
    predict(Run.open(folder / "run"), tmp_path / "c.png", tmp_path / "out", **wanted, say=str)
    files = {path.name for path in (tmp_path / "out").glob("c_*")}
    parts = ("labels.png", "overlay.jpg", "confidence.png", "probabilities.tif")
    assert files == {f"c_{part}" for part in parts}
    with rasterio.open(tmp_path / "out/c_probabilities.tif") as file:
        assert (file.count, file.shape) == (2, (20, 30))
    # None of them is taken for an image, though it lies among images.
    Image.fromarray(picture(20, 30)).save(tmp_path / "out/d.png")
    assert [scene.name for scene in load_folder(tmp_path / "out").scenes] == ["d"]


def test_how_fast_it_goes_and_how_long_the_rest_takes(mapped):
    _, said = mapped
    first, second = [line for line in said if re.match(r"[12]/2  ", line)]
    assert re.search(r"  \d+\.\d s, [\d.e-]+ MP/s, \d+:\d\d left$", first)
    assert re.search(r"  \d+\.\d s, [\d.e-]+ MP/s$", second)
    pace = Pace(70_000_000)
    pace.add(6_000_000, 4)
    assert str(pace) == "1.5 MP/s, 0:42 left"
    pace.skip(60_000_000)
    assert str(pace) == "1.5 MP/s, 0:02 left"
    pace.add(4_000_000, 96)
    assert str(pace) == "0.1 MP/s"


def test_the_bar_says_how_fast(mapped, monkeypatch, tmp_path):
    folder, _ = mapped
    notes = []
    monkeypatch.setattr(Bar, "note", lambda bar, text: notes.append(text))
    predict(Run.open(folder / "run"), folder / "in/b.tif", tmp_path / "out", say=str)
    assert notes
    assert all(note.endswith(" MP/s") for note in notes)


def test_a_style_for_qgis_has_the_names_and_colours(mapped):
    folder, _ = mapped
    tree = ElementTree.parse(folder / "out/a_labels.qml")
    assert tree.getroot().tag == "qgis"
    renderer = tree.find("pipe/rasterrenderer")
    assert (renderer.get("type"), renderer.get("band")) == ("paletted", "1")
    entries = [dict(entry.items()) for entry in renderer.findall("colorPalette/paletteEntry")]
    assert entries == [
        {"value": "2", "label": "sea", "color": "#0000ff", "alpha": "255"},
        {"value": "5", "label": 'land <&> "ice"', "color": "#00ff00", "alpha": "255"},
    ]
    with rasterio.open(folder / "out/a_labels.tif") as file:
        table = file.colormap(1)
    assert all("#" + bytes(table[int(e["value"])][:3]).hex() == e["color"] for e in entries)


def test_a_style_is_xml_whatever_the_names_are(tmp_path):
    names = ("bell\a", "half \ud800", "zwei\nZeilen")
    write_style(
        tmp_path / "a.qml", Legend(names, np.zeros((3, 3), np.uint8), np.arange(3, dtype=np.int32))
    )
    found = ElementTree.parse(tmp_path / "a.qml").iter("paletteEntry")
    assert [entry.get("label") for entry in found] == ["bell ", "half  ", "zwei Zeilen"]
