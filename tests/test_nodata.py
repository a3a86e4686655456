"""What is no data: a nodata value, a mask, transparency, NaN and infinities."""

import pickle
import struct
import zlib

import numpy as np
import pytest
import rasterio
import tifffile
from image_files import gdal_tiff, png
from PIL import Image
from raster_checks import WINDOWS, noise, whole

from iic_tf.data.raster import Raster

HOLE = (slice(3, 9), slice(30, 40))


def with_hole(value, *shape, dtype=np.uint8):
    pixels = np.maximum(noise(*shape, dtype=dtype), 1)
    pixels[HOLE] = value
    return pixels


def holds_data(*shape):
    valid = np.ones(shape, bool)
    valid[HOLE] = False
    return valid


def check(path, pixels, valid, **how):
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    raster = Raster(path, **how)
    assert raster.has_nodata
    assert raster.channels == pixels.shape[-1]
    for top, left, height, width in WINDOWS:
        window = slice(top, top + height), slice(left, left + width)
        found, which = raster.read_with_valid(top, left, height, width)
        np.testing.assert_array_equal(found, pixels[window])
        np.testing.assert_array_equal(found, raster.read(top, left, height, width))
        expected = valid[window]
        assert (which is None) == bool(expected.all())
        if which is not None:
            np.testing.assert_array_equal(which, expected)


@pytest.mark.parametrize(
    ("dtype", "value"), [("uint8", 0), ("uint16", 65535), ("int16", -999), ("float32", -9999)]
)
@pytest.mark.parametrize("options", [{}, {"compress": "deflate", "tiled": True, "blockxsize": 16}])
def test_a_nodata_value_in_all_bands(tmp_path, dtype, value, options):
    if options:
        options = {**options, "blockysize": 16}
    pixels = with_hole(0, 37, 53, 3).astype(dtype)
    pixels[HOLE] = value
    pixels[20, 20, 0] = pixels[21, 20, 2] = value  # One band alone is a value like others.
    gdal_tiff(tmp_path / "a.tif", pixels, nodata=value, **options)
    check(tmp_path / "a.tif", pixels, holds_data(37, 53))
    with rasterio.open(tmp_path / "a.tif") as file:
        np.testing.assert_array_equal(file.dataset_mask() > 0, holds_data(37, 53))


@pytest.mark.parametrize("value", [b"9999999", b"0.5", b"-1"])
def test_nodata_values_that_no_pixel_can_have(tmp_path, value):
    tag = (42113, 2, len(value) + 1, value, True)
    tifffile.imwrite(tmp_path / "a.tif", noise(9, 9), extratags=[tag])
    assert not Raster(tmp_path / "a.tif").has_nodata
    assert whole(tmp_path / "a.tif")[1] is None


def test_nan_and_infinities_in_any_band(tmp_path):
    pixels = noise(37, 53, 3).astype(np.float64)
    pixels[HOLE[0], HOLE[1], 1] = np.nan
    pixels[30, 1, 0], pixels[31, 1, 2] = np.inf, -np.inf
    pixels[32, 1, 2] = 1e300  # More than float32 holds.
    valid = holds_data(37, 53)
    valid[30:33, 1] = False
    shown = np.where(np.abs(pixels) < 1e30, pixels, 0).astype(np.float32)
    shown[~np.isfinite(shown)] = 0
    for nodata in (None, np.nan, -9999):
        gdal_tiff(tmp_path / "a.tif", pixels, nodata=nodata)
        check(tmp_path / "a.tif", shown, valid)


def test_the_largest_float_as_nodata(tmp_path):
    value = float(np.finfo(np.float32).min)
    pixels = with_hole(0, 37, 53).astype(np.float32)
    pixels[HOLE] = value
    gdal_tiff(tmp_path / "a.tif", pixels, nodata=value)
    check(tmp_path / "a.tif", pixels, holds_data(37, 53))


@pytest.mark.parametrize("options", [{}, {"compress": "lzw", "tiled": True}])
def test_masks_within_a_file(tmp_path, options):
    pixels = noise(37, 53, 3)
    gdal_tiff(tmp_path / "a.tif", pixels, mask=holds_data(37, 53), **options)
    check(tmp_path / "a.tif", pixels, holds_data(37, 53))


