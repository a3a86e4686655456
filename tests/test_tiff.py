import struct
import tracemalloc

import numpy as np
import pytest
import rasterio
import tifffile
from image_files import gdal_tiff
from raster_checks import check_windows, noise

import iic_tf.data.tiff
from iic_tf.data.pixel_cache import DEFAULT_BYTES, SHARED, set_cache_bytes
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError


@pytest.mark.parametrize("layout", [{"rowsperstrip": 5}, {"tile": (16, 32)}, {}])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_tiff_layouts(tmp_path, layout, planar, compression, channels):
    pixels = noise(37, 53, channels, dtype=np.uint16)
    if compression == "lzw":  # which tifffile does not write alone
        rows = {"blockysize": layout["rowsperstrip"]} if "rowsperstrip" in layout else {}
        tiles = {"tiled": True, "blockysize": 16, "blockxsize": 32} if "tile" in layout else rows
        bands = "band" if planar == "separate" else "pixel"
        gdal_tiff(tmp_path / "a.tif", pixels, compress="lzw", interleave=bands, alpha="NO", **tiles)
        check_windows(tmp_path / "a.tif", pixels)
        return
    stored = pixels.transpose(2, 0, 1) if planar == "separate" and channels > 1 else pixels
    options = {"planarconfig": planar} if channels > 1 else {}
    tifffile.imwrite(
        tmp_path / "a.tif",
        stored,
        photometric="minisblack",
        compression=compression,
        **layout,
        **options,
    )
    check_windows(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize("options", [{"byteorder": ">"}, {"bigtiff": True}, {"predictor": True}])
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_tiff_byte_order_predictor_and_size(tmp_path, options, compression):
    if options == {"predictor": True} and compression is None:
        options = {}
    pixels = noise(37, 53, 3, dtype=np.uint16)
    if "predictor" in options:  # which tifffile does not write alone
        gdal_tiff(tmp_path / "a.tif", pixels, compress=compression, predictor=2, blockysize=8)
    else:
        tifffile.imwrite(
            tmp_path / "a.tif",
            pixels,
            photometric="rgb",
            compression=compression,
            rowsperstrip=8,
            **options,
        )
    check_windows(tmp_path / "a.tif", pixels)


def test_tiff_jpeg_compression(tmp_path):
    pixels = np.full((37, 53, 3), (200, 30, 90), np.uint8)
    gdal_tiff(tmp_path / "a.tif", pixels, compress="jpeg", photometric="ycbcr", interleave="pixel")
    read = Raster(tmp_path / "a.tif").read(0, 0, 37, 53)
    assert np.abs(read.astype(int) - pixels).max() < 8


def test_tiff_bits_and_palettes(tmp_path):
    bits = noise(37, 53) > 128
    tifffile.imwrite(tmp_path / "b.tif", bits, photometric="minisblack")
    check_windows(tmp_path / "b.tif", bits.astype(np.uint8), "index")
    check_windows(tmp_path / "b.tif", bits.astype(np.uint8) * np.uint8(255))
    tifffile.imwrite(tmp_path / "w.tif", bits, photometric="miniswhite")
    check_windows(tmp_path / "w.tif", (~bits).astype(np.uint8) * np.uint8(255))
    index, colours = noise(37, 53) % 4, noise(3, 256, dtype=np.uint16)
    tifffile.imwrite(tmp_path / "p.tif", index, photometric="palette", colormap=colours)
    check_windows(tmp_path / "p.tif", index, "index")
    check_windows(tmp_path / "p.tif", (colours.T >> 8).astype(np.uint8)[index])


def test_tiff_leaves_out_empty_tiles(tmp_path):
    def tiles():
        yield noise(16, 16)
        yield None
        yield None
        yield noise(16, 16)

    tifffile.imwrite(
        tmp_path / "a.tif",
        tiles(),
        shape=(32, 32),
        dtype=np.uint8,
        tile=(16, 16),
        compression="deflate",
    )
    whole_image = np.zeros((32, 32, 1), np.uint8)
    whole_image[:16, :16, 0] = whole_image[16:, 16:, 0] = noise(16, 16)
    np.testing.assert_array_equal(Raster(tmp_path / "a.tif").read(0, 0, 32, 32), whole_image)


def test_large_compressed_strip_is_kept(tmp_path):
    pixels = noise(2100, 2100)
    tifffile.imwrite(tmp_path / "a.tif", pixels, compression="deflate", rowsperstrip=2100)
    raster = Raster(tmp_path / "a.tif")
    before = SHARED.held
    for _ in range(2):
        np.testing.assert_array_equal(raster.read(9, 7, 20, 30)[..., 0], pixels[9:29, 7:37])
    assert SHARED.held - before == pixels.nbytes


def test_small_window_of_large_tiff_needs_little_memory(tmp_path):
    path = tmp_path / "large.tif"
    tile = np.zeros((256, 256, 3), np.uint8)
    tifffile.imwrite(
        path,
        (tile for _ in range(32 * 32)),
        shape=(8000, 8000, 3),
        dtype=np.uint8,
        tile=(256, 256),
        compression="deflate",
        photometric="rgb",
    )
    tracemalloc.start()
    try:
        window = Raster(path).read(3990, 4000, 200, 200)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert window.shape == (200, 200, 3)
    assert peak < 20e6


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_scrambled_and_truncated_tiffs(tmp_path, compression):
    path = tmp_path / "a.tif"
    if compression == "lzw":
        gdal_tiff(path, noise(37, 53, 3), compress="lzw")
    else:
        tifffile.imwrite(path, noise(37, 53, 3), photometric="rgb", compression=compression)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a\.tif"):
        Raster(path).read(0, 0, 37, 53)


@pytest.mark.parametrize("name", ["uint32", "int8", "int16", "int32"])
def test_whole_numbers_of_other_types(tmp_path, name):
    pixels = noise(37, 53, 2, dtype=np.dtype(name))
    gdal_tiff(tmp_path / "a.tif", pixels, compress="deflate")
    check_windows(tmp_path / "a.tif", pixels)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_floats_are_handed_on_as_float32(tmp_path, name):
    pixels = (noise(37, 53, 2) / 7 - 9).astype(name)
    gdal_tiff(tmp_path / "a.tif", pixels)
    check_windows(tmp_path / "a.tif", pixels.astype(np.float32))


@pytest.mark.parametrize("name", ["complex64", "int64"])
def test_other_number_types_are_refused(tmp_path, name):
    gdal_tiff(tmp_path / "a.tif", np.zeros((9, 9), name))
    with pytest.raises(InputError, match=rf"a\.tif.*pixels of {name}"):
        _ = Raster(tmp_path / "a.tif").dtype


def test_17_channels_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", noise(9, 9, 17), photometric="minisblack", planarconfig="contig"
    )
    with pytest.raises(InputError, match=r"a\.tif.*17 channels"):
        _ = Raster(tmp_path / "a.tif").channels


