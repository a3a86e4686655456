"""Inks and other colours become RGB; JPEG 2000, VRT, WebP, BMP and GIF are read."""

import numpy as np
import pytest
import rasterio
import rasterio.shutil
import tifffile
from image_files import gdal_tiff
from PIL import Image
from raster_checks import check_windows, noise, whole

from iic_tf.data.raster import Raster
from iic_tf.errors import InputError

WHITE = (0, 0, 0, 0)


@pytest.mark.parametrize("tiled", [False, True])
def test_inks_become_colours_as_pillow_has_them(tmp_path, tiled):
    inks = noise(37, 53, 4)
    inks[0, 0], inks[0, 1] = WHITE, (9, 9, 9, 255)
    how = {"tile": (16, 16), "compression": "deflate"} if tiled else {}
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", **how)
    found, valid = whole(tmp_path / "a.tif")
    assert found.shape == (37, 53, 3)
    assert valid is None
    assert (found[0, 0].tolist(), found[0, 1].tolist()) == ([255] * 3, [0] * 3)
    pillow = np.array(Image.fromarray(inks, "CMYK").convert("RGB")).astype(int)
    assert np.abs(found - pillow).max() <= 1
    window = Raster(tmp_path / "a.tif", bands=(3, 1)).read(4, 5, 6, 7)
    np.testing.assert_array_equal(window, found[4:10, 5:12, [2, 0]])


def test_inks_of_16_bits_and_with_alpha(tmp_path):
    inks = noise(37, 53, 5, dtype=np.uint16)
    inks[..., 4] = 65535
    inks[:3, :3, 4] = 0
    inks[9, 9, :4] = WHITE
    tifffile.imwrite(tmp_path / "a.tif", inks, photometric="separated", extrasamples=["unassalpha"])
    found, valid = whole(tmp_path / "a.tif")
    assert (found.shape, found.dtype) == ((37, 53, 3), np.uint16)
    assert found[9, 9].tolist() == [65535] * 3
    light = 65535 - inks[..., :4].astype(float)
    np.testing.assert_allclose(found, light[..., :3] * light[..., 3:] / 65535, atol=1)
    np.testing.assert_array_equal(valid, inks[..., 4] > 0)


def test_other_inks_are_refused(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", noise(37, 53, 6), photometric="separated")
    with pytest.raises(InputError, match="6 inks of 8 bits"):
        _ = Raster(tmp_path / "a.tif").channels


@pytest.mark.parametrize("mode", ["YCbCr", "LAB"])
def test_other_colours_become_rgb(tmp_path, mode):
    colour = {"YCbCr": (90, 100, 200), "LAB": (200, 128, 128)}[mode]
    Image.new(mode, (53, 37), colour).save(tmp_path / "a.tif")
    found, valid = whole(tmp_path / "a.tif")
    assert found.shape == (37, 53, 3)
    assert valid is None
    if mode == "YCbCr":
        shown = np.array(Image.new(mode, (1, 1), colour).convert("RGB"))[0, 0].astype(int)
        assert np.abs(found[9, 9] - shown).max() <= 2


@pytest.mark.parametrize("photometric", ["cielab", "cfa"])
def test_colours_that_nothing_here_knows_are_refused(tmp_path, photometric):
    pixels = noise(37, 53, dtype=np.uint16)
    pixels = np.stack([pixels] * 3, -1) if photometric == "cielab" else pixels
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric)
    with pytest.raises(InputError, match=r"CIELab in 16 bits|raw mosaic"):
        _ = Raster(tmp_path / "a.tif").channels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("name", ["a.jp2", "a.j2k"])
def test_jpeg_2000(tmp_path, dtype, name):
    pixels = noise(37, 53, 3, dtype=dtype)
    gdal_tiff(tmp_path / "a.tif", pixels)
    with rasterio.open(tmp_path / "a.tif") as file:
        rasterio.shutil.copy(
            file,
            tmp_path / name,
            driver="JP2OpenJPEG",
            quality=100,
            reversible="YES",
            ycc="NO",
            codec="J2K" if name == "a.j2k" else "JP2",
        )
    check_windows(tmp_path / name, pixels)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:2000])
    with pytest.raises(InputError, match=name):
        whole(tmp_path / name)