def test_masks_of_large_tiles_are_kept_with_them(tmp_path):
    pixels, valid = noise(2100, 2100), np.ones((2100, 2100), bool)
    valid[5:10, 5:10] = False
    large = {"tiled": True, "blockxsize": 2112, "blockysize": 2112}
    gdal_tiff(tmp_path / "a.tif", pixels, mask=valid, compress="deflate", **large)
    raster = Raster(tmp_path / "a.tif")
    for window in ((0, 0, 20, 20), (4, 7, 3, 3)):
        top, left, height, width = window
        found, which = raster.read_with_valid(*window)
        area = slice(top, top + height), slice(left, left + width)
        np.testing.assert_array_equal(found[..., 0], pixels[area])
        np.testing.assert_array_equal(which, valid[area])


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha(tmp_path, channels, dtype):
    pixels = noise(37, 53, channels, dtype=dtype)
    pixels[..., -1] = np.where(holds_data(37, 53), np.iinfo(dtype).max, 0)
    colours = {"photometric": "rgb"} if channels == 4 else {}
    gdal_tiff(tmp_path / "a.tif", pixels, alpha="YES", **colours)
    if dtype == np.uint16:
        png(tmp_path / "a.png", pixels)
    else:
        Image.fromarray(pixels).save(tmp_path / "a.png")
    for name in ("a.tif", "a.png"):
        for how in ("auto", "nodata"):
            check(tmp_path / name, pixels[..., :-1], holds_data(37, 53), alpha=how)
        np.testing.assert_array_equal(whole(tmp_path / name, alpha="band")[0], pixels)
        assert not Raster(tmp_path / name, alpha="band").has_nodata
        last = whole(tmp_path / name, bands=(channels, 1))
        np.testing.assert_array_equal(last[0], pixels[..., [-1, 0]])
        assert last[1] is None
        first = whole(tmp_path / name, bands=(1,))
        np.testing.assert_array_equal(first[0], pixels[..., :1])
        np.testing.assert_array_equal(first[1], holds_data(37, 53))


def test_infrared_that_is_tagged_as_alpha(tmp_path):
    pixels = noise(37, 53, 4)
    gdal_tiff(tmp_path / "a.tif", pixels, alpha="YES", photometric="rgb")
    with rasterio.open(tmp_path / "a.tif") as file:
        assert file.colorinterp[-1].name == "alpha"
    found, valid = whole(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, pixels)
    assert valid is None
    found, valid = whole(tmp_path / "a.tif", alpha="nodata")
    np.testing.assert_array_equal(found, pixels[..., :3])
    np.testing.assert_array_equal(valid, pixels[..., 3] > 0)
    raster = pickle.loads(pickle.dumps(Raster(tmp_path / "a.tif", bands=(2, 1), alpha="nodata")))
    assert (raster.bands, raster.alpha, raster.channels) == ((2, 1), "nodata", 2)


def test_infrared_of_a_tile_that_is_nearly_empty(tmp_path):
    pixels = noise(200, 200, 4)
    pixels[:, 5:] = 0
    gdal_tiff(tmp_path / "a.tif", pixels, alpha="YES", photometric="rgb", nodata=0)
    assert Raster(tmp_path / "a.tif").channels == 4


def test_soft_edges_are_still_alpha(tmp_path):
    pixels = noise(37, 53, 4)
    pixels[..., 3] = 255
    pixels[5, :20, 3], pixels[:5, :, 3] = np.arange(20), 0
    gdal_tiff(tmp_path / "a.tif", pixels, alpha="YES", photometric="rgb")
    found, valid = whole(tmp_path / "a.tif")
    np.testing.assert_array_equal(found, pixels[..., :3])
    np.testing.assert_array_equal(valid, pixels[..., 3] > 0)


@pytest.mark.parametrize("transparency", [1, bytes([255, 0, 128])])
def test_transparent_colours_of_a_palette(tmp_path, transparency):
    index = noise(37, 53) % 3
    image = Image.new("P", (53, 37))
    image.putdata(index.ravel().tolist())
    colours = np.array([[132, 41, 246], [0, 0, 0], [226, 169, 41]], np.uint8)
    image.putpalette(colours.tobytes())
    for name in ("a.png", "a.gif"):
        if name == "a.gif" and isinstance(transparency, bytes):
            continue
        image.save(tmp_path / name, transparency=transparency)
        check(tmp_path / name, colours[index], index != 1)
        raster = Raster(tmp_path / name, "index")
        assert not raster.has_nodata
        np.testing.assert_array_equal(raster.read(0, 0, 37, 53)[..., 0], index)


