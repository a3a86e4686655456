import pickle
import unicodedata
from pathlib import PurePath

import numpy as np
import pytest
import tifffile
from PIL import Image
from real_data import shared_data

from iic_tf.data.folder import load_folder
from iic_tf.data.pairing import pair
from iic_tf.data.scene import IGNORE, Scene
from iic_tf.errors import DataMissingError, InputError

CLASSES = 'classes:\n  red: {colours: ["#FF0000"]}\n  blue: {colours: ["#0000FF"]}\n'


def rgb(path, size=(9, 7), colour=(10, 20, 30)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


def index(path, size=(9, 7)):
    """A mask with 0, 1, 2 in columns and 255 at the right."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((size[1], size[0]), np.uint8)
    values[:, 1:3], values[:, 3:5], values[:, -1] = 1, 2, 255
    Image.fromarray(values).save(path)


def names(found):
    return [s.name for s in found.scenes]


def test_images_without_masks(tmp_path):
    for file in ("b.PNG", "a/x.jpg", ".hidden.png", ".cache/y.png", "a/._x.jpg"):
        rgb(tmp_path / file) if file != "a/._x.jpg" else (tmp_path / file).write_text("")
    (tmp_path / "notes.txt").write_text("")
    found = load_folder(tmp_path)
    assert names(found) == ["a__x", "b"]
    assert (found.channels, found.rgb, found.classes, found.labelled) == (3, (0, 1, 2), None, None)
    assert found.low.tolist() == [0, 0, 0]
    assert found.high.tolist() == [255, 255, 255]
    assert found.low.dtype == np.float32
    scene = pickle.loads(pickle.dumps(found)).scenes[1]
    assert isinstance(scene, Scene)
    assert (scene.height, scene.width, scene.has_mask) == (7, 9, False)
    assert scene.read(2, 3, 4, 5)[0, 0].tolist() == [10, 20, 30]
    with pytest.raises(InputError, match="with a mask; received 'b'"):
        scene.read_mask(0, 0, 1, 1)


def test_one_image_with_and_without_its_mask(tmp_path):
    rgb(tmp_path / "one.png"), rgb(tmp_path / "two.png"), index(tmp_path / "one_mask.png")
    assert names(load_folder(tmp_path / "one.png")) == ["one"]
    for masks in (tmp_path / "one_mask.png", tmp_path):
        found = load_folder(tmp_path / "one.png", masks)
        assert names(found) == ["one"]
        assert found.scenes[0].read_mask(0, 0, 1, 9).tolist() == [[0, 1, 1, 2, 2, 0, 0, 0, IGNORE]]


LAYOUTS = {
    "same paths": (["i/t/7.jpg"], ["m/t/7.png"], "i", "m"),
    "suffix": (["i/7.png"], ["m/7_label.png"], "i", "m"),
    "suffix of the image": (["i/a_b_RGB.png"], ["m/a_b.png"], "i", "m"),
    "both suffixes": (["7_RGBIR.png"], ["7_label.png"], "", ""),
    "several words": (["7_naip-new_RGBIR.png", "7_naip-old_RGBIR.png"], ["7_lc.png"], "", ""),
    "sibling folders": (["Tile 1/images/7.jpg"], ["Tile 1/masks/7.png"], "", ""),
    "masks inside": (["7.png"], ["masks/7.png"], "", "masks"),
    "masks inside, images too": (["images/7.png"], ["masks/7.png"], "", "masks"),
    "images inside": (["images/7.png"], ["other/labels/../../masks/7.png"], "images", ""),
    "mmsegmentation": (["img_dir/train/7.png"], ["ann_dir/train/7.png"], "img_dir", "ann_dir"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(tmp_path, layout):
    images, masks, image_root, mask_root = LAYOUTS[layout]
    for image in images:
        rgb(tmp_path / image)
    for mask in masks:
        (tmp_path / mask).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "other/labels").mkdir(parents=True, exist_ok=True)
        index(tmp_path / mask)
    found = load_folder(tmp_path / image_root, tmp_path / mask_root)
    assert len(found.scenes) == len(images)
    assert all(s.has_mask for s in found.scenes)
    assert found.classes.names == ("class 0", "class 1", "class 2")
    mask = found.scenes[0].read_mask(1, 2, 2, 7)
    assert mask.tolist() == [[1, 2, 2, 0, 0, 0, IGNORE]] * 2


def test_globs(tmp_path):
    for tile in ("Tile 1", "Tile 2"):
        rgb(tmp_path / tile / "images/7.jpg"), index(tmp_path / tile / "masks/7.png")
        rgb(tmp_path / tile / "preview/7.png")
    found = load_folder(tmp_path, image_glob="*/images/*.jpg", mask_glob="*/masks/*.png")
    assert names(found) == ["Tile 1__images__7", "Tile 2__images__7"]
    assert len(found.labelled.scenes) == 2
    assert load_folder(tmp_path, image_glob="*/images/*.jpg").labelled is None
    with pytest.raises(InputError, match=r"matching '\*\.gif'"):
        load_folder(tmp_path, image_glob="*.gif")
    with pytest.raises(InputError, match="pattern"):
        load_folder(tmp_path, image_glob="/x/*.png")


def test_an_image_without_mask_takes_no_other_ones_mask(tmp_path):
    for name in ("dog_left", "dog_right"):
        rgb(tmp_path / f"i/{name}.png")
    index(tmp_path / "m/dog_left.png")
    found = load_folder(tmp_path / "i", tmp_path / "m")
    assert [s.has_mask for s in found.scenes] == [True, False]
    assert names(found.labelled) == ["dog_left"]


def test_pairs_that_do_not_fit():
    with pytest.raises(InputError, match=r"received 'x_a.png', 'x_b.png'.*mask_glob"):
        pair([PurePath("x.png")], [PurePath("x_a.png"), PurePath("x_b.png")])
    with pytest.raises(InputError, match=r"1 images such as 'x.png' and 1 masks such as 'y.png'"):
        pair([PurePath("x.png")], [PurePath("y.png")])
    with pytest.raises(InputError, match="0 masks such as none"):
        pair([PurePath("x.png")], [])
    assert pair([PurePath("_a.png")], [PurePath("_a.tif")])  # no name is left without words


def test_colour_masks(tmp_path):
    rgb(tmp_path / "i/1.png"), rgb(tmp_path / "i/2.png")
    (tmp_path / "classes.yaml").write_text(CLASSES)
    rgb(tmp_path / "m/1.png", colour=(0, 0, 255))
    palette = Image.new("P", (9, 7), 1)
    palette.putpalette([0, 0, 0, 255, 0, 0])
    palette.save(tmp_path / "m/2.png")
    found = load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "classes.yaml")
    assert found.classes.names == ("red", "blue")
    assert [s.read_mask(0, 0, 1, 1).item() for s in found.scenes] == [1, 0]


def test_advice_where_a_classes_file_is_needed(tmp_path):
    rgb(tmp_path / "i/1.png"), rgb(tmp_path / "i/2.png")
    rgb(tmp_path / "m/1.png", colour=(0, 0, 255))
    both = Image.new("RGB", (9, 7), (0, 0, 255))
    both.paste((255, 0, 0), (0, 0, 3, 7))
    both.save(tmp_path / "m/2.png")
    with pytest.raises(InputError, match="Expected a classes file") as caught:
        load_folder(tmp_path / "i", tmp_path / "m")
    snippet = str(caught.value).split("left out")[-1].split(":\n", 1)[1]
    assert '["#0000FF"]}  # 83.3 %' in snippet.splitlines()[1]
    (tmp_path / "c.yaml").write_text(snippet)
    assert len(load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "c.yaml").classes) == 2
    (tmp_path / "c.yaml").write_text(CLASSES.replace("FF", "EE"))
    with pytest.raises(InputError, match=r"no pixel belongs to a class.*(?s:.)*#0000FF"):
        load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "c.yaml")
    noise = np.random.default_rng(0).integers(0, 255, (90, 90, 3), np.uint8)
    rgb(tmp_path / "j/1.png", (90, 90))
    (tmp_path / "n").mkdir()
    Image.fromarray(noise).save(tmp_path / "n/1.png")
    with pytest.raises(InputError, match="more than 4096 different colours"):
        load_folder(tmp_path / "j", tmp_path / "n")


@pytest.mark.parametrize("values", [[0, 255], [0], [255], [3, 300]])
def test_numbers_that_are_no_classes(tmp_path, values):
    rgb(tmp_path / "i/1.png")
    (tmp_path / "m").mkdir()
    mask = np.resize(np.array(values, np.uint16), (7, 9))
    tifffile.imwrite(tmp_path / "m/1.tif", mask)
    with pytest.raises(InputError, match=rf"values: \[{values[0]}\]"):
        load_folder(tmp_path / "i", tmp_path / "m")


def test_coloured_mask_with_a_file_of_values(tmp_path):
    rgb(tmp_path / "i/1.png"), rgb(tmp_path / "m/1.png", colour=(1, 2, 3))
    (tmp_path / "c.yaml").write_text("classes: {a: {values: [0]}, b: {values: [1]}}")
    with pytest.raises(InputError, match=r"In '.*1\.png'.*told by values"):
        load_folder(tmp_path / "i", tmp_path / "m", tmp_path / "c.yaml")


def test_missing_and_wrong_paths(tmp_path):
    with pytest.raises(DataMissingError, match="nowhere"):
        load_folder(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"Expected images .*received none"):
        load_folder(tmp_path)
    (tmp_path / "notes.md").write_text("")
    with pytest.raises(InputError, match=r"an image file or a list.*notes\.md"):
        load_folder(tmp_path / "notes.md")
    rgb(tmp_path / "a.png"), rgb(tmp_path / "b.png"), index(tmp_path / "m.png")
    with pytest.raises(DataMissingError, match="no masks"):
        load_folder(tmp_path, tmp_path / "no masks")
    with pytest.raises(InputError, match="folder of masks for a folder"):
        load_folder(tmp_path, tmp_path / "m.png")
    with pytest.raises(InputError, match="classes alone"):
        load_folder(tmp_path, classes=tmp_path / "c.yaml")
    with pytest.raises(InputError, match=r"such as 'a.png', 'b.png', 'm.png' and 0 masks"):
        load_folder(tmp_path, tmp_path)


def test_unlike_files(tmp_path):
    rgb(tmp_path / "a.png"), index(tmp_path / "b.png")
    with pytest.raises(InputError, match=r"3 channels as in .*a\.png'; received 1 in .*b\.png"):
        load_folder(tmp_path)
    with pytest.raises(InputError, match=r"Expected 4 channels; received 3 in .*a\.png"):
        load_folder(tmp_path, channels=4)
    tifffile.imwrite(tmp_path / "b.png", np.zeros((7, 9, 3), np.uint16), photometric="rgb")
    with pytest.raises(InputError, match=r"uint8 as in .*a\.png'; received uint16 in .*b\.png"):
        load_folder(tmp_path)
    rgb(tmp_path / "a.tif")
    with pytest.raises(InputError, match="both called 'a'"):
        load_folder(tmp_path)


def test_mask_of_another_size_and_corrupt_image(tmp_path):
    rgb(tmp_path / "i/1.png"), index(tmp_path / "m/1.png", (8, 7))
    with pytest.raises(InputError, match=r"7 x 9 pixels as in .*received 7 x 8 in"):
        load_folder(tmp_path / "i", tmp_path / "m")
    (tmp_path / "i/2.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"2\.png.*empty"):
        load_folder(tmp_path / "i")


@pytest.mark.parametrize(("bands", "shown"), [(1, (0, 0, 0)), (2, (0, 1, 1)), (5, (0, 1, 2))])
def test_16_bits_and_bands(tmp_path, bands, shown):
    pixels = np.zeros((20, 30, bands), np.uint16)
    options = {"planarconfig": "contig"} if bands > 1 else {}
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="minisblack", **options)
    found = load_folder(tmp_path, channels=bands)
    assert found.rgb == shown
    assert found.high.tolist() == [65535] * bands


def test_stretch(tmp_path):
    ramp = np.arange(101 * 50, dtype=np.uint16).reshape(50, 101) % 101
    pixels = np.stack([ramp, 10 * ramp, np.full_like(ramp, 7)], -1)
    for name in ("a.tif", "b.tif"):
        tifffile.imwrite(tmp_path / name, pixels, photometric="rgb")
    found = load_folder(tmp_path, stretch=(2, 98))
    np.testing.assert_allclose(found.low, [2, 20, 7], atol=0.5)
    np.testing.assert_allclose(found.high, [98, 980, 8], atol=5)
    normalised = found.normalise(pixels)
    assert (normalised.min(), normalised.max()) == (0, 1)
    assert normalised[..., 2].max() == 0
    again = load_folder(tmp_path, stretch=(2, 98))
    np.testing.assert_array_equal(found.high, again.high)
    for wrong in ((98, 2), (-1, 50), (0, 101), (5,)):
        with pytest.raises(InputError, match="percentiles"):
            load_folder(tmp_path, stretch=wrong)


@pytest.mark.parametrize("shape", [(1, 500_000), (500_000, 1), (3000, 3000), (130, 40_000)])
def test_stretch_reads_few_pixels(tmp_path, shape):
    from iic_tf.data.value_range import _sample

    class Blank:
        height, width, channels = shape[0], shape[1], 1

        def read_with_valid(self, top, left, height, width):
            assert 0 <= top <= top + height <= shape[0]
            assert 0 <= left <= left + width <= shape[1]
            return np.zeros((height, width, 1), np.uint8), None

    for budget in (4000, 200_000):
        assert 0.2 * budget < len(_sample(Blank(), budget)[0]) <= budget


def test_real_four_channel_folder():
    folder = shared_data("s2_india_rgbir")
    found = load_folder(folder, folder, stretch=(2, 98), channels=4)
    assert len(found.scenes) == len(found.labelled.scenes) == 20
    mask = np.concatenate([s.read_mask(0, 0, 800, 800).ravel() for s in found.scenes])
    shares = np.bincount(mask + 1, minlength=4) / mask.size
    np.testing.assert_allclose(shares, [0.188, 0.312, 0.408, 0.092], atol=1e-3)


@pytest.mark.parametrize("layout", ["{}.png {}_mask.png", "images/{}.png masks/{}.png"])
def test_masks_that_nobody_asked_for_are_no_images(tmp_path, layout):
    image, mask = layout.split()
    for name in ("a0", "a1"):
        rgb(tmp_path / image.format(name)), index(tmp_path / mask.format(name))
    found = load_folder(tmp_path)
    assert len(found.scenes) == len(found.labelled.scenes) == 2
    assert found.notes == (
        f"2 files look like masks, such as '{mask.format('a0')}', and are not taken as "
        "images (--image-glob '**/*' says otherwise)",
    )
    with pytest.raises(InputError, match="received 1 in"):
        load_folder(tmp_path, image_glob="**/*")
    # Where their classes cannot be told, they are left out, and that is said.
    rgb(tmp_path / mask.format("a0"), colour=(0, 0, 255))
    rgb(tmp_path / mask.format("a1"), colour=(255, 0, 0))
    found = load_folder(tmp_path)
    assert (len(found.scenes), found.labelled) == (2, None)
    assert (
        "masks are left out, as nobody asked for them (--masks): Expected a classes file"
        in (found.notes[1])
    )
    (tmp_path / "c.yaml").write_text(CLASSES)
    assert len(load_folder(tmp_path, classes=tmp_path / "c.yaml").labelled.scenes) == 2


def test_files_that_look_like_masks_without_images(tmp_path):
    rgb(tmp_path / "a.png"), index(tmp_path / "a_mask.png"), rgb(tmp_path / "beach_mask.png")
    with pytest.raises(InputError, match=r"1 images, while 2 files look .* and 1 of these have no"):
        load_folder(tmp_path)
    (tmp_path / "a_mask.png").unlink()
    assert names(load_folder(tmp_path, image_glob="**/*")) == ["a", "beach_mask"]
    # Nothing but such names: they are the images.
    (tmp_path / "a.png").unlink()
    assert names(load_folder(tmp_path)) == ["beach_mask"]


def test_images_without_masks_and_masks_without_images_are_told(tmp_path):
    for name in ("t0", "t1", "t2"):
        rgb(tmp_path / f"i/{name}.png")
    index(tmp_path / "m/t0.png"), index(tmp_path / "m/x.png")
    (tmp_path / "m/y.heic").write_bytes(b"none that is read")
    assert load_folder(tmp_path / "i", tmp_path / "m").notes == (
        f"left out of '{tmp_path / 'm'}': 1 of a kind that is not read (.heic), such as 'y.heic'",
        "1 of 3 images has a mask: no mask is named like 't1.png'",
        "1 masks have no image, such as 'x.png'",
    )


def test_names_in_both_forms_of_unicode(tmp_path):
    for name in ("Köln", "plain"):
        rgb(tmp_path / "i" / f"{unicodedata.normalize('NFC', name)}.png")
        index(tmp_path / "m" / f"{unicodedata.normalize('NFD', name)}.png")
    found = load_folder(tmp_path / "i", tmp_path / "m")
    assert all(s.has_mask for s in found.scenes)
    for folder in ("i", "m"):
        assert names(load_folder(tmp_path / folder)) == ["Köln", "plain"]
