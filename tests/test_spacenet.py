"""SpaceNet's tiles and buildings, in a small made-up copy of their layout."""

from __future__ import annotations

import csv
import json
import pickle

import numpy as np
import pytest
import rasterio
from real_data import shared_data

from iic_tf.data.folder import load_folder
from iic_tf.data.raster import Raster
from iic_tf.data.spacenet import Footprints, SpaceNet, load_spacenet
from iic_tf.errors import DataMissingError, InputError
from iic_tf.training.recipe_files import default_recipe, load_recipe
from iic_tf.training.tasks.segmentation import SegmentationTask

WEST, NORTH, STEP = -115.3, 36.2, 2.7e-6
BANDS = {"MUL-PanSharpen": 8, "RGB-PanSharpen": 3}


def tile(root, number, product="MUL-PanSharpen", folder=None, size=(8, 10), place=True):
    path = root / (product if folder is None else folder)
    path.mkdir(parents=True, exist_ok=True)
    # Band b (from 0) holds 100 (b + 1) + row + 1000 * number.
    count = BANDS[product]
    values = np.zeros((count, *size), np.uint16)
    values += 100 * (np.arange(count, dtype=np.uint16)[:, None, None] + 1) + 1000 * number
    values += np.arange(size[0], dtype=np.uint16)[:, None]
    how = {"driver": "GTiff", "count": count, "dtype": "uint16", "height": size[0]}
    how |= {"width": size[1], "transform": rasterio.Affine(STEP, 0, WEST, 0, -STEP, NORTH)}
    if place:
        how["crs"] = "EPSG:4326"
    with rasterio.open(path / f"{product}_AOI_2_Vegas_img{number}.tif", "w", **how) as file:
        file.write(values)


def buildings(root, number, *boxes, folder="geojson/buildings"):
    """Boxes of rows and columns, from edge to edge: top, left, bottom, right."""
    (root / folder).mkdir(parents=True, exist_ok=True)
    features = []
    for top, left, bottom, right in boxes:
        x0, x1 = WEST + left * STEP, WEST + right * STEP
        y0, y1 = NORTH - top * STEP, NORTH - bottom * STEP
        ring = [[x, y, 0.0] for x, y in ((x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0))]
        shape = {"type": "Polygon", "coordinates": [ring]}
        features.append({"type": "Feature", "properties": {"building": 1.0}, "geometry": shape})
    path = root / folder / f"buildings_AOI_2_Vegas_img{number}.geojson"
    crs = {"type": "name", "properties": {"name": "urn:ogc:def:crs:OGC:1.3:CRS84"}}
    document = {"type": "FeatureCollection", "crs": crs, "features": features}
    path.write_text(json.dumps(document))


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "AOI_2_Vegas_Train"
    for number in (10, 2, 1):
        tile(root, number), tile(root, number, "RGB-PanSharpen")
    buildings(root, 1, (1, 2, 4, 5), (6, 9, 8, 12))
    buildings(root, 2)
    (root / "summaryData").mkdir()
    return root


def test_buildings_by_hand(root):
    found = load_spacenet(root)
    assert [s.name for s in found.scenes] == [f"AOI_2_Vegas_img{n}" for n in (1, 2, 10)]
    assert [s.has_mask for s in found.scenes] == [True, True, False]
    expected = np.zeros((8, 10), int)
    expected[1:4, 2:5] = 1
    expected[6:8, 9] = 1
    np.testing.assert_array_equal(found.scenes[0].read_mask(0, 0, 8, 10), expected)
    np.testing.assert_array_equal(found.scenes[0].read_mask(3, 4, 4, 6), expected[3:7, 4:])
    again = pickle.loads(pickle.dumps(found.scenes[0]))
    np.testing.assert_array_equal(again.read_mask(0, 0, 8, 10), expected)
    # An empty collection: no building, all the same labelled.
    assert not found.scenes[1].read_mask(0, 0, 8, 10).any()
    assert found.classes.names == ("not building", "building")
    assert found.notes == ("2 of 3 tiles have footprints: there are none of 'AOI_2_Vegas_img10'",)


def test_bands_and_one_range_for_all(root):
    found = load_spacenet(root)
    assert (found.name, found.channels, found.rgb) == ("spacenet", 4, (0, 1, 2))
    # Red, green, blue, infrared: bands 4, 2, 1, 6 from 0, in tile 2.
    assert found.scenes[1].read(3, 0, 1, 1).tolist() == [[[2503, 2303, 2203, 2703]]]
    # Red: 80 pixels each of 1500, 2500 and 10500 and 0 to 7 more, by rows of 10.
    red = np.sort(np.repeat([t + r for t in (1500, 2500, 10500) for r in range(8)], 10))
    assert found.low[0] == np.percentile(red, 2)
    assert found.high[0] == np.percentile(red, 98)
    assert load_spacenet(root, stretch=(0, 100)).high.tolist() == [10507, 10307, 10207, 10707]
    rgb = load_spacenet(root, "RGB", (0, 100))
    assert rgb.scenes[1].read(3, 0, 1, 1).tolist() == [[[2103, 2203, 2303]]]
    np.testing.assert_array_equal(
        rgb.scenes[0].read_mask(0, 0, 8, 10), found.scenes[0].read_mask(0, 0, 8, 10)
    )


