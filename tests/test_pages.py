"""Which pages of a TIFF are the image: one, a band each, a row each; or none, with the reason."""

import numpy as np
import pytest
import tifffile
from image_files import gdal_tiff
from PIL import Image
from raster_checks import check_windows, noise

from iic_tf.data.raster import Raster
from iic_tf.errors import InputError

IMAGE = noise(37, 53, 5)
BANDS = np.ascontiguousarray(IMAGE.transpose(2, 0, 1))


@pytest.mark.parametrize(
    "how",
    [
        {"photometric": "minisblack"},
        {"photometric": "minisblack", "metadata": None},
        {"photometric": "minisblack", "metadata": {"axes": "CYX"}, "compression": "deflate"},
        {"photometric": "minisblack", "bigtiff": True, "byteorder": ">"},
        {"photometric": "minisblack", "tile": (16, 16)},
        {"imagej": True, "metadata": {"axes": "CYX"}},
        {"imagej": True, "metadata": {"axes": "ZYX"}},
        {"ome": True, "metadata": {"axes": "CYX"}},
        {"ome": True, "metadata": {"axes": "CYX"}, "photometric": "minisblack"},
        {"photometric": "minisblack", "planarconfig": "separate"},
    ],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_bands_as_pages(tmp_path, how, dtype):
    bands = BANDS.astype(dtype) * (257 if dtype == np.uint16 else 1)
    bands = bands.astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", bands, **how)
    check_windows(tmp_path / "a.tif", bands.transpose(1, 2, 0))


def test_rows_as_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", IMAGE, photometric="minisblack")
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert (len(file.pages), file.pages[0].shape) == (37, (53, 5))
    check_windows(tmp_path / "a.tif", IMAGE)
    found = Raster(tmp_path / "a.tif", bands=(5, 1)).read(3, 4, 5, 6)
    np.testing.assert_array_equal(found, IMAGE[3:8, 4:10, [4, 0]])


def test_rows_as_pages_where_axes_say_so(tmp_path):
    tifffile.imwrite(
        tmp_path / "a.tif", IMAGE[:9], photometric="minisblack", metadata={"axes": "YXC"}
    )
    np.testing.assert_array_equal(Raster(tmp_path / "a.tif").read(0, 0, 9, 53), IMAGE[:9])


def test_numbers_of_bands_are_those_of_pages(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", BANDS, photometric="minisblack")
    raster = Raster(tmp_path / "a.tif", bands=(4, 1))
    assert raster.channels == 2
    np.testing.assert_array_equal(raster.read(3, 4, 5, 6), IMAGE[3:8, 4:10, [3, 0]])
    with pytest.raises(InputError, match=r"from 1 to 5.*received bands=6"):
        _ = Raster(tmp_path / "a.tif", bands=(6,)).channels


def test_ome_channels_in_another_order(tmp_path):
    path = tmp_path / "a.ome.tif"
    tifffile.imwrite(path, BANDS[:2], ome=True, metadata={"axes": "CYX"})
    told = b'<TiffData FirstC="0" IFD="1"/><TiffData FirstC="1" IFD="0"/>'
    raw = path.read_bytes()
    old = b'<TiffData IFD="0" PlaneCount="2"/>'
    assert old in raw
    # The text grows; what follows it in the file stays where it is, so it is written at the end.
    with tifffile.TiffFile(path) as file:
        text = file.pages[0].description.encode().replace(old, told)
    with tifffile.TiffWriter(path) as writer:
        writer.write(BANDS[0], description=text, metadata=None, photometric="minisblack")
        writer.write(BANDS[1], metadata=None, photometric="minisblack")
    found = Raster(path).read(0, 0, 37, 53)
    np.testing.assert_array_equal(found, IMAGE[..., [1, 0]])


@pytest.mark.parametrize("reduced", [0, 1])
@pytest.mark.parametrize("first", [True, False])
def test_thumbnails_and_overviews_are_no_images(tmp_path, reduced, first):
    image = IMAGE[..., :3]
    small = np.ascontiguousarray(image[::4, ::4])
    how = {"photometric": "rgb", "metadata": None}
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        if first:
            file.write(small, subfiletype=reduced, **how)
        file.write(image, compression="deflate", **how)
        if not first:
            file.write(small, subfiletype=reduced, **how)
    check_windows(tmp_path / "a.tif", image)


@pytest.mark.parametrize("half", [(18, 26), (19, 27)])
def test_pyramids_without_a_flag(tmp_path, half):
    height, width = half
    pages(tmp_path / "a.tif", RGB, RGB[:height, :width], RGB[:9, :13], photometric="rgb")
    check_windows(tmp_path / "a.tif", RGB)


def test_bands_of_another_resolution_are_not_left_out(tmp_path):
    pages(tmp_path / "a.tif", GREY[:36], GREY[:36], GREY[:18, :27])
    with pytest.raises(InputError, match="pages of 36 x 53 and of 18 x 27 pixels"):
        _ = Raster(tmp_path / "a.tif").height


def test_masks_and_overviews_of_gdal_are_no_bands(tmp_path):
    gdal_tiff(tmp_path / "a.tif", IMAGE, mask=np.ones((37, 53), bool))
    check_windows(tmp_path / "a.tif", IMAGE)
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert len(file.pages) == 2


def pages(path, *images, **how):
    with tifffile.TiffWriter(path) as file:
        for image in images:
            file.write(image, metadata=None, **how)


RGB = np.ascontiguousarray(IMAGE[..., :3])
GREY = IMAGE[..., 0]


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda p: pages(p, RGB, RGB, photometric="rgb"), "2 pages, each an image of its own"),
        (
            lambda p: tifffile.imwrite(p, np.stack([RGB] * 3), photometric="rgb"),
            "3 pages, each an image of its own; write each of them to a file of its own",
        ),
        (lambda p: pages(p, GREY > 9, GREY > 9), "each an image of its own"),
        (lambda p: pages(p, GREY, GREY[:, :40]), "pages of 37 x 53 and of 37 x 40 pixels"),
        (lambda p: pages(p, GREY, GREY.astype("uint16")), "2 pages of different types"),
        (lambda p: pages(p, *[GREY] * 17), "17 pages of 37 x 53 pixels"),
        (lambda p: pages(p, GREY, GREY, subfiletype=2), "2 pages of a document"),
        (
            lambda p: tifffile.imwrite(p, noise(20, 37, 53), photometric="minisblack"),
            "20 pages of 37 x 53",
        ),
        (
            lambda p: tifffile.imwrite(p, noise(9, 9, 5), photometric="minisblack"),
            "9 pages of 9 x 5 pixels: bands, or rows of an image with 5 bands",
        ),
        (
            lambda p: tifffile.imwrite(
                p, noise(2, 3, 9, 9), imagej=True, metadata={"axes": "ZCYX"}
            ),
            "3 channels x 2 slices",
        ),
        (
            lambda p: tifffile.imwrite(p, noise(2, 3, 9, 9), ome=True, metadata={"axes": "TCYX"}),
            "3 channels x 2 times",
        ),
        *[
            (
                lambda p, how=how: tifffile.imwrite(
                    p, IMAGE.transpose(2, 0, 1), metadata={"axes": "TYX"}, **how
                ),
                "5 times; write each of them to a file of its own",
            )
            for how in ({"photometric": "minisblack"}, {"imagej": True}, {"ome": True})
        ],
    ],
)
def test_what_is_not_one_image_is_refused(tmp_path, write, reason):
    write(tmp_path / "a.tif")
    with pytest.raises(InputError, match=rf"a\.tif.*{reason}"):
        _ = Raster(tmp_path / "a.tif").height