@pytest.mark.parametrize("mode", ["L", "RGB", "1"])
def test_one_transparent_colour(tmp_path, mode):
    pixels = noise(37, 53, 3) // 128 * 255
    image = Image.fromarray(pixels).convert(mode, dither=None)
    pixels = np.array(image).astype(np.uint8) * (255 if mode == "1" else 1)
    key = (255, 0, 255) if mode == "RGB" else 255
    image.save(tmp_path / "a.png", transparency=1 if mode == "1" else key)
    stored = pixels.reshape(37, 53, -1).astype(np.uint8)
    check(tmp_path / "a.png", stored, (stored != np.array(key)).any(axis=-1))


@pytest.mark.parametrize(("bits", "key"), [(2, 3), (4, 15), (16, 3000)])
def test_one_transparent_grey_of_other_depths(tmp_path, bits, key):
    path = tmp_path / "a.png"
    values = np.array([[0, 1, key, 2]], np.uint16)
    packed = {2: [[0b00011110]], 4: [[0x01, 0xF2]]}.get(bits)
    rows = None if packed is None else np.array(packed, np.uint8)
    png(path, values if bits == 16 else np.empty((1, 4)), bits=bits, packed=rows)
    said = b"tRNS" + struct.pack(">H", key)
    raw = path.read_bytes()
    at = raw.index(b"IDAT") - 4
    chunk = struct.pack(">I", 2) + said + struct.pack(">I", zlib.crc32(said))
    path.write_bytes(raw[:at] + chunk + raw[at:])
    assert whole(path)[1].tolist() == [[True, True, False, True]]


def test_a_palette_with_a_nodata_index(tmp_path):
    index = with_hole(0, 37, 53) % 4
    index[HOLE] = 0
    path = tmp_path / "p.tif"
    gdal_tiff(path, index, photometric="palette", nodata=0)
    colours = noise(4, 3)
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {i: (*map(int, c), 255) for i, c in enumerate(colours)})
    check(path, colours[index], index != 0)
    assert not Raster(path, "index").has_nodata
    assert whole(path, palette="index")[1] is None


def test_pictures_are_laid_on_a_background(tmp_path):
    pixels = np.zeros((48, 48, 4), np.uint8)
    pixels[10:20, 10:20, 3] = 255
    pixels[20, 10:20, 3] = 51
    Image.fromarray(pixels).save(tmp_path / "a.png")
    raster = Raster(tmp_path / "a.png")
    assert raster.shape_in_alpha
    white = raster.read_on(0, 0, 48, 48)
    assert white.dtype == np.uint8
    assert (white[0, 0].tolist(), white[12, 12].tolist()) == ([255] * 3, [0] * 3)
    assert white[20, 12].tolist() == [204] * 3
    assert raster.read_on(0, 0, 1, 1, (255, 0, 51))[0, 0].tolist() == [255, 0, 51]
    pixels[12, 12, 0] = 1
    Image.fromarray(pixels).save(tmp_path / "b.png")
    assert not Raster(tmp_path / "b.png").shape_in_alpha
    Image.fromarray(pixels[..., :3]).save(tmp_path / "c.png")
    assert not Raster(tmp_path / "c.png").shape_in_alpha
    np.testing.assert_array_equal(Raster(tmp_path / "c.png").read_on(0, 0, 48, 48), pixels[..., :3])


def test_backgrounds_of_16_bits(tmp_path):
    pixels = noise(37, 53, 4, dtype=np.uint16)
    pixels[..., 3] = np.where(holds_data(37, 53), 65535, 0)
    png(tmp_path / "a.png", pixels)
    found = Raster(tmp_path / "a.png").read_on(0, 0, 37, 53)
    expected = np.where(holds_data(37, 53)[..., None], pixels[..., :3], 65535)
    np.testing.assert_array_equal(found, expected)
