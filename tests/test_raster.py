import pickle
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import tifffile
from image_files import gdal_tiff, png
from PIL import Image
from raster_checks import check_windows, noise

from iic_tf.data.pixel_cache import PixelCache, set_cache_bytes
from iic_tf.data.raster import Raster
from iic_tf.errors import DataMissingError, InputError


def test_the_format_is_told_by_content(tmp_path):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    check_windows(tmp_path / "a.tif", noise(37, 53))


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


def test_not_images(tmp_path):
    (tmp_path / "a.png").write_text("no image")
    with pytest.raises(InputError, match=r"a\.png.*starts with b'no image'"):
        _ = Raster(tmp_path / "a.png").width
    with pytest.raises(DataMissingError, match=r"b\.png"):
        _ = Raster(tmp_path / "b.png").width
    with pytest.raises(InputError, match="damaged"):
        _ = Raster(tmp_path).width


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


@pytest.mark.parametrize("name", ["a.png", "b.png", "a.jpg", "a.tif", "b.tif"])
def test_a_truncated_file_is_named_or_whole(tmp_path, name, capfd):
    path, pixels = tmp_path / name, noise(37, 53, 3)
    if name == "b.png":
        png(path, noise(37, 53, 3, dtype=np.uint16))
    elif name.endswith(".tif"):
        tifffile.imwrite(
            path,
            pixels,
            photometric="rgb",
            tile=(16, 16),
            compression="deflate" if name == "b.tif" else None,
        )
    else:
        Image.fromarray(pixels).save(path)
    whole, stored = Raster(path).read(0, 0, 37, 53), path.read_bytes()
    kept = 0
    for keep in range(0, len(stored), 101):
        path.write_bytes(stored[:keep])
        try:
            pixels = Raster(path).read(0, 0, 37, 53)
        except InputError as error:
            message = str(error)
        else:
            # What was cut off held no pixels.
            np.testing.assert_array_equal(pixels, whole)
            kept += 1
            continue
        assert name in message
        assert "\n" not in message
    assert kept <= 10
    assert capfd.readouterr().err == ""


def test_a_file_that_is_gone(tmp_path):
    for name in ("a.png", "a.tif"):
        path = tmp_path / name
        Image.fromarray(noise(9, 9)).save(path)
        raster = Raster(path)
        assert raster.height == 9
        path.unlink()
        with pytest.raises(DataMissingError, match=name):
            raster.read(0, 0, 9, 9)


def test_nothing_is_written_beside_images_or_read_from_there(tmp_path):
    gdal_tiff(tmp_path / "a.tif", noise(37, 53))
    png(tmp_path / "b.png", noise(37, 53, dtype=np.uint16))
    (tmp_path / "a.tif.msk").write_bytes(b"no image")
    (tmp_path / "a.tif.aux.xml").write_text("<PAMDataset><PAMRasterBand band='1'>")
    before = sorted(tmp_path.iterdir())
    for file in ("a.tif", "b.png"):
        assert Raster(tmp_path / file).read(0, 0, 37, 53).any()
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "name", ["a?b=c&d.tif", "zip!a.tif", "GTIFF_DIR:1:a.tif", "\u00e9 %20.tif"]
)
def test_names_that_gdal_could_take_for_something_else(tmp_path, monkeypatch, name):
    tifffile.imwrite(tmp_path / name, noise(37, 53), photometric="minisblack")
    check_windows(tmp_path / name, noise(37, 53))
    monkeypatch.chdir(tmp_path)
    check_windows(name, noise(37, 53))


def test_threads_neither_warn_nor_change_the_filters(tmp_path):
    pixels = noise(37, 53, 3)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb", compression="deflate")
    seen = []

    def read(_):
        raster = Raster(tmp_path / "a.tif")
        seen.append(list(warnings.filters))
        return raster.read(0, 0, 37, 53)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        before = list(warnings.filters)
        with ThreadPoolExecutor(8) as threads:
            for read_pixels in threads.map(read, range(200)):
                np.testing.assert_array_equal(read_pixels, pixels)
        assert all(filters == before for filters in seen)
