"""The choice of bands: numbers within a file, or a file for each of them."""

import json
import pickle
from pathlib import PurePath

import numpy as np
import onnx
import pytest
from image_files import gdal_tiff, save
from raster_checks import noise, whole

from iic_tf.data.band_files import group_by_band, parse_bands
from iic_tf.data.folder import load_folder
from iic_tf.data.raster import Raster
from iic_tf.data.registry import source_from_dict
from iic_tf.data.stack import Stack
from iic_tf.errors import DataMissingError, InputError

IMAGE = noise(37, 53, 4)


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("bands", [(4, 1, 2), (2,), (1, 2, 3, 4), (3, 3), (4, 3, 2, 1)])
def test_numbers_of_bands_keep_their_order(tmp_path, bands, interleave):
    gdal_tiff(tmp_path / "a.tif", IMAGE, alpha="NO", interleave=interleave)
    found, _ = whole(tmp_path / "a.tif", bands=bands)
    np.testing.assert_array_equal(found, IMAGE[..., [band - 1 for band in bands]])


@pytest.mark.parametrize("name", ["a.tif", "a.png"])
@pytest.mark.parametrize("bands", [(0,), (4,), (1, 9), ()])
def test_bands_that_are_not_there(tmp_path, name, bands):
    save(tmp_path / name, IMAGE[..., :3])
    with pytest.raises(InputError, match=rf"from 1 to 3, as many as '.*{name}' has; received band"):
        _ = Raster(tmp_path / name, bands=bands).channels


def test_more_bands_than_16_can_be_chosen_from(tmp_path):
    pixels = noise(9, 9, 40)
    gdal_tiff(tmp_path / "a.tif", pixels)
    with pytest.raises(InputError, match="40 channels; choose up to 16 by bands"):
        _ = Raster(tmp_path / "a.tif").channels
    found, _ = whole(tmp_path / "a.tif", bands=(40, 2))
    np.testing.assert_array_equal(found, pixels[..., [39, 1]])


def test_photographs_have_bands_too(tmp_path):
    save(tmp_path / "a.png", IMAGE[..., :3])
    np.testing.assert_array_equal(whole(tmp_path / "a.png", bands=(3, 1))[0], IMAGE[..., [2, 0]])


def band_files(folder, names, **how):
    for band, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        gdal_tiff(folder / name, IMAGE[..., band], **how)


def test_a_stack_reads_like_a_raster(tmp_path):
    band_files(tmp_path, ["a.tif", "b.tif", "c.tif"])
    stack = Stack([Raster(tmp_path / f"{name}.tif") for name in "cab"])
    assert (stack.height, stack.width, stack.channels) == (37, 53, 3)
    assert (stack.dtype, stack.has_nodata) == (np.uint8, False)
    assert stack.path == tmp_path / "c.tif"
    assert [path.name for path in stack.paths] == ["c.tif", "a.tif", "b.tif"]
    for raster in (stack, pickle.loads(pickle.dumps(stack))):
        np.testing.assert_array_equal(raster.read(3, 4, 5, 6), IMAGE[3:8, 4:10, [2, 0, 1]])
    np.testing.assert_array_equal(np.concatenate(list(stack.row_blocks())), IMAGE[..., [2, 0, 1]])
    assert "c.tif" in repr(stack)


def test_types_are_promoted_and_no_data_is_that_of_all_bands(tmp_path):
    wide = noise(37, 53, dtype=np.int16)
    narrow = IMAGE[..., 0].copy()
    narrow[:9], wide[:5], wide[30:] = 0, 0, 0
    gdal_tiff(tmp_path / "a.tif", narrow, nodata=0)
    gdal_tiff(tmp_path / "b.tif", wide, nodata=0)
    stack = Stack([Raster(tmp_path / "a.tif"), Raster(tmp_path / "b.tif")])
    assert (stack.dtype, stack.has_nodata) == (np.int16, True)
    pixels, valid = stack.read_with_valid(0, 0, 37, 53)
    np.testing.assert_array_equal(pixels, np.stack([narrow.astype(np.int16), wide], -1))
    np.testing.assert_array_equal(valid, (narrow != 0) | (wide != 0))
    holed = np.ones((37, 53), bool)
    holed[20, 20] = False
    gdal_tiff(tmp_path / "c.tif", IMAGE[..., 1], mask=holed)
    stack = Stack([Raster(tmp_path / "a.tif"), Raster(tmp_path / "c.tif")])
    np.testing.assert_array_equal(stack.read_with_valid(0, 0, 37, 53)[1], holed)


