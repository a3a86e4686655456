"""Shapes on the map as labels: which pixels they mark, worked by hand."""

from __future__ import annotations

import json
import math
import os
import pickle
import sys

import numpy as np
import pytest
import rasterio
from image_files import save
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.warp import transform
from real_data import shared_data

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.file_scene import FileScene
from iic_tf.data.folder import load_folder
from iic_tf.data.label_file import marked
from iic_tf.data.scene import IGNORE
from iic_tf.errors import DataMissingError, InputError

UTM = "EPSG:32633"  # Its central meridian is 15 degrees east, easting 500000.
NORTH_UP = rasterio.Affine(1, 0, 500000, 0, -1, 20)
"""Pixels of 1 m beside the equator: row 0 begins at northing 20."""

TURNED = rasterio.Affine(*(0, 2, 500000, 2, 0, 0))
"""Pixels of 2 m, rows to the east and columns to the north."""


def image(path, place=NORTH_UP, crs=UTM, size=(10, 12), **more):
    path.parent.mkdir(parents=True, exist_ok=True)
    how = {"driver": "GTiff", "count": 1, "dtype": "uint8", "height": size[0], "width": size[1]}
    if place is not None:
        how["transform"] = place
    with rasterio.open(path, "w", **how, **({"crs": crs} if crs else {}), **more) as file:
        file.write(np.arange(size[0] * size[1], dtype=np.uint8).reshape(1, *size))


def degrees(x, y):
    """Longitude and latitude of metres beside easting 500000 and northing 0.

    UTM's scale on its central meridian is 0.9996; at the equator WGS 84 has the radius a across
    and a (1 - e^2) along the meridian. Good to a micrometre within a few metres.
    """
    a, e2 = 6378137.0, 0.00669437999014
    east = math.degrees((x - 500000) / (0.9996 * a))
    return [15 + east, math.degrees(y / (0.9996 * a * (1 - e2)))]


def box(x0, y0, x1, y1, how=degrees):
    return [how(x, y) for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))]


def feature(kind, coordinates, name, **more):
    geometry = None if kind is None else {"type": kind, "coordinates": coordinates}
    return {"type": "Feature", "geometry": geometry, "properties": {"class": name, **more}}


def geojson(path, *features, **more):
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features, **more}))
    return path


def expected(marks, size=(10, 12)):
    mask = np.full(size, IGNORE)
    for rows, columns, value in marks:
        mask[rows, columns] = value
    return mask


def whole(scene):
    return scene.read_mask(0, 0, scene.height, scene.width)


FAR = feature("Point", degrees(500011.5, 10.5), "z")
"""A second class, in the lower right pixel of the image: row 9, column 11."""


@pytest.fixture
def folder(tmp_path):
    image(tmp_path / "images" / "a.tif")
    return tmp_path / "images"


def test_a_polygon_in_degrees_over_utm(tmp_path, folder):
    # Centres of rows 2 to 4 (northing 17.5 to 15.5) and of columns 3 to 6, by 0.1 m and more.
    shape = feature("Polygon", [box(500003.4, 15.4, 500006.6, 17.6)], "house")
    found = marked(load_folder(folder), geojson(tmp_path / "l.geojson", shape, FAR))
    assert found.classes.names == ("house", "z")
    exact = expected([(slice(2, 5), slice(3, 7), 0), (9, 11, 1)])
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)
    # A little less than to the centres on all sides.
    shape = feature("Polygon", [box(500003.6, 15.6, 500006.4, 17.4)], "house")
    found = marked(load_folder(folder), geojson(tmp_path / "l.geojson", shape, FAR))
    exact = expected([(3, slice(4, 6), 0), (9, 11, 1)])
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)