def test_two_ome_images_are_refused(tmp_path):
    with tifffile.TiffWriter(tmp_path / "a.ome.tif", ome=True) as file:
        file.write(GREY, metadata={"axes": "YX"})
        file.write(GREY, metadata={"axes": "YX"})
    with pytest.raises(InputError, match="OME-TIFF of 2 images"):
        _ = Raster(tmp_path / "a.ome.tif").height


@pytest.mark.parametrize("imagej", [True, False])
def test_pages_that_are_missing_are_missed(tmp_path, imagej):
    path = tmp_path / "a.tif"
    text = "ImageJ=1.5\nimages=5\nchannels=5\n" if imagej else '{"shape": [5, 37, 53]}'
    tifffile.imwrite(path, GREY, description=text, metadata=None)
    with pytest.raises(InputError, match=r"5 (images|pages) by"):
        _ = Raster(path).height


def test_a_circle_of_pages_is_damage(tmp_path):
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, GREY, metadata=None)
    raw = bytearray(path.read_bytes())
    start = int.from_bytes(raw[4:8], "little")
    entries = int.from_bytes(raw[start : start + 2], "little")
    at = start + 2 + 12 * entries
    raw[at : at + 4] = raw[4:8]
    path.write_bytes(raw)
    with pytest.raises(InputError, match="directories go in a circle"):
        _ = Raster(path).height


def test_a_page_flagged_as_reduced_that_is_all_there_is(tmp_path):
    Image.fromarray(GREY).save(tmp_path / "a.tif", tiffinfo={254: 1})
    check_windows(tmp_path / "a.tif", GREY)


@pytest.mark.parametrize("once", [True, False])
@pytest.mark.parametrize("order", [(2, 0, 1), (0, 1, 2)])
def test_the_first_page_may_say_alone_what_no_data_is(tmp_path, once, order):
    pixels = np.maximum(IMAGE, 1)
    pixels[:7] = 0
    pixels[9, :, :-1] = 0  # One band is there.
    said = [(42113, "s", 0, "0", once)]
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, pixels.transpose(order), photometric="minisblack", extratags=said)
    for bands in (None, (4, 5, 2)):
        raster = Raster(path, bands=bands)
        found, valid = raster.read_with_valid(0, 0, 37, 53)
        chosen = [0, 1, 2, 3, 4] if bands is None else [3, 4, 1]
        np.testing.assert_array_equal(found, pixels[..., chosen])
        np.testing.assert_array_equal(valid, pixels[..., chosen].any(axis=-1))
        assert raster.has_nodata
