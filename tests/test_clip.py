"""Predictions of what lies inside of polygons alone."""

import csv
import json

import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from image_files import gdal_tiff
from PIL import Image
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.warp import transform_geom
from test_predict import picture
from tiny_run import make_run

from iic_tf.errors import DataMissingError, InputError
from iic_tf.export import labelling
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.predict import predict

SIDE = 90
UTM = "EPSG:32633"
PLACE = Affine(0.5, 0, 500000, 0, -0.5, 5800000)


def on_map(*corners):
    """A polygon by columns and rows, in UTM."""
    a, _, c, _, e, f = PLACE[:6]
    return {"type": "Polygon", "coordinates": [[(a * x + c, e * y + f) for x, y in corners]]}


TRIANGLE = on_map((12.2, 5.3), (71.4, 20.8), (30.6, 66.1), (12.2, 5.3))
SQUARE = on_map((60, 60), (70, 60), (70, 70), (60, 70), (60, 60))
ELSEWHERE = on_map((500, 500), (600, 500), (600, 600), (500, 500))


def geojson(path, *geometries, system=UTM):
    features = [{"type": "Feature", "properties": {}, "geometry": g} for g in geometries]
    crs = {"type": "name", "properties": {"name": system}}
    document = {"type": "FeatureCollection", "crs": crs, "features": features}
    path.write_text(json.dumps(document))
    return path


def inside_of(*geometries):
    """Which pixels' centres lie inside, by plain geometry."""
    rows, columns = np.mgrid[:SIDE, :SIDE]
    a, _, c, _, e, f = PLACE[:6]
    centres = shapely.points(a * (columns + 0.5) + c, e * (rows + 0.5) + f)
    polygons = [shapely.geometry.shape(geometry) for geometry in geometries]
    return shapely.contains(shapely.union_all(polygons), centres)


@pytest.fixture(scope="module")
def clipped(tmp_path_factory):
    """A run, a scene and what is found in all of it and inside of two polygons."""
    folder = tmp_path_factory.mktemp("clip")
    run = make_run(folder)
    pixels = np.maximum(picture(SIDE, SIDE), 1)
    pixels[15:25] = 0
    (folder / "in").mkdir()
    gdal_tiff(folder / "in/a.tif", pixels, nodata=0, crs=UTM, transform=PLACE)
    file = geojson(folder / "two.geojson", TRIANGLE, SQUARE)
    wanted = {"confidence": True, "probabilities": True, "polygons": True, "say": str}
    predict(run, folder / "in/a.tif", folder / "all", **wanted)
    predict(run, folder / "in/a.tif", folder / "part", clip=file, **wanted)
    return folder, run


def values(path):
    with rasterio.open(path) as file:
        return file.read()


def test_outside_is_no_data_and_inside_as_ever(clipped):
    folder, _ = clipped
    inside = inside_of(TRIANGLE, SQUARE)
    assert 0.1 < inside.mean() < 0.3
    for part in ("labels", "confidence", "probabilities"):
        whole, found = (values(folder / name / f"a_{part}.tif") for name in ("all", "part"))
        np.testing.assert_array_equal(found, np.where(inside, whole, 255))
    with Image.open(folder / "part/a_labels.png") as png:
        np.testing.assert_array_equal(np.asarray(png), values(folder / "part/a_labels.tif")[0])


