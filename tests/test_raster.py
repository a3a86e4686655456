import pickle
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image

from iic_tf.data import whole
from iic_tf.data.pixel_cache import SHARED, PixelCache, set_cache_bytes
from iic_tf.data.raster import Raster
from iic_tf.errors import DataMissingError, InputError

WINDOWS = [(0, 0, 37, 53), (5, 7, 11, 13), (36, 52, 1, 1), (15, 15, 18, 34), (0, 30, 37, 3)]


def noise(*shape, dtype=np.uint8):
    top = np.iinfo(dtype).max
    return np.random.default_rng(3).integers(0, top, shape, dtype, endpoint=True)


def check_windows(path, pixels, palette="rgb"):
    raster = Raster(path, palette)
    pixels = pixels if pixels.ndim == 3 else pixels[..., None]
    assert (raster.height, raster.width, raster.channels) == pixels.shape
    assert raster.dtype == pixels.dtype
    for top, left, height, width in WINDOWS:
        window = raster.read(top, left, height, width)
        assert window.dtype == pixels.dtype
        np.testing.assert_array_equal(window, pixels[top : top + height, left : left + width])
        window[...] = 0  # The window is the caller's own.
    np.testing.assert_array_equal(raster.read(0, 0, 37, 53), pixels)


@pytest.mark.parametrize("layout", [{"rowsperstrip": 5}, {"tile": (16, 32)}, {}])
@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("compression", [None, "deflate", "lzw"])
@pytest.mark.parametrize("channels", [1, 2, 4, 16])
def test_tiff_layouts(tmp_path, layout, planar, compression, channels):
    pixels = noise(37, 53, channels, dtype=np.uint16)
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
    tifffile.imwrite(
        tmp_path / "a.tif",
        pixels,
        photometric="rgb",
        compression=compression,
        rowsperstrip=8,
        **options,
    )
    check_windows(tmp_path / "a.tif", pixels)


def test_tiff_reads_page_0_only(tmp_path):
    pages = noise(3, 37, 53)
    tifffile.imwrite(tmp_path / "a.tif", pages, photometric="minisblack")
    check_windows(tmp_path / "a.tif", pages[0])


def test_tiff_jpeg_compression(tmp_path):
    pixels = np.full((37, 53, 3), (200, 30, 90), np.uint8)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="jpeg")
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


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 3), ("LA", 1)])
def test_png_modes(tmp_path, mode, channels):
    stored = noise(37, 53, len(mode) if mode != "L" else 1)
    Image.fromarray(stored.squeeze()).save(tmp_path / "a.png")
    check_windows(tmp_path / "a.png", stored[..., :channels])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_16_bits(tmp_path, channels):
    pixels = noise(37, 53, channels, dtype=np.uint16)
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels.squeeze()))
    check_windows(tmp_path / "a.png", pixels[..., : 3 if channels > 2 else 1])


@pytest.mark.parametrize("transparency", [None, 1, bytes([0, 128, 255])])
def test_png_palette(tmp_path, transparency):
    index = noise(37, 53) % 3
    image = Image.new("P", (53, 37))
    image.putdata(index.ravel().tolist())
    colours = np.array([[132, 41, 246], [0, 0, 0], [226, 169, 41]], np.uint8)
    image.putpalette(colours.tobytes())
    options = {} if transparency is None else {"transparency": transparency}
    image.save(tmp_path / "a.png", **options)
    check_windows(tmp_path / "a.png", index, "index")
    check_windows(tmp_path / "a.png", colours[index])


def test_png_of_few_bits(tmp_path):
    bits = noise(37, 53) > 99
    Image.fromarray(bits).save(tmp_path / "b.png")
    check_windows(tmp_path / "b.png", bits.astype(np.uint8), "index")
    check_windows(tmp_path / "b.png", bits.astype(np.uint8) * np.uint8(255))


def test_png_grey_of_4_bits(tmp_path):
    import struct
    import zlib

    def chunk(kind, data):
        crc = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", crc)

    header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    (tmp_path / "a.png").write_bytes(
        whole.PNG_START
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes([0, 0x3F])))
        + chunk(b"IEND", b"")
    )
    assert Raster(tmp_path / "a.png", "index").read(0, 0, 1, 2).ravel().tolist() == [3, 15]
    assert Raster(tmp_path / "a.png").read(0, 0, 1, 2).ravel().tolist() == [51, 255]


