"""Label maps lie where their images do: by a matrix, control points or rational polynomials."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
from image_files import gdal_tiff, pixels
from rasterio.control import GroundControlPoint
from rasterio.crs import CRS
from rasterio.rpc import RPC

from iic_tf.data.gdal import create_tiff
from iic_tf.data.georeference import place_of
from iic_tf.export.label_files import place_for_labels, write_labels

SIZE = (40, 50)
POINTS = [GroundControlPoint(y, x, 10.0 + x / 9, 50.0 - y / 9, 7.0) for x, y in ((0, 0), (50, 1))]
POINTS += [GroundControlPoint(30, 9, 11, 47, 0)]


def labels_of(folder, source):
    strips = iter([np.zeros(SIZE, np.uint8)])
    written = write_labels(folder, "a", strips, SIZE, pixels(3, 3), place_for_labels(source))
    return written[-1]


def by_value(points):
    return [(p.row, p.col, p.x, p.y, p.z) for p in points]


@pytest.mark.parametrize("system", [CRS.from_epsg(4326), CRS()])
def test_ground_control_points(tmp_path, system):
    path = tmp_path / "a.tif"
    with create_tiff(path, *SIZE, crs=system, gcps=POINTS) as file:
        file.write(np.zeros(SIZE, np.uint8), 1)
    found = place_of(path)
    assert by_value(found["gcps"]) == by_value(POINTS)
    (tmp_path / "out").mkdir()
    again = place_of(labels_of(tmp_path / "out", path))
    assert by_value(again["gcps"]) == by_value(POINTS)
    assert again["crs"] == found["crs"] == system
    assert "transform" not in again


def test_rational_polynomials(tmp_path):
    row = [float(i) / 7 for i in range(20)]
    rpc = RPC(100.0, 50.0, 49.0, 1.5, row, row[::-1], 20.0, 2.0, 11.0, 1.25, row, row, 25.0, 3.0)
    with create_tiff(tmp_path / "a.tif", *SIZE, rpcs=rpc) as file:
        file.write(np.zeros(SIZE, np.uint8), 1)
    (tmp_path / "out").mkdir()
    assert (
        place_of(labels_of(tmp_path / "out", tmp_path / "a.tif"))["rpcs"]
        == place_of(tmp_path / "a.tif")["rpcs"]
    )


@pytest.mark.parametrize("name", ["a.jp2", "a.vrt"])
def test_other_formats_have_a_place_too(tmp_path, name):
    gdal_tiff(tmp_path / "a.tif", pixels(*SIZE))
    with rasterio.open(tmp_path / "a.tif") as file:
        place = {"crs": file.crs, "transform": file.transform}
        driver = "VRT" if name.endswith("vrt") else "JP2OpenJPEG"
        rasterio.shutil.copy(file, tmp_path / name, driver=driver)
    assert place_of(tmp_path / name) == place
    (tmp_path / "out").mkdir()
    written = labels_of(tmp_path / "out", tmp_path / name)
    assert written.name == "a_labels.tif"
    assert place_of(written) == place