def test_parts_holes_lines_and_points(tmp_path, folder):
    ring, hole = box(500000, 12, 500005, 20), box(500001, 13, 500004, 19)
    file = geojson(
        tmp_path / "l.json",
        feature("MultiPolygon", [[ring, hole], [box(500008, 18, 500010, 20)]], "a"),
        feature("MultiPoint", [degrees(500002.5, 15.5), degrees(500002.01, 16.99)], "b"),
        feature("LineString", [degrees(500006.5, 15.5), degrees(500006.5, 12.5)], "c"),
        feature("MultiLineString", [[degrees(500011.5, 19.5), degrees(500009.5, 17.5)]], "d"),
        feature("Point", [*degrees(500011.5, 10.5), 120.0], "b"),
    )
    found = marked(load_folder(folder), file)
    assert found.classes.names == ("a", "b", "c", "d")
    exact = expected(
        [
            *[(slice(0, 8), slice(0, 5), 0), (slice(1, 7), slice(1, 4), IGNORE)],
            *[(slice(0, 2), slice(8, 10), 0), (4, 2, 1), (3, 2, 1), (slice(4, 8), 6, 2)],
            *[(0, 11, 3), (1, 10, 3), (2, 9, 3), (9, 11, 1)],
        ]
    )
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)
    again = pickle.loads(pickle.dumps(found.scenes[0]))
    for top, left, height, width in ((0, 0, 3, 3), (3, 1, 5, 7), (1, 9, 2, 2), (9, 11, 1, 1)):
        window = exact[top : top + height, left : left + width]
        np.testing.assert_array_equal(again.read_mask(top, left, height, width), window)
        assert again.read_mask(top, left, height, width).dtype == np.int32


def test_the_later_feature_counts(tmp_path, folder):
    large = feature("Polygon", [box(500000, 10, 500012, 20)], "land")
    small = feature("Polygon", [box(500000, 18, 500002, 20)], "lake")
    over = marked(load_folder(folder), geojson(tmp_path / "l.geojson", large, small))
    exact = expected([(slice(None), slice(None), 1), (slice(0, 2), slice(0, 2), 0)])
    np.testing.assert_array_equal(whole(over.scenes[0]), exact)
    under = marked(load_folder(folder), geojson(tmp_path / "l.geojson", small, large, FAR))
    # The lake, seen nowhere but covered, stays a class.
    exact = expected([(slice(None), slice(None), 1), (9, 11, 2)])
    np.testing.assert_array_equal(whole(under.scenes[0]), exact)


def test_a_turned_image(tmp_path):
    image(tmp_path / "i" / "a.tif", TURNED, size=(4, 5))
    # Row r covers eastings 2r to 2r + 2, column c northings 2c to 2c + 2: rows 1, 2 and column 3.
    shape = feature("Polygon", [box(500002, 6, 500006, 8)], "a")
    point = feature("Point", degrees(500007.9, 0.1), "b")
    found = marked(load_folder(tmp_path / "i"), geojson(tmp_path / "l.geojson", shape, point))
    exact = expected([(slice(1, 3), 3, 0), (3, 0, 1)], (4, 5))
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)


def test_an_image_turned_by_45_degrees(tmp_path):
    # A step along a row is (1, 1) on the map, a step down (1, -1).
    image(tmp_path / "i" / "a.tif", rasterio.Affine(1, 1, 500000, 1, -1, 10), size=(6, 6))
    # Pixel centres lie at x = 500000 + column + row + 1, y = 10 + column - row.
    shape = feature("Polygon", [box(500002.5, 8.5, 500005.5, 11.5)], "a")
    far = feature("Point", degrees(500011, 10), "b")
    found = marked(load_folder(tmp_path / "i"), geojson(tmp_path / "l.geojson", shape, far))
    exact = expected([], (6, 6))
    for row in range(6):
        for column in range(6):
            x, y = column + row + 1, 10 + column - row
            if 2.5 < x < 5.5 and 8.5 < y < 11.5:
                exact[row, column] = 0
    exact[5, 5] = 1
    assert (exact == 0).sum() == 4
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)


def test_the_older_crs_member(tmp_path, folder):
    shape = feature("Polygon", [box(500003, 15, 500007, 18, lambda x, y: [x, y])], "a")
    far = feature("Point", [500011.5, 10.5], "b")
    for name in ("urn:ogc:def:crs:EPSG::32633", "EPSG:32633"):
        crs = {"type": "name", "properties": {"name": name}}
        found = marked(load_folder(folder), geojson(tmp_path / "l.geojson", shape, far, crs=crs))
        exact = expected([(slice(2, 5), slice(3, 7), 0), (9, 11, 1)])
        np.testing.assert_array_equal(whole(found.scenes[0]), exact)


