import resource

import numpy as np
import pytest
import tifffile
from image_files import pixels
from PIL import Image
from rasterio import Affine
from rasterio.crs import CRS
from rasterio.errors import RasterioIOError

from iic_tf.data.gdal import create_tiff
from iic_tf.data.georeference import place_of
from iic_tf.data.raster import Raster
from iic_tf.export import label_files
from iic_tf.export.label_files import place_for_labels, write_labels

COLOURS = pixels(6, 3, seed=1)
LABELS = pixels(270, 300) % 6
SIZE = LABELS.shape


def write(folder, source=None, rows=100):
    strips = (LABELS[top : top + rows] for top in range(0, len(LABELS), rows))
    folder.mkdir(exist_ok=True)
    place = place_for_labels(source)
    return [path.name for path in write_labels(folder, "a", strips, SIZE, COLOURS, place)]


def test_an_image_without_a_place_has_labels_without_one(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", LABELS, photometric="minisblack")
    assert write(tmp_path / "out", tmp_path / "a.tif") == ["a_labels.png", "a_labels.tif"]
    path = tmp_path / "out/a_labels.tif"
    assert place_of(path) == {}
    np.testing.assert_array_equal(Raster(path, "index").read(0, 0, *SIZE)[..., 0], LABELS)
    np.testing.assert_array_equal(Raster(path).read(0, 0, *SIZE), COLOURS[LABELS])
    # Read by another than its writer.
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert (page.is_tiled, page.tile) == (True, (512, 512))
        assert (page.compression.name, page.photometric.name) == ("ADOBE_DEFLATE", "PALETTE")
        np.testing.assert_array_equal(page.asarray(), LABELS)
        np.testing.assert_array_equal(page.colormap[:, :6].T, COLOURS.astype(np.uint16) * 257)
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_labels.png", "a_labels.tif"]


PLACE = {"crs": CRS.from_epsg(32633), "transform": Affine(0.5, 0, 500000, 0, -0.5, 5800000)}


@pytest.mark.parametrize("halves", [("crs",), ("transform",), ("crs", "transform")])
def test_a_place_is_handed_on_by_halves_too(tmp_path, halves):
    given = {half: PLACE[half] for half in halves}
    with create_tiff(tmp_path / "a.tif", *SIZE, **given) as file:
        file.write(LABELS, 1)
    assert place_of(tmp_path / "a.tif") == given
    write(tmp_path / "out", tmp_path / "a.tif")
    assert place_of(tmp_path / "out/a_labels.tif") == given


def test_a_place_in_a_world_file(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", LABELS, photometric="minisblack")
    (tmp_path / "a.tfw").write_text("0.5\n0\n0\n-0.5\n500000.25\n5799999.75\n")
    write(tmp_path / "out", tmp_path / "a.tif")
    assert place_of(tmp_path / "out/a_labels.tif") == {"transform": PLACE["transform"]}


def test_a_png_by_a_tiffs_name_has_no_place(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.tif")
    assert write(tmp_path / "out", tmp_path / "a.tif") == ["a_labels.png", "a_labels.tif"]


def test_a_large_png_has_a_tiff_of_labels_only(tmp_path, monkeypatch):
    monkeypatch.setattr(label_files, "LARGEST_PNG", 1000)
    Image.fromarray(LABELS).save(tmp_path / "a.png")
    assert write(tmp_path / "out", tmp_path / "a.png", rows=70) == ["a_labels.tif"]
    path = tmp_path / "out/a_labels.tif"
    np.testing.assert_array_equal(Raster(path, "index").read(0, 0, *SIZE)[..., 0], LABELS)


@pytest.mark.parametrize("room", [1000, 20_000])
def test_a_full_disk_leaves_no_half_a_file(tmp_path, monkeypatch, room):
    monkeypatch.setattr(label_files, "LARGEST_PNG", 1000)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        with pytest.raises(RasterioIOError):
            write(tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list((tmp_path / "out").iterdir()) == []
