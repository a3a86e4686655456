"""Masks are whole numbers from 0 to 65535, however they are stored."""

import numpy as np
import pytest
from image_files import gdal_tiff
from raster_checks import check_windows, noise

from iic_tf.data.folder import load_folder
from iic_tf.data.mask_code import ClassCode, make_mask_code
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "uint32", "float32", "float64"])
def test_whole_numbers_of_any_type(tmp_path, dtype):
    mask = noise(37, 53) % 3
    gdal_tiff(tmp_path / "m.tif", mask.astype(dtype), nodata=0)
    check_windows(tmp_path / "m.tif", mask.astype(np.uint16), "index")
    assert not Raster(tmp_path / "m.tif", "index").has_nodata
    gdal_tiff(tmp_path / "a.tif", noise(37, 53))
    found = load_folder(tmp_path / "a.tif", tmp_path / "m.tif")
    np.testing.assert_array_equal(found.scenes[0].read_mask(0, 0, 37, 53), mask)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [("int16", -1), ("float32", 0.5), ("float32", np.nan), ("float32", np.inf), ("int32", 70000)],
)
def test_other_numbers_are_refused(tmp_path, dtype, value):
    mask = np.zeros((37, 53), dtype)
    mask[20, 20] = value
    gdal_tiff(tmp_path / "m.tif", mask)
    raster = Raster(tmp_path / "m.tif", "index")
    assert not raster.read(0, 0, 9, 9).any()
    with pytest.raises(InputError, match=rf"m\.tif.*a mask with the value {value:g} of {dtype}"):
        raster.read(0, 0, 37, 53)


def test_colours_of_other_types_are_refused():
    code = make_mask_code([ClassCode("a", ((1, 2, 3),)), ClassCode("b", ((3, 2, 1),))])
    with pytest.raises(InputError, match="colours of uint8 or uint16; received float32"):
        code.decode(np.zeros((3, 3, 3), np.float32))