@pytest.mark.parametrize("above", [".", "..", "../.."])
def test_folders_above(root, above):
    found = load_spacenet((root / above).resolve() if above != "../.." else root.parent)
    assert [s.has_mask for s in found.scenes] == [True, True, False]


def test_flat_and_unlabelled(tmp_path):
    tile(tmp_path, 1, folder="")
    assert load_spacenet(tmp_path).labelled is None
    assert load_spacenet(tmp_path).classes is None
    buildings(tmp_path, 1, (0, 0, 8, 5), folder="")
    mask = load_spacenet(tmp_path).scenes[0].read_mask(0, 0, 8, 10)
    assert mask.tolist() == [[1] * 5 + [0] * 5] * 8


def test_missing_and_broken(root, tmp_path):
    with pytest.raises(DataMissingError, match=r"MUL-PanSharpen_AOI_2_Vegas_img1.*no such folder"):
        load_spacenet(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataMissingError, match=r"a folder with nothing.*bucket spacenet-dataset"):
        load_spacenet(tmp_path / "empty")
    tile(tmp_path / "rgb", 1, "RGB-PanSharpen")
    with pytest.raises(DataMissingError, match=r"1 of RGB-PanSharpen.*Or use bands='RGB'"):
        load_spacenet(tmp_path / "rgb")
    with pytest.raises(InputError, match="bands='NIR'"):
        load_spacenet(root, "NIR")
    file = root / "geojson/buildings/buildings_AOI_2_Vegas_img1.geojson"
    file.write_text("{")
    with pytest.raises(InputError, match="GeoJSON features in"):
        load_spacenet(root).scenes[0].read_mask(0, 0, 8, 10)
    tile(root, 2, place=False)
    with pytest.raises(InputError, match="a tile that lies on the map"):
        load_spacenet(root).scenes[1].read_mask(0, 0, 8, 10)


@pytest.mark.parametrize("name", ["spacenet", "spacenet-cpu"])
def test_recipes_train_on_it(tmp_path, name):
    tile(tmp_path, 1, size=(400, 400))
    buildings(tmp_path, 1, (0, 0, 100, 100))
    recipe = load_recipe(name)
    assert (recipe.dataset, recipe.classes, recipe.overclusters) == ("spacenet", 3, 24)
    task = SegmentationTask(recipe, {"dataset": "spacenet", "data": str(tmp_path)})
    assert (task.channels, task.source) == (4, SpaceNet(data=str(tmp_path)))
    assert task.data_config()["class_names"] == ["not building", "building"]
    assert default_recipe("spacenet") == "spacenet"


def test_real_samples():
    folder = shared_data("spacenet_samples")
    name = "SpaceNet_AOI_2_Las_Vegas-056155973080_01_P001-WV03"
    # They are not in the data set's layout: no tile is taken for one.
    with pytest.raises(DataMissingError, match="a folder with"):
        load_spacenet(folder)
    parts = load_folder(folder / "vegas", bands="R,G,B,N", image_glob=f"{name}-?.tif")
    assert (parts.channels, parts.scenes[0].height, parts.scenes[0].width) == (4, 426, 413)
    # A real scene of 16 bits over Atlanta is a place for a footprint.
    image = Raster(folder / "solaris" / "sample_geotiff.tif")
    assert (image.dtype, image.height) == (np.dtype(np.uint16), 900)


def test_real_footprints_equal_the_published_mask(tmp_path):
    """SpaceNet 4's table in pixels, brought to the map, against the mask made by its authors."""
    folder = shared_data("spacenet_samples") / "solaris"
    image = Raster(folder / "sample_geotiff.tif")
    with rasterio.open(image.path) as source:
        place = source.transform
    a, _, c, _, e, f = place[:6]
    features = []
    with (folder / "sample.csv").open() as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        text = row["PolygonWKT_Pix"].removeprefix("POLYGON ((").removesuffix("))")
        rings = [[tuple(map(float, p.split())) for p in r.split(",")] for r in text.split("), (")]
        placed = [[(a * x + c, e * y + f) for x, y in ring] for ring in rings]
        shape = {"type": "Polygon", "coordinates": placed}
        features.append({"type": "Feature", "properties": None, "geometry": shape})
    crs = {"type": "name", "properties": {"name": "EPSG:32616"}}
    document = {"type": "FeatureCollection", "features": features, "crs": crs}
    (tmp_path / "b.geojson").write_text(json.dumps(document))
    ours = Footprints(tmp_path / "b.geojson", image).read(0, 0, 900, 900)
    published = Raster(folder / "sample_fp_mask.tif").read(0, 0, 900, 900)[..., 0] > 0
    assert (ours == published).mean() > 0.999
