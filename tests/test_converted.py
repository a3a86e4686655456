"""Grey images among colour ones, and the other way round."""

import pickle

import numpy as np
import pytest
from image_files import pixels, save
from PIL import Image

from iic_tf.data.converted import Converted, alike, luma
from iic_tf.data.folder import load_folder
from iic_tf.data.image_folder import load_image_folder
from iic_tf.data.raster import Raster
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import InputError


@pytest.fixture
def mixed(tmp_path):
    for i in range(3):
        save(tmp_path / f"{i}.png", pixels(9, 12, 3, seed=i))
    save(tmp_path / "grey.png", pixels(9, 12))
    return tmp_path


NOTE = "1 of 4 images are grey, and are read as colour, their band three times, such as 'grey.png'"
AUTO = " (most have 3; --channels says otherwise)"


def test_one_grey_scene_among_colour_ones(mixed):
    found = load_folder(mixed)
    assert (found.channels, found.notes) == (3, (NOTE + AUTO,))
    scene = pickle.loads(pickle.dumps(found)).scenes[3]
    assert (scene.name, scene.channels, scene.height, scene.width) == ("grey", 3, 9, 12)
    read = scene.read(2, 3, 4, 5)
    np.testing.assert_array_equal(read, np.repeat(pixels(9, 12)[2:6, 3:8, None], 3, -1))
    assert [b.shape for b in scene.image.row_blocks()] == [(9, 12, 3)]


def test_one_grey_small_image_among_colour_ones(mixed):
    found = load_image_folder(mixed, side=9)
    assert (found.images.shape, found.notes) == ((4, 9, 9, 3), (NOTE + AUTO,))
    np.testing.assert_array_equal(found.images[3, ..., 0], found.images[3, ..., 2])


@pytest.mark.parametrize("dataset", ["folder", "images"])
def test_by_option_both_ways(mixed, dataset):
    def load(**options):
        return source_from_dict({"dataset": dataset, "data": str(mixed), **options}).load()

    found = load(channels="1")
    assert found.channels == 1
    assert found.notes == (
        "3 of 4 images are in colour, and are read as grey by their brightness, such as '0.png'",
    )
    (mixed / "0.png").unlink(), (mixed / "1.png").unlink()
    with pytest.raises(InputError, match=r"Expected 3 channels .*; received 1 in"):
        load()  # one of each: nobody knows which is meant
    assert load(channels="3").channels == 3
    save(mixed / "b.png", pixels(9, 12))
    assert load().notes[0].endswith("such as '2.png' (most have 1; --channels says otherwise)")
    with pytest.raises(InputError, match="one of auto, 1, 3"):
        load(channels="2")


def test_brightness_is_pillows():
    colour = pixels(40, 50, 3)
    np.testing.assert_array_equal(
        luma(colour)[..., 0], np.asarray(Image.fromarray(colour).convert("L"))
    )
    deep = np.full((2, 2, 3), 65535, np.uint16)
    assert (luma(deep).dtype, luma(deep).max(), luma(deep).shape) == (np.uint16, 65535, (2, 2, 1))
    np.testing.assert_allclose(luma(colour.astype(np.float32)), luma(colour), atol=0.51)


def test_no_data_stays_no_data(mixed):
    alpha = np.zeros((9, 12, 1), np.uint8)
    alpha[4:, 5:] = 255
    save(mixed / "icon.png", np.concatenate([pixels(9, 12, 3), alpha], -1))
    icon = Converted(Raster(mixed / "icon.png"), 1)
    assert icon.has_nodata
    found, valid = icon.read_with_valid(2, 3, 5, 6)
    assert found.shape == (5, 6, 1)
    np.testing.assert_array_equal(valid, alpha[2:7, 3:9, 0] > 0)
    assert icon.read_on(0, 0, 9, 12)[0, 0].tolist() == [255]


def test_images_of_other_bands_stay(tmp_path):
    save(tmp_path / "a.tif", pixels(5, 5, 4)), save(tmp_path / "b.png", pixels(5, 5))
    images = [Raster(tmp_path / "a.tif"), Raster(tmp_path / "b.png")]
    for channels in ("auto", "1"):
        assert alike(images, channels) == (images, ())
    assert [i.channels for i in alike(images, "3")[0]] == [4, 3]