@pytest.mark.parametrize("name", ["a.webp", "a.bmp", "a.gif"])
def test_photographs_of_other_formats(tmp_path, name):
    pixels = noise(37, 53, 3)
    image = Image.fromarray(pixels)
    if name == "a.gif":
        image = image.quantize(64)
        pixels = np.array(image.convert("RGB"))
    image.save(tmp_path / name, **({"lossless": True} if name == "a.webp" else {}))
    check_windows(tmp_path / name, pixels)


@pytest.mark.parametrize("name", ["a.webp", "a.gif"])
def test_films_are_refused(tmp_path, name):
    images = [Image.fromarray(noise(37, 53, 3) // n) for n in (1, 2, 3)]
    images[0].save(tmp_path / name, save_all=True, append_images=images[1:], duration=50)
    with pytest.raises(InputError, match=rf"{name}.*3 pictures in one file"):
        _ = Raster(tmp_path / name).height


def vrt(folder, text, name="a.vrt"):
    path = folder / name
    path.write_text(text)
    return path


def bands_vrt(sources, relative=1, nodata=None, size=(37, 53)):
    """A VRT of a band for each of some files."""
    bands = "".join(
        f'<VRTRasterBand dataType="Byte" band="{number}">'
        + (f"<NoDataValue>{nodata}</NoDataValue>" if nodata is not None else "")
        + f'<SimpleSource><SourceFilename relativeToVRT="{relative}">{source}</SourceFilename>'
        "<SourceBand>1</SourceBand></SimpleSource></VRTRasterBand>"
        for number, source in enumerate(sources, 1)
    )
    return f'<VRTDataset rasterXSize="{size[1]}" rasterYSize="{size[0]}">{bands}</VRTDataset>'


def test_a_vrt_puts_bands_together(tmp_path, monkeypatch):
    pixels = noise(37, 53, 3)
    pixels[2, 3] = 7
    (tmp_path / "bands").mkdir()
    for band in range(3):
        gdal_tiff(tmp_path / f"bands/B{band}.tif", pixels[..., band])
    path = vrt(tmp_path, bands_vrt([f"bands/B{band}.tif" for band in range(3)], nodata=7))
    monkeypatch.chdir("/")
    found, valid = whole(path)
    np.testing.assert_array_equal(found, pixels)
    np.testing.assert_array_equal(valid, (pixels != 7).any(-1))
    np.testing.assert_array_equal(whole(path, bands=(3, 1))[0], pixels[..., [2, 0]])
    # A VRT of VRTs, by their full names.
    outer = vrt(tmp_path, bands_vrt([path], relative=0), "outer.vrt")
    np.testing.assert_array_equal(whole(outer)[0], pixels[..., :1])


@pytest.mark.parametrize(
    "source",
    [
        "/vsicurl/http://127.0.0.1:9/a.tif",
        "/vsizip/a.zip/a.tif",
        "http://127.0.0.1:9/a.tif",
        "&lt;GDAL_WMS/&gt;",
        "missing.tif",
        "a.xml",
        "inner.vrt",
        "a.vrt",
    ],
)
def test_a_vrt_reads_image_files_of_this_computer_alone(tmp_path, source):
    (tmp_path / "a.xml").write_text("<GDAL_WMS><Service name='TMS'/></GDAL_WMS>")
    vrt(tmp_path, bands_vrt(["/vsicurl/http://127.0.0.1:9/b.tif"]), "inner.vrt")
    path = vrt(tmp_path, bands_vrt([source]))
    with pytest.raises(InputError, match=r"its source|name each other"):
        whole(path)


@pytest.mark.parametrize("kind", ["VRTWarpedDataset", "VRTPansharpenedDataset"])
def test_other_kinds_of_vrt_are_refused(tmp_path, kind):
    path = vrt(tmp_path, f'<VRTDataset rasterXSize="9" rasterYSize="9" subClass="{kind}"/>')
    with pytest.raises(InputError, match=f"{kind}; write it as a TIFF by gdal_translate"):
        whole(path)
    text = bands_vrt(["a.tif"]).replace('band="1"', 'band="1" subClass="VRTDerivedRasterBand"')
    with pytest.raises(InputError, match="VRTDerivedRasterBand"):
        whole(vrt(tmp_path, text))
    with pytest.raises(InputError, match=r"a\.vrt.*damaged"):
        whole(vrt(tmp_path, "<VRTDataset>"))