def test_ground_control_points(tmp_path):
    def points(bend):
        corners = [(0, 0), (0, 12), (10, 0), (10, 12)]
        found = [GroundControlPoint(r, c, 500000 + c, 20 - r) for r, c in corners]
        return [*found, GroundControlPoint(5, 6, 500006 + bend, 15)]

    shape = feature("Polygon", [box(500003, 15, 500007, 18)], "a")
    file = geojson(tmp_path / "l.geojson", shape, FAR)
    image(tmp_path / "i" / "a.tif", None, gcps=points(0))
    found = marked(load_folder(tmp_path / "i"), file)
    exact = expected([(slice(2, 5), slice(3, 7), 0), (9, 11, 1)])
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)
    image(tmp_path / "i" / "a.tif", None, gcps=points(4))
    # The mean of 5 points: the bent one stays 4/5 of 4 pixels off, the others 1/5.
    with pytest.raises(InputError, match=r"points up to 3\.2 pixels off.*gdalwarp"):
        marked(load_folder(tmp_path / "i"), file)


def test_scenes_without_a_label(tmp_path, folder):
    image(folder / "b.tif", rasterio.Affine(1, 0, 600000, 0, -1, 20))
    save(folder / "c.tif", np.zeros((10, 12), np.uint8))
    # Its box touches image d, its area doesn't.
    image(folder / "d.tif", rasterio.Affine(1, 0, 500020, 0, -1, 40))
    corners = [(500004, 15), (500032, 15), (500004, 16.9)]
    shape = feature("Polygon", [[degrees(*c) for c in (*corners, corners[0])]], "a")
    corners = [(500040, 45), (500010, 45), (500010, 25), (500020, 41), (500040, 41)]
    beside = feature("Polygon", [[degrees(*c) for c in (*corners, corners[0])]], "a")
    tiny = feature("Polygon", [box(500001.1, 11.1, 500001.4, 11.4)], "b")
    none, hollow = feature("Point", degrees(500001, 12), None), feature(None, None, "a")
    away = feature("Point", [100, 80], "far")
    file = geojson(tmp_path / "l.geojson", shape, beside, tiny, none, hollow, away, FAR)
    found = marked(load_folder(folder), file)
    assert [s.has_mask for s in found.scenes] == [True, False, False, False]
    assert found.classes.names == ("a", "z")
    assert found.notes == (
        f"left out of '{file}': 1 features without a class",
        f"left out of '{file}': 1 features without a geometry",
        f"left out of '{file}': 1 polygons so small that they hold no pixel's centre",
        "1 of 4 images lie nowhere on a map: no labels",
        "classes that fall on no image: b, far",
    )


def test_a_feature_that_utm_cannot_place_is_left_out(tmp_path, folder):
    world = feature("Polygon", [[[-180, -90], [180, -90], [180, 95], [-180, 95], [-180, -90]]], "w")
    point = feature("Point", degrees(500000.5, 19.5), "a")
    found = marked(load_folder(folder), geojson(tmp_path / "l.geojson", world, point, FAR))
    np.testing.assert_array_equal(whole(found.scenes[0]), expected([(0, 0, 0), (9, 11, 1)]))
    assert "1 shapes with corners that an image's system cannot place" in found.notes[0]