def test_stacks_that_cannot_be(tmp_path):
    gdal_tiff(tmp_path / "a.tif", IMAGE)
    gdal_tiff(tmp_path / "b.tif", IMAGE[:19, :27])
    with pytest.raises(InputError, match=r"37 x 53 .*a\.tif'; received 19 x 27 .*b\.tif.*VRT"):
        _ = Stack([Raster(tmp_path / "a.tif"), Raster(tmp_path / "b.tif")]).height
    with pytest.raises(InputError, match="received 20 in 5 files"):
        _ = Stack([Raster(tmp_path / "a.tif")] * 5).height
    with pytest.raises(DataMissingError, match=r"c\.tif"):
        _ = Stack([Raster(tmp_path / "a.tif"), Raster(tmp_path / "c.tif")]).height
    with pytest.raises(InputError, match="at least one raster"):
        Stack([])


def test_the_file_that_is_damaged_is_named(tmp_path):
    band_files(tmp_path, ["a.tif", "b.tif"], compress="deflate")
    stack = Stack([Raster(tmp_path / "a.tif"), Raster(tmp_path / "b.tif")])
    assert stack.channels == 2
    raw = bytearray((tmp_path / "b.tif").read_bytes())
    with_pixels = raw.rindex(b"\x78")
    raw[with_pixels:] = bytes(len(raw) - with_pixels)
    (tmp_path / "b.tif").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(InputError, match=r"b\.tif.*damaged"):
        stack.read(0, 0, 37, 53)


@pytest.mark.parametrize(
    ("text", "bands"),
    [("4,1,2", (4, 1, 2)), (" B02, B8A ", ("B02", "B8A")), ("red", ("red",)), ("1,1", (1, 1))],
)
def test_bands_are_parsed(text, bands):
    assert parse_bands(text) == bands


@pytest.mark.parametrize("text", ["", "1,", "0", "1,B02", "-1,x,-1", "B02,b02", ",".join("a" * 17)])
def test_bands_that_cannot_be_parsed(text):
    with pytest.raises(InputError, match="numbers from 1 as '4,1,2' or names"):
        parse_bands(text)


@pytest.mark.parametrize(
    ("files", "images"),
    [
        (["T_B02.tif", "T_B03.tif"], ["T.tif"]),
        (["x/T-b02.jp2", "x/T-b03.jp2"], ["x/T.jp2"]),
        (["T.1.B02.TIF", "T.1.B03.TIF"], ["T.1.TIF"]),
        (["s/B02.tif", "s/B03.tif"], ["s.tif"]),
        (["B02.tif", "B03.tif"], ["image.tif"]),
        (["T_B02_10m.jp2", "T_B03_10m.jp2"], ["T.jp2"]),
        (["a_B02.tif", "a_B03.tif", "b_B02.tif", "b_B03.tif"], ["a.tif", "b.tif"]),
    ],
)
def test_files_are_grouped_by_name(files, images):
    paths = [PurePath(file) for file in reversed(files)]
    found, others = group_by_band([*paths, PurePath("T_B11.tif")], ("B03", "B02"))
    assert list(found) == [PurePath(image) for image in images]
    assert others == [PurePath("T_B11.tif")]
    ordered = [path for parts in found.values() for path in reversed(parts)]
    assert ordered == [PurePath(file) for file in files]


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (
            ["T.tif"],
            r"Expected files of bands B02, B03, such as 'tile_B02\.tif'; received 'T\.tif'",
        ),
        (["a_B02.tif", "b_B02.tif", "b_B03.tif"], r"of image 'a'; received none for B03"),
        (["a_B02.tif", "a_B03.tif", "a_B03.jp2"], r"one file for band B03 of image 'a'; received"),
    ],
)
def test_files_that_do_not_make_images(files, message):
    with pytest.raises(InputError, match=message):
        group_by_band([PurePath(file) for file in files], ("B02", "B03"))