def test_areas_shares_and_polygons_count_what_lies_inside(clipped):
    folder, _ = clipped
    labels = values(folder / "part/a_labels.tif")[0]
    with (folder / "part/areas.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = (labels != 255).sum()
    whole = values(folder / "all/a_labels.tif")[0]
    assert known == (inside_of(TRIANGLE, SQUARE) & (whole != 255)).sum()
    meta, _, geometry, fields = pyogrio.raw.read(folder / "part/a_polygons.gpkg")
    columns = dict(zip(meta["fields"], fields, strict=True))
    assert CRS.from_user_input(meta["crs"]) == CRS.from_user_input(UTM)
    np.testing.assert_allclose(shapely.area(shapely.from_wkb(geometry)).sum(), known / 4)
    for row in rows:
        count = (labels == int(row["number"])).sum()
        assert int(row["pixels"]) == count
        np.testing.assert_allclose(float(row["share"]), count / known, atol=1e-6)
        own = columns["number"] == int(row["number"])
        assert columns["pixels"][own].sum() == count
        np.testing.assert_allclose(
            columns["hectares"][own].sum(), float(row["hectares"]), atol=1e-6
        )


@pytest.mark.parametrize("suffix", [".gpkg", ".shp", ".geojson"])
def test_polygons_of_any_kind_of_file_and_system(clipped, suffix):
    folder, run = clipped
    path = folder / f"degrees{suffix}"
    turned = [transform_geom(UTM, "EPSG:4326", g) for g in (TRIANGLE, SQUARE)]
    if suffix == ".geojson":
        geojson(path, *turned, system="EPSG:4326")
    else:
        wkb = shapely.to_wkb([shapely.geometry.shape(g) for g in turned])
        pyogrio.raw.write(path, wkb, [], [], geometry_type="Polygon", crs="EPSG:4326")
    predict(run, folder / "in/a.tif", folder / suffix, clip=path, say=str)
    found = values(folder / suffix / "a_labels.tif")
    np.testing.assert_array_equal(found, values(folder / "part/a_labels.tif"))


def test_windows_outside_are_not_computed(clipped, monkeypatch):
    folder, run = clipped
    monkeypatch.setattr(labelling, "CORE", 20)
    asked = []
    maps = KerasPredictor.maps
    monkeypatch.setattr(KerasPredictor, "maps", lambda *args: asked.append(1) or maps(*args))
    file = geojson(folder / "one.geojson", SQUARE)
    predict(run, folder / "in/a.tif", folder / "few", clip=file, say=str)
    # Cores begin at multiples of 20: the square from 60 to 70 lies in one of 25.
    assert len(asked) == 1
    found = values(folder / "few/a_labels.tif")
    np.testing.assert_array_equal(
        found, np.where(inside_of(SQUARE), values(folder / "all/a_labels.tif"), 255)
    )


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_images_that_no_polygon_lies_on_are_told(clipped, tmp_path):
    _, run = clipped
    pixels = picture(40, 40)
    (tmp_path / "in").mkdir()
    far = Affine(0.5, 0, 504500, 0, -0.5, 5800000)
    gdal_tiff(tmp_path / "in/far.tif", pixels, crs=UTM, transform=far)
    gdal_tiff(tmp_path / "in/nowhere.tif", pixels, crs=None, transform=None)
    gdal_tiff(tmp_path / "in/near.tif", pixels, crs=UTM, transform=PLACE)
    line = {"type": "LineString", "coordinates": TRIANGLE["coordinates"][0][:2]}
    file = geojson(tmp_path / "c.geojson", TRIANGLE, line)
    said = []
    predict(run, tmp_path / "in", tmp_path / "out", clip=file, say=said.append)
    text = "\n".join(said)
    assert "1 points and lines of" in text
    assert "1 of 3 images, which lie nowhere on a map" in text
    assert "1 of 3 images, on which no polygon lies" in text
    assert sorted(p.name for p in (tmp_path / "out").glob("*_labels.tif")) == ["near_labels.tif"]


@pytest.mark.filterwarnings("ignore::rasterio.errors.NotGeoreferencedWarning")
def test_what_fits_no_clip_is_one_error_before_anything_is_written(clipped, tmp_path):
    folder, run = clipped
    line = {"type": "LineString", "coordinates": TRIANGLE["coordinates"][0][:2]}
    (tmp_path / "a.csv").write_text("image,row\n")
    cases = [
        (geojson(tmp_path / "far.geojson", ELSEWHERE), "polygons in .* at x 500250"),
        (geojson(tmp_path / "line.geojson", line), "polygons in .*; received 1 points and lines"),
        (geojson(tmp_path / "none.geojson"), "polygons in .*; received no features"),
        (tmp_path / "a.csv", "a file of polygons, one of"),
    ]
    for file, message in cases:
        with pytest.raises(InputError, match=message):
            predict(run, folder / "in/a.tif", tmp_path / "out", clip=file, say=str)
    with pytest.raises(DataMissingError, match="shapes at"):
        predict(run, folder / "in/a.tif", tmp_path / "out", clip=tmp_path / "no.gpkg", say=str)
    gdal_tiff(tmp_path / "n.tif", picture(40, 40), crs=None, transform=None)
    with pytest.raises(InputError, match="images that lie on a map"):
        predict(run, tmp_path / "n.tif", tmp_path / "out", clip=cases[0][0], say=str)
    assert not (tmp_path / "out").exists()
    many = make_run(tmp_path, classes=256)
    with pytest.raises(InputError, match="at most 255 clusters with --clip"):
        predict(many, folder / "in/a.tif", tmp_path / "out", clip=cases[0][0], say=str)