def test_attributes(tmp_path, folder):
    shape = feature("Point", degrees(500000.5, 19.5), "a", sort=3, area=1.5)
    other = feature("Point", degrees(500002.5, 19.5), "b", sort=12, area=2.0)
    file = geojson(tmp_path / "l.geojson", shape, other)
    found = marked(load_folder(folder), file, "sort")
    assert found.classes.names == ("3", "12")
    np.testing.assert_array_equal(whole(found.scenes[0]), expected([(0, 0, 0), (0, 2, 1)]))
    with pytest.raises(InputError, match=r"'Class' in .*the attributes 'class', 'sort'; say"):
        marked(load_folder(folder), file, "Class")
    with pytest.raises(InputError, match=r"whole number for 'area'; received 1.5 in feature 0"):
        marked(load_folder(folder), file, "area")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expected GeoJSON features"),
        ("[1]", "of type 'list'"),
        ('{"type": "Point", "coordinates": [1, 2]}', "of type 'Point'"),
        ('{"type": "FeatureCollection", "features": []}', "received no features"),
        ('{"type": "FeatureCollection", "features": [3]}', r"feature 0 \(from 0\), which is none"),
        ('{"type": "FeatureCollection", "features": [], "crs": null}', "without a name, crs=None"),
        (
            '{"type": "FeatureCollection", "features": [], "crs": {"type": "name", '
            '"properties": {"name": "EPSG:1"}}}',
            "system that PROJ knows.*'EPSG:1'",
        ),
        (json.dumps(feature("Point", ["x", 1], "a")), "a Point of coordinates"),
        (json.dumps(feature("Point", [math.nan, 1], "a")), "a Point of coordinates"),
        (json.dumps(feature("Polygon", [[[0, 0], [1, 1]]], "a")), "a Polygon of coordinates"),
        (json.dumps(feature("Circle", [0, 0], "a")), "geometry of type 'Circle'"),
        (json.dumps(feature("Point", [15, 0], "a")), "2 classes in .*'a' alone"),
        ('{"type": "Feature", "properties": {}, "geometry": null}', "received none at all"),
    ],
)
def test_odd_geojson_is_refused_in_a_line(tmp_path, folder, text, said):
    file = tmp_path / "l.geojson"
    file.write_text(text)
    with pytest.raises(InputError, match=said) as caught:
        marked(load_folder(folder), file)
    assert "\n" not in str(caught.value)


def test_nothing_on_the_map(tmp_path, folder):
    away = [feature("Point", [lon, 48.5], name) for lon, name in ((9, "a"), (10.25, "b"))]
    file = geojson(tmp_path / "l.geojson", *away)
    said = r"x 9 to 10.25, y 48.5 to 48.5 in OGC:CRS84, and images at x 15 to 15.0001"
    with pytest.raises(InputError, match=said):
        marked(load_folder(folder), file)
    file = geojson(tmp_path / "l.geojson", *away, FAR)
    with pytest.raises(InputError, match=r"2 classes that fall on an image.*'z' alone"):
        marked(load_folder(folder), file)
    with pytest.raises(InputError, match=r"images that lie on a map.*1 without, such as '00000'"):
        marked(from_arrays([np.zeros((4, 4, 1), np.uint8)]), file)
    with pytest.raises(DataMissingError, match="no file"):
        marked(load_folder(folder), tmp_path / "other.gpkg")
    with pytest.raises(InputError, match=r"one of .csv, .geojson, .json, .gpkg; received '.*shp'"):
        marked(load_folder(folder), tmp_path / "l.shp")


def test_one_entry_for_points_too(tmp_path, folder):
    (tmp_path / "p.CSV").write_text("image,row,column,kind\na,1,2,x\na,3,4,y\n")
    found = marked(load_folder(folder), tmp_path / "p.CSV", "kind")
    np.testing.assert_array_equal(whole(found.scenes[0]), expected([(1, 2, 0), (3, 4, 1)]))


def write_gpkg(path, layer, crs, shapes, attributes, append=False):
    pyogrio, shapely = pytest.importorskip("pyogrio"), pytest.importorskip("shapely")
    wkb = np.array([None if s is None else shapely.to_wkb(s) for s in shapes], object)
    pyogrio.raw.write(
        *(path, wkb, [np.array(v, object) for v in attributes.values()], list(attributes)),
        layer=layer,
        driver="GPKG",
        geometry_type="Unknown",
        crs=crs,
        append=append,
    )