def test_a_folder_of_band_files(tmp_path):
    names = [f"{tile}_B0{band}.tif" for tile in "st" for band in (2, 3, 4)]
    for tile in range(2):
        band_files(tmp_path / "images", names[3 * tile : 3 * tile + 3])
    save(tmp_path / "masks/s.png", noise(37, 53) % 2)
    found = load_folder(tmp_path / "images", tmp_path / "masks", bands="B04,B02")
    assert [scene.name for scene in found.scenes] == ["s", "t"]
    assert [scene.has_mask for scene in found.scenes] == [True, False]
    assert found.channels == 2
    np.testing.assert_array_equal(found.scenes[0].read(0, 0, 37, 53), IMAGE[..., [2, 0]])
    assert found.notes == (
        "left out: 2 files that are none of B04,B02, as 's_B03.tif'",
        "1 of 2 images has a mask: no mask is named like 't.tif'",
    )


def test_band_files_and_masks_that_nobody_asked_for(tmp_path):
    band_files(tmp_path, [f"s_B0{band}.tif" for band in (2, 3, 4)])
    save(tmp_path / "s_mask.png", noise(37, 53) % 2)
    found = load_folder(tmp_path, bands="B04,B02")
    assert [scene.has_mask for scene in found.scenes] == [True], found.notes


def test_bands_by_number_in_a_folder(tmp_path):
    save(tmp_path / "a.tif", IMAGE)
    found = source_from_dict({"dataset": "folder", "data": str(tmp_path), "bands": "4,1"}).load()
    np.testing.assert_array_equal(found.scenes[0].read(0, 0, 37, 53), IMAGE[..., [3, 0]])
    with pytest.raises(InputError, match="from 1 to 4"):
        load_folder(tmp_path, bands="5")


def test_a_run_keeps_its_bands(tmp_path):
    """Predicting takes the same bands of other images; exports say which they are."""
    from tiny_run import make_run

    from iic_tf.export.export import export
    from iic_tf.export.predict import predict

    run = make_run(tmp_path)
    config = run.config()
    save(tmp_path / "four/a.tif", IMAGE)
    save(tmp_path / "three/a.tif", np.ascontiguousarray(IMAGE[..., [3, 0, 1]]))
    for name, chosen in (("four", "4,1,2"), ("three", "1,2,3")):
        config["source"]["bands"] = chosen
        (run.folder / "config.json").write_text(json.dumps(config))
        predict(run, tmp_path / name, tmp_path / f"out_{name}", say=str)
    four, three = (
        Raster(tmp_path / f"out_{name}/a_labels.png", "index").read(0, 0, 37, 53)
        for name in ("four", "three")
    )
    np.testing.assert_array_equal(four, three)
    config["source"]["bands"] = "B04,B03,B02"
    (run.folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="Expected files of bands B04, B03, B02"):
        predict(run, tmp_path / "three", tmp_path / "out", say=str)
    said = []
    model = onnx.load(export(run, "onnx", say=said.append))
    told = {p.key: p.value for p in model.metadata_props}
    assert [band["name"] for band in json.loads(told["bands"])] == ["B04", "B03", "B02"]
    assert "  bands   B04,B03,B02, in this order" in said
    folder = export(run, "savedmodel", say=str)
    assert json.loads((folder / "assets.extra/model.json").read_text())["bands"] == json.loads(
        told["bands"]
    )


@pytest.mark.parametrize("bands", [(1, 3), (3, 3, 1), (4, 1, 2), (1, 3, 4), (2, 3), (4,)])
@pytest.mark.parametrize("tiled", [False, True])
def test_bands_of_a_file_with_a_mask(tmp_path, bands, tiled):
    """GDAL's mapping of uncompressed files takes as many bands as there are for all of them."""
    blocks = {"tiled": True, "blockxsize": 16, "blockysize": 16} if tiled else {}
    mask = np.ones((37, 53), bool)
    mask[:9] = False
    for count in {3, 4} - ({3} if 4 in bands else set()):
        gdal_tiff(tmp_path / "a.tif", IMAGE[..., :count], mask=mask, alpha="NO", **blocks)
        found, valid = Raster(tmp_path / "a.tif", bands=bands).read_with_valid(0, 0, 37, 53)
        np.testing.assert_array_equal(found, IMAGE[..., [band - 1 for band in bands]])
        np.testing.assert_array_equal(valid, mask)
