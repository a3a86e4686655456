import numpy as np
import pytest
from image_files import png
from PIL import Image
from raster_checks import check_windows, noise

from iic_tf.data import whole
from iic_tf.data.raster import Raster
from iic_tf.errors import InputError


@pytest.mark.parametrize(("mode", "channels"), [("L", 1), ("RGB", 3), ("RGBA", 3), ("LA", 1)])
def test_png_modes(tmp_path, mode, channels):
    stored = noise(37, 53, len(mode) if mode != "L" else 1)
    Image.fromarray(stored.squeeze()).save(tmp_path / "a.png")
    check_windows(tmp_path / "a.png", stored[..., :channels])


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_16_bits(tmp_path, channels):
    pixels = noise(37, 53, channels, dtype=np.uint16)
    png(tmp_path / "a.png", pixels)
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
    png(tmp_path / "a.png", np.empty((1, 2)), bits=4, packed=np.array([[0x3F]], np.uint8))
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


def test_large_png_is_refused(tmp_path, monkeypatch):
    Image.fromarray(noise(37, 53)).save(tmp_path / "a.png")
    monkeypatch.setattr(whole, "MAX_PIXELS", 1000)
    with pytest.raises(InputError, match=r"a\.png.*save it as a tiled TIFF"):
        _ = Raster(tmp_path / "a.png").height


def test_a_scrambled_png_of_16_bits(tmp_path, capfd):
    path = tmp_path / "a.png"
    png(path, noise(37, 53, 3, dtype=np.uint16))
    stored = bytearray(path.read_bytes())
    stored[5000:5010] = bytes(10)
    path.write_bytes(stored)
    raster = Raster(path)
    assert (raster.height, raster.width, raster.channels) == (37, 53, 3)
    with pytest.raises(InputError, match=r"a\.png.*damaged: .*"):
        raster.read(0, 0, 37, 53)
    assert capfd.readouterr().err == ""