def test_a_geopackage_in_a_third_system(tmp_path, folder):
    shapely = pytest.importorskip("shapely")
    # Web Mercator: metres that are a little longer than UTM's, by 1 / 0.9996 at the equator.
    a = 6378137.0

    def mercator(x, y):
        longitude, latitude = (math.radians(v) for v in degrees(x, y))
        return [a * longitude, a * math.log(math.tan(math.pi / 4 + latitude / 2))]

    house = shapely.Polygon(box(500003.4, 15.4, 500006.6, 17.6, mercator))
    point = shapely.Point(*mercator(500011.5, 10.5), 3.0)
    attributes = {"class": ["house", "tree", None], "note": ["", "x", "y"]}
    file = tmp_path / "l.gpkg"
    write_gpkg(file, "things", "EPSG:3857", [house, point, point], attributes)
    before = sorted(os.listdir(tmp_path))
    found = marked(load_folder(folder), file)
    assert sorted(os.listdir(tmp_path)) == before
    exact = expected([(slice(2, 5), slice(3, 7), 0), (9, 11, 1)])
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)
    assert found.notes == (f"left out of '{file}': 1 features without a class",)
    with pytest.raises(InputError, match="the attributes 'class', 'note'"):
        marked(load_folder(folder), file, "kind")


def test_layers_of_a_geopackage(tmp_path, folder):
    shapely = pytest.importorskip("shapely")
    file = tmp_path / "l.gpkg"
    ground = [shapely.Point(500000.5, 19.5), shapely.MultiPoint([(500001.5, 19.5)]), None]
    write_gpkg(file, "a", UTM, ground, {"class": ["x", "y", "y"]})
    write_gpkg(file, "b", "EPSG:4326", [shapely.Point(degrees(500002.5, 19.5))], {"class": ["x"]},
               append=True)  # fmt: skip
    write_gpkg(file, "c", "EPSG:4326", [shapely.Point(0, 0)], {"other": ["x"]}, append=True)
    found = marked(load_folder(folder), file)
    exact = expected([(0, 0, 0), (0, 1, 1), (0, 2, 0)])
    np.testing.assert_array_equal(whole(found.scenes[0]), exact)
    assert "1 features without a geometry" in " ".join(found.notes)
    assert "1 features without a class" in " ".join(found.notes)


def test_without_the_packages(tmp_path, folder, monkeypatch):
    (tmp_path / "l.gpkg").write_bytes(b"x")
    pytest.importorskip("pyogrio")
    with pytest.raises(InputError, match="Expected a GeoPackage in"):
        marked(load_folder(folder), tmp_path / "l.gpkg")
    monkeypatch.setitem(sys.modules, "pyogrio", None)
    with pytest.raises(InputError, match=r"no pyogrio.*iic_tf\[vector\]"):
        marked(load_folder(folder), tmp_path / "l.gpkg")


def test_a_file_scene_stays_one(tmp_path, folder):
    shape = feature("Point", degrees(500000.5, 19.5), "a")
    old = load_folder(folder)
    found = marked(old, geojson(tmp_path / "l.geojson", shape, FAR))
    assert isinstance(found.scenes[0], FileScene)
    assert found.scenes[0].image is old.scenes[0].image
    assert found.scenes[0].mask is None


def test_real_polygons_fall_on_their_image(tmp_path):
    pyogrio = pytest.importorskip("pyogrio")
    folder = shared_data("spacenet_samples") / "vegas"
    name = "SpaceNet_AOI_2_Las_Vegas-056155973080_01_P001-WV03"
    scenes = load_folder(folder / f"{name}-RGB.tif")
    with pytest.raises(InputError, match="received none at all"):
        marked(scenes, folder / f"{name}.gpkg")
    # In degrees, with classes.
    shapely = pytest.importorskip("shapely")
    meta, _, geometry, _ = pyogrio.raw.read(folder / f"{name}.gpkg")
    shapes = [shapely.geometry.mapping(g) for g in shapely.from_wkb(geometry)]
    utm, wgs = CRS.from_user_input(meta["crs"]), CRS.from_epsg(4326)
    features = []
    for i, shape in enumerate(shapes):
        rings = [list(zip(*transform(utm, wgs, *zip(*r, strict=True)), strict=True))
                 for r in shape["coordinates"]]  # fmt: skip
        features.append(feature("Polygon", rings, "ab"[i % 2]))
    found = marked(scenes, geojson(tmp_path / "l.geojson", *features))
    pixel = 0.27233075060527634 * 0.272442957747098
    area = sum(g.area for g in shapely.from_wkb(geometry)) / pixel
    marks = (whole(found.scenes[0]) != IGNORE).sum()
    assert abs(marks - area) < 0.02 * area
