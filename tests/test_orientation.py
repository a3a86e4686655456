"""Pictures come as viewers show them, whatever file and orientation they are stored in."""

import struct
import zlib

import numpy as np
import pytest
import rasterio
import tifffile
from image_files import png
from PIL import Image, ImageOps
from raster_checks import check_windows, noise, whole

from iic_tf.data.georeference import place_of
from iic_tf.data.raster import Raster

ALL = range(1, 9)


def stored(shown, orientation):
    """What is to be stored so that it shows like this: EXIF's own words, one by one."""
    turn = {
        1: lambda a: a,
        2: lambda a: a[:, ::-1],
        3: lambda a: a[::-1, ::-1],
        4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1),
        6: lambda a: np.rot90(a, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
        8: lambda a: np.rot90(a, -1),
    }
    return np.ascontiguousarray(turn[orientation](shown))


def exif(orientation):
    raw = Image.Exif()
    raw[274] = orientation
    return raw


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.webp", "a.tif"])
def test_all_eight(tmp_path, name, orientation):
    shown = noise(37, 53, 3)
    if name == "a.jpg":  # Smooth, or its losses are larger than what is looked for.
        shown = np.stack(np.broadcast_arrays(np.arange(37)[:, None], np.arange(53), 9), -1)
        shown = shown.astype(np.uint8) * 4
    path = tmp_path / name
    lossless = {"lossless": True} if name == "a.webp" else {}
    image = Image.fromarray(stored(shown, orientation))
    if name == "a.tif":
        image.save(path, tiffinfo={274: orientation})
    else:
        image.save(path, exif=exif(orientation), **lossless)
    # Pillow says the same.
    upright = np.array(ImageOps.exif_transpose(Image.open(path)))
    if name != "a.jpg":
        np.testing.assert_array_equal(upright, shown)
        check_windows(path, shown)
        return
    found = whole(path)[0]
    np.testing.assert_array_equal(found, upright)
    assert np.abs(found.astype(int) - shown).mean() < 4


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("behind", [False, True])
def test_png_may_say_it_before_or_behind_the_pixels(tmp_path, orientation, behind):
    shown = noise(37, 53, 3, dtype=np.uint16)
    png(tmp_path / "a.png", stored(shown, orientation))
    raw = (tmp_path / "a.png").read_bytes()
    said = exif(orientation).tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(said)) + b"eXIf" + said
    chunk += struct.pack(">I", zlib.crc32(b"eXIf" + said))
    at = raw.index(b"IEND" if behind else b"IDAT") - 4
    (tmp_path / "a.png").write_bytes(raw[:at] + chunk + raw[at:])
    check_windows(tmp_path / "a.png", shown)


@pytest.mark.parametrize(
    "said",
    [
        b"Exif\0\0II*\0\xff\xff",
        b"Exif\0\0",
        b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(20),
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x09\0\0\0\0\0\0",
        b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\0\0\x06\0\0\0\0\0\0",
    ],
)
def test_damaged_or_senseless_exif_is_passed_over(tmp_path, said):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.jpg", exif=said)
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png", exif=said)
    assert (Raster(tmp_path / "a.jpg").height, Raster(tmp_path / "a.jpg").width) == (37, 53)
    check_windows(tmp_path / "a.png", noise(37, 53))


@pytest.mark.parametrize("orientation", ALL)
def test_transparent_pixels_turn_too(tmp_path, orientation):
    shown = noise(37, 53, 4)
    shown[..., 3] = 255
    shown[:5, :9, 3] = 0
    Image.fromarray(stored(shown, orientation)).save(tmp_path / "a.png", exif=exif(orientation))
    pixels, valid = whole(tmp_path / "a.png")
    np.testing.assert_array_equal(pixels, shown[..., :3])
    np.testing.assert_array_equal(valid, shown[..., 3] > 0)


@pytest.mark.parametrize("orientation", ALL)
@pytest.mark.parametrize("place", ["affine", "points"])
def test_a_turned_image_keeps_its_place(tmp_path, orientation, place):
    path = tmp_path / "a.tif"
    size = stored(np.zeros((37, 53)), orientation).shape
    affine = rasterio.Affine(0.5, 0.1, 500000, 0.2, -0.5, 5800000)
    points = [
        rasterio.control.GroundControlPoint(y, x, *(affine @ (x, y)), 5)
        for x, y in ((0, 0), (30, 0), (0, 20), (9, 9))
    ]
    where = {"transform": affine} if place == "affine" else {"gcps": points}
    # A pixel of each value lies somewhere, whatever way the image is shown.
    values = np.arange(size[0] * size[1], dtype=np.uint16).reshape(size)
    profile = {"height": size[0], "width": size[1], "count": 1, "dtype": "uint16"}
    with rasterio.open(path, "w", driver="GTiff", crs="EPSG:32633", **profile, **where) as file:
        file.write(values, 1)
    with tifffile.TiffFile(path, mode="r+b") as file:
        assert file.pages[0].tags.get(274) is None
    _add_orientation(path, orientation)
    raster = Raster(path)
    assert (raster.height, raster.width) == (37, 53)
    shown = whole(path)[0][..., 0]
    found = place_of(path)
    assert found["crs"].to_epsg() == 32633
    if place == "affine":
        for x, y in ((0, 0), (52, 36), (20, 3)):
            y0, x0 = np.argwhere(values == shown[y, x])[0]
            expected = affine @ (x0 + 0.5, y0 + 0.5)
            np.testing.assert_allclose(found["transform"] @ (x + 0.5, y + 0.5), expected)
        return
    for before, after in zip(points, found["gcps"], strict=True):
        assert (before.x, before.y, before.z) == (after.x, after.y, after.z)
        # Points lie on the corners of pixels: the same four pixels lie about them.
        around = [(after.row + dy, after.col + dx) for dy in (-0.5, 0.5) for dx in (-0.5, 0.5)]
        about = [(before.row + dy, before.col + dx) for dy in (-0.5, 0.5) for dx in (-0.5, 0.5)]
        assert _at(shown, around) == _at(values, about)


def _at(values, places):
    inside = [(int(y), int(x)) for y, x in places if y > 0 and x > 0]
    inside = [(y, x) for y, x in inside if y < values.shape[0] and x < values.shape[1]]
    return {int(values[place]) for place in inside}


def _add_orientation(path, orientation):
    """Write the tag into a TIFF's directory, in place of the one for the software's name."""
    raw = bytearray(path.read_bytes())
    (start,) = struct.unpack("<I", raw[4:8])
    (count,) = struct.unpack("<H", raw[start : start + 2])
    entries = [bytes(raw[start + 2 + 12 * i : start + 14 + 12 * i]) for i in range(count)]
    entries.append(struct.pack("<HHIHH", 274, 3, 1, orientation, 0))
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    # A longer directory goes to the end.
    new = len(raw)
    raw += struct.pack("<H", count + 1) + b"".join(entries) + bytes(4)
    raw[4:8] = struct.pack("<I", new)
    path.write_bytes(raw)
