"""Which raw values become black and white, by number type, and without pixels of no data."""

import numpy as np
import pytest
from image_files import gdal_tiff, save
from raster_checks import noise

from iic_tf.data.raster import Raster
from iic_tf.data.value_range import PERCENTILES, survey, value_range
from iic_tf.errors import InputError


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 65535)])
def test_nothing_is_read_where_the_type_says_all(tmp_path, monkeypatch, dtype, top):
    save(tmp_path / "a.tif", noise(37, 53, 2, dtype=dtype))
    rasters = [Raster(tmp_path / "a.tif")]
    monkeypatch.setattr(Raster, "read_with_valid", None)
    found = survey(rasters)
    assert (found.low.tolist(), found.high.tolist()) == ([0, 0], [top, top])
    assert (found.nodata_share, found.mean, found.percentiles) == (0, None, None)
    assert value_range(rasters)[1].tolist() == [top, top]


@pytest.mark.parametrize("dtype", ["int16", "float32", "float64", "uint32", "int8"])
def test_other_types_take_percentiles(tmp_path, dtype):
    ramp = np.linspace(-100, 100, 101 * 50).reshape(50, 101)
    if dtype == "uint32":
        ramp = ramp + 5000
    gdal_tiff(tmp_path / "a.tif", ramp.astype(dtype))
    found = survey([Raster(tmp_path / "a.tif")])
    assert found.percentiles == PERCENTILES
    low, high = np.percentile(ramp.astype(dtype), PERCENTILES)
    np.testing.assert_allclose([found.low[0], found.high[0]], [low, high], rtol=1e-6)
    np.testing.assert_allclose(found.mean, 0.5, atol=0.01)
    np.testing.assert_array_equal(value_range([Raster(tmp_path / "a.tif")])[0], found.low)


@pytest.mark.parametrize("stretch", [None, (2, 98)])
def test_no_data_is_in_no_percentile(tmp_path, stretch):
    pixels = (100 + noise(40, 100, 2) / 4).astype(np.float32)
    valid = np.ones((40, 100), bool)
    valid[:, :47] = False
    holed = np.where(valid[..., None], pixels, np.float32(-9999))
    holed[0, 0] = np.nan
    gdal_tiff(tmp_path / "a.tif", holed, nodata=-9999)
    found = survey([Raster(tmp_path / "a.tif")], stretch)
    assert found.nodata_share == pytest.approx(0.47)
    limits = np.percentile(pixels[valid], stretch or PERCENTILES, axis=0)
    np.testing.assert_allclose([found.low, found.high], limits, rtol=1e-5)
    scaled = (pixels[valid] - limits[0]) / (limits[1] - limits[0])
    np.testing.assert_allclose(found.mean, scaled.clip(0, 1).mean(axis=0), atol=1e-4)


def test_the_full_range_stays_where_there_is_no_data(tmp_path):
    pixels = np.full((20, 20), 51, np.uint8)
    pixels[:5] = 0
    gdal_tiff(tmp_path / "a.tif", pixels, nodata=0)
    found = survey([Raster(tmp_path / "a.tif")])
    assert (found.low.tolist(), found.high.tolist(), found.percentiles) == ([0], [255], None)
    assert found.nodata_share == pytest.approx(0.25)
    np.testing.assert_allclose(found.mean, 0.2, rtol=1e-6)


def test_no_data_at_all_is_refused(tmp_path):
    gdal_tiff(tmp_path / "a.tif", np.full((9, 9), np.nan, np.float32))
    with pytest.raises(InputError, match=r"pixels that hold data in '.*a\.tif'; received none"):
        survey([Raster(tmp_path / "a.tif")])


def test_a_constant_of_any_size(tmp_path):
    for value in (0.0, 1e-3, 3e9):
        gdal_tiff(tmp_path / "a.tif", np.full((9, 9), value, np.float32))
        low, high = value_range([Raster(tmp_path / "a.tif")])
        assert low[0] == np.float32(value)
        assert high[0] > low[0]
