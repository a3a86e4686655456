"""A folder of the user's own images."""

import numpy as np
import pytest
from image_files import pixels, save
from PIL import Image

from iic_tf.data.image_folder import load_image_folder
from iic_tf.errors import DataMissingError, InputError


def test_folders_within_are_classes(tmp_path):
    for i, file in enumerate(("cat/b.png", "cat/deep/a.png", "ant/x.png", "top.png", ".h/y.png")):
        save(tmp_path / file, np.full((9, 9, 3), 10 * i, np.uint8))
    (tmp_path / "notes.txt").write_text("")
    found = load_image_folder(tmp_path, side=4)
    assert found.files == ("ant/x.png", "cat/b.png", "cat/deep/a.png", "top.png")
    assert found.labels.tolist() == [0, 1, 1, -1]
    assert found.class_names == ("ant", "cat")
    assert found.images[:, 0, 0, 0].tolist() == [20, 0, 10, 30]
    assert (found.name, found.images.shape) == (tmp_path.name, (4, 4, 4, 3))
    # One folder is no classes.
    one = load_image_folder(tmp_path / "cat", side=4)
    assert (one.labels, one.class_names, len(one)) == (None, None, 2)


def test_images_are_scaled_by_their_shorter_side_and_cut_to_their_middle(tmp_path):
    wide = np.zeros((8, 24), np.uint8)
    wide[:, 8:16] = pixels(8, 8)
    save(tmp_path / "wide.png", wide)
    save(tmp_path / "tall.tif", wide.T)
    found = load_image_folder(tmp_path, side=8)
    np.testing.assert_array_equal(found.images[1, ..., 0], wide[:, 8:16])
    np.testing.assert_array_equal(found.images[0, ..., 0], wide[:, 8:16].T)
    half = load_image_folder(tmp_path, side=4).images[1, ..., 0]
    whole = wide[:, 8:16].astype(float)
    means = whole.reshape(4, 2, 4, 2).mean(axis=(1, 3))
    # A tent twice as wide as a box, but nearer to its means than to any single pixels.
    assert np.abs(half - means).mean() < np.abs(half - whole[::2, ::2]).mean() / 1.5


def test_many_channels_sixteen_bits_palettes_and_alpha(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (6, 6, 5)).astype(np.uint16)
    save(tmp_path / "deep" / "a.tif", deep)
    save(tmp_path / "deep" / "b.tif", (deep // 257).astype(np.uint8))
    found = load_image_folder(tmp_path / "deep", side=6).images
    np.testing.assert_array_equal(found[0], np.rint(deep / 257).astype(np.uint8))
    np.testing.assert_array_equal(found[1], deep // 257)
    colour = pixels(5, 5, 4)
    save(tmp_path / "colour" / "a.png", colour)
    Image.fromarray(colour[..., 0] // 128).convert("P").save(tmp_path / "colour" / "b.png")
    found = load_image_folder(tmp_path / "colour", side=5)
    assert "1 of 2 images may be transparent" in found.notes[0]
    assert found.images.shape == (2, 5, 5, 3)
    seen = colour[..., :3] / 255.0
    cover = colour[..., 3:] / 255.0
    for background, light in (("white", 1.0), ("black", 0.0)):
        laid = load_image_folder(tmp_path / "colour", 5, background=background).images[0]
        np.testing.assert_allclose(laid / 255, seen * cover + light * (1 - cover), atol=1.01 / 255)
    # As versions before 0.2 did.
    stored = load_image_folder(tmp_path / "colour", 5, background="stored").images[0]
    np.testing.assert_array_equal(stored, colour[..., :3])


def test_numbers_without_a_known_range_are_refused(tmp_path):
    for name in "ab":
        save(tmp_path / f"{name}.tif", np.zeros((6, 6, 3), np.float32))
    with pytest.raises(InputError, match=r"uint8 or uint16, .* received float32 in '.*a\.tif'"):
        load_image_folder(tmp_path)


def test_image_folder_messages(tmp_path):
    with pytest.raises(DataMissingError, match=r"Expected a folder at .* received no such folder"):
        load_image_folder(tmp_path / "none")
    with pytest.raises(InputError, match=r"Expected images .*received an empty folder"):
        load_image_folder(tmp_path)
    save(tmp_path / "a.png", pixels(5, 5, 3))
    with pytest.raises(DataMissingError, match=r"received a file"):
        load_image_folder(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"at least 2 images .* received 1"):
        load_image_folder(tmp_path)
    with pytest.raises(InputError, match=r"at least 2 pixels a side; received side=1"):
        load_image_folder(tmp_path, side=1)
    save(tmp_path / "b.png", pixels(5, 5))
    with pytest.raises(InputError, match=r"3 channels as in '.*a.png'; received 1 in '.*b.png'"):
        load_image_folder(tmp_path)
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"received '.*b.png' \(damaged"):
        load_image_folder(tmp_path)