def test_a_header_of_60000_channels_is_refused_at_once(tmp_path, monkeypatch):
    path = tmp_path / "a.tif"
    zeros = np.zeros((4, 4, 7), np.uint8)
    tifffile.imwrite(path, zeros, photometric="minisblack", planarconfig="contig")
    stored = bytearray(path.read_bytes())
    at = stored.index(struct.pack("<HHIH", 277, 3, 1, 7))
    stored[at + 8 : at + 10] = struct.pack("<H", 60000)
    path.write_bytes(stored)
    monkeypatch.setattr(iic_tf.data.tiff, "_page", lambda *how: pytest.fail("opened by GDAL"))
    with pytest.raises(InputError, match=r"a\.tif' \(60000 channels\)"):
        _ = Raster(path).height


@pytest.mark.parametrize("scale", [256, 257, 1])
def test_palettes_of_8_and_16_bits(tmp_path, scale):
    index, colours = noise(37, 53) % 4, noise(3, 256)
    stored = colours.astype(np.uint16) * scale
    tifffile.imwrite(tmp_path / "p.tif", index, photometric="palette", colormap=stored)
    check_windows(tmp_path / "p.tif", colours.T[index])


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_palettes_of_few_bits(tmp_path, bits):
    index, colours = noise(37, 53) % 2**bits, noise(16, 3)
    path = tmp_path / "p.tif"
    gdal_tiff(path, index, nbits=bits, photometric="palette")
    with rasterio.open(path, "r+") as file:
        file.write_colormap(1, {i: (*map(int, c), 255) for i, c in enumerate(colours[: 2**bits])})
    check_windows(path, index, "index")
    check_windows(path, colours[index])


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_white_may_be_0(tmp_path, dtype):
    pixels = noise(37, 53, dtype=dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="miniswhite")
    check_windows(tmp_path / "a.tif", pixels, "index")
    check_windows(tmp_path / "a.tif", ~pixels)


@pytest.mark.parametrize("bits", [1, 4])
def test_grey_of_few_bits(tmp_path, bits):
    pixels = noise(37, 53) % 2**bits
    gdal_tiff(tmp_path / "a.tif", pixels, nbits=bits)
    check_windows(tmp_path / "a.tif", pixels, "index")
    check_windows(tmp_path / "a.tif", pixels * np.uint8(255) if bits == 1 else pixels)


@pytest.mark.parametrize(
    ("channels", "options"),
    [
        (1, {"rowsperstrip": 1900}),
        (1, {"tile": (2048, 2048)}),
        (3, {"rowsperstrip": 700, "planarconfig": "separate"}),
    ],
)
def test_large_strips_and_tiles_are_kept_one_by_one(tmp_path, channels, options):
    pixels = noise(2500, 2300, channels)
    stored = pixels.transpose(2, 0, 1) if channels > 1 else pixels[..., 0]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, stored, compression="deflate", photometric="minisblack", **options)
    set_cache_bytes(0)
    set_cache_bytes(DEFAULT_BYTES)
    raster = Raster(path)
    for window in [(3, 5, 20, 30), (690, 2040, 30, 40), (1880, 0, 620, 2300), (0, 0, 2500, 2300)]:
        top, left, height, width = window
        np.testing.assert_array_equal(
            raster.read(*window), pixels[top : top + height, left : left + width]
        )
    assert SHARED.held == pixels.nbytes


def test_tiles_that_a_window_does_not_touch_are_not_decoded(tmp_path):
    path, pixels = tmp_path / "a.tif", noise(64, 64)
    tifffile.imwrite(path, pixels, compression="deflate", tile=(16, 16))
    stored = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        for number, offset in enumerate(page.dataoffsets):
            if number != 5:
                count = page.databytecounts[number]
                stored[offset : offset + count] = bytes(count)
    path.write_bytes(stored)
    np.testing.assert_array_equal(Raster(path).read(17, 18, 10, 12)[..., 0], pixels[17:27, 18:30])
    with pytest.raises(InputError, match=r"a\.tif.*damaged"):
        Raster(path).read(10, 18, 10, 12)