@pytest.mark.parametrize(
    ("mode", "colour"), [("L", 90), ("RGB", (90, 20, 200)), ("CMYK", (0,) * 4)]
)
def test_jpeg_modes_and_damaged_exif(tmp_path, mode, colour):
    Image.new(mode, (53, 37), colour).save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0\xff\xff")
    raster = Raster(tmp_path / "a.jpg")
    assert raster.read(3, 5, 20, 30).shape == (20, 30, 1 if mode == "L" else 3)
    if mode == "CMYK":
        assert raster.read(0, 0, 9, 9).min() > 250


def test_the_format_is_told_by_content(tmp_path):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    check_windows(tmp_path / "a.tif", noise(37, 53))


def test_large_png_is_refused(tmp_path, monkeypatch):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png")
    monkeypatch.setattr(whole, "MAX_PIXELS", 1000)
    with pytest.raises(InputError, match=r"a\.png.*save it as a tiled TIFF"):
        _ = Raster(tmp_path / "a.png").height


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tif"])
@pytest.mark.parametrize("keep", [0, 4, 30, -400])
def test_damaged_files_are_named(tmp_path, name, keep, capfd):
    path = tmp_path / name
    if name == "a.tif":
        tifffile.imwrite(path, noise(37, 53, 3), photometric="rgb", compression="deflate")
    else:
        Image.fromarray(noise(37, 53, 3)).save(path)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(InputError, match=f"Expected a PNG, JPEG or TIFF .*{name}"):
        Raster(path).read(0, 0, 37, 53)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("compression", [None, "lzw", "deflate"])
def test_scrambled_and_truncated_tiffs(tmp_path, compression):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, noise(37, 53, 3), photometric="rgb", compression=compression)
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(InputError, match=r"a\.tif"):
        Raster(path).read(0, 0, 37, 53)


def test_not_images(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(InputError, match=r"a\.png.*starts with b'no image'"):
        _ = Raster(tmp_path / "a.png").width
    with pytest.raises(DataMissingError, match=r"b\.png"):
        _ = Raster(tmp_path / "b.png").width
    with pytest.raises(InputError, match="damaged"):
        _ = Raster(tmp_path).width


@pytest.mark.parametrize("dtype", [np.float32, np.int16, np.uint32])
def test_other_number_types_are_refused(tmp_path, dtype):
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((9, 9), dtype))
    with pytest.raises(InputError, match=rf"a\.tif.*{np.dtype(dtype).name}"):
        _ = Raster(tmp_path / "a.tif").dtype


def test_17_channels_are_refused(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", noise(9, 9, 17), photometric="minisblack", planarconfig="contig"
    )
    with pytest.raises(InputError, match=r"a\.tif.*17 channels"):
        _ = Raster(tmp_path / "a.tif").channels


@pytest.mark.parametrize("window", [(0, 0, 38, 1), (-1, 0, 2, 2), (0, 0, 0, 5), (0, 50, 1, 4)])
def test_windows_outside(tmp_path, window):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="window inside the 37 x 53 pixels"):
        Raster(tmp_path / "a.png").read(*window)


def test_pickle_threads_and_blocks(tmp_path):
    pixels = noise(37, 53, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", tile=(16, 16))
    raster = pickle.loads(pickle.dumps(Raster(tmp_path / "a.tif", "index")))
    assert raster.palette == "index"
    with ThreadPoolExecutor(4) as threads:
        for row in threads.map(lambda top: (top, raster.read(top, 0, 1, 53)), range(37)):
            np.testing.assert_array_equal(row[1][0], pixels[row[0]])
    np.testing.assert_array_equal(np.concatenate(list(raster.row_blocks())), pixels)


def test_a_file_written_anew_is_read_anew(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros((9, 9), np.uint8)).save(path)
    raster = Raster(path)
    assert raster.read(0, 0, 9, 9).max() == 0
    Image.fromarray(noise(9, 9)).save(path)
    assert raster.read(0, 0, 9, 9).max() > 0


def test_cache_is_bounded():
    cache = PixelCache(100)
    made = []

    def get(key, size):
        def make():
            made.append(key)
            return np.zeros(size, np.uint8)

        return cache.get(key, make)

    get("a", 60), get("b", 40), get("a", 60), get("c", 30)
    assert made == ["a", "b", "c"]
    assert cache.held == 90  # b was used least recently
    get("large", 500)
    get("large", 500)
    assert made[3:] == ["large"]
    cache.resize(0)
    assert cache.held == 0
    get("d", 10)
    assert cache.held == 0
    with pytest.raises(InputError, match="limit=-1"):
        set_cache_bytes(-1)


def test_no_warnings(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Image.fromarray(noise(37, 53, 4)).save(tmp_path / "a.png")
        Raster(tmp_path / "a.png").read(0, 0, 37, 53)
