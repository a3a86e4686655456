"""Images in memory: what is refused, what range they get, what holds no data."""

import numpy as np
import pytest
from image_files import pixels

from iic_tf.data.array_scene import ArrayScene, from_arrays
from iic_tf.data.scene import IGNORE, ClassTable, Scene, has_nodata, read_with_valid
from iic_tf.errors import InputError

TWO = ClassTable(("a", "b"), np.zeros((2, 3), np.uint8))


def uniform(low, high, dtype=np.float64, shape=(40, 50, 3)):
    return np.random.default_rng(0).uniform(low, high, shape).astype(dtype)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (pixels(3, 60, 80), r"\(3, 60, 80\), which is 80 channels.*np.moveaxis\(image, 0, -1\)"),
        (pixels(60, 80, 17), r"1 to 16 channels; received shape \(60, 80, 17\)"),
        (pixels(60, 80), r"an axis of channels: image\[..., None\]"),
        (pixels(2, 60, 80, 3), r"\[height, width, channels\]; received shape=\(2, 60, 80, 3\)"),
        (pixels(0, 80, 3), r"received shape=\(0, 80, 3\)"),
        (pixels(6, 8, 3).astype(object), "numbers, such as uint8 .* in image '00000'"),
        (pixels(6, 8, 3).astype(complex), "complex128"),
        (pixels(6, 8, 3).astype(str), "numbers, such as uint8"),
    ],
)
def test_images_that_are_refused(image, message):
    with pytest.raises(InputError, match=message):
        from_arrays([image])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((8, 6), int), r"a mask \(6, 8\) for image '00000'; received mask.shape=\(8, 6\)"),
        (np.zeros((6, 8, 1), int), "received mask.shape"),
        (np.zeros((6, 8)), "whole numbers in the mask of '00000'.*float64"),
        (np.full((6, 8), -2), "from 0, or -1 for none.*received -2"),
        (np.full((6, 8), 255, np.uint8), r"from -1 to 1 .*255.*np.where\(mask == 255, -1"),
    ],
)
def test_masks_that_are_refused(mask, message):
    with pytest.raises(InputError, match=message):
        from_arrays([pixels(6, 8, 3)], [mask], TWO)


def test_other_arguments_that_are_refused():
    image = pixels(6, 8, 3)
    for arguments, message in (
        ({"images": []}, "at least one image"),
        ({"masks": [None]}, "2 masks, one an image or None; received masks=1"),
        ({"valid": [None]}, "2 valid, one an image or None"),
        ({"valid": [np.ones((8, 6), bool), None]}, r"bool \(6, 8\).*received valid='bool \(8, 6\)"),
        ({"valid": [np.ones((6, 8)), None]}, "received valid='float64"),
        ({"images": [image, image[..., :1]]}, "3 channels in every image; received 00001=1"),
        ({"images": [image, image.astype(np.uint16)]}, "one number type, .* uint16 and uint8"),
        ({"images": [np.full((4, 4, 3), np.nan)]}, "pixels that hold data"),
        ({"low": 5.0, "high": 5.0}, "low < high; received low=.5.0, 5.0, 5.0.,"),
        ({"low": [0, 0, 9], "high": 9}, "low < high"),
        ({"high": np.nan}, "finite numbers for 'high'"),
        ({"low": [0, 1]}, "a number, or 3, for 'low'"),
        ({"high": "much"}, "a number, or 3, for 'high'"),
    ):
        with pytest.raises(InputError, match=message):
            from_arrays(**{"images": [image, image], **arguments})


def test_masks_of_any_whole_numbers():
    for dtype in (bool, np.uint8, np.int64, np.int8):
        found = from_arrays([pixels(6, 8, 3)], [np.eye(6, 8).astype(dtype)], TWO)
        assert found.scenes[0].read_mask(1, 1, 1, 2).tolist() == [[1, 0]]
    assert from_arrays([pixels(6, 8, 3)], [np.full((6, 8), -1)], TWO).labelled is not None


@pytest.mark.parametrize(
    ("image", "low", "high"),
    [
        (uniform(0, 255, np.uint8), 0, 255),
        (uniform(0, 65535, np.uint16), 0, 65535),
        (uniform(0, 255, np.int64), 0, 255),
        (uniform(0, 1), 0, 1),
        (uniform(0, 1, np.float16), 0, 1),
    ],
)
def test_ranges_of_number_types(image, low, high):
    found = from_arrays([image])
    assert (found.low.tolist(), found.high.tolist()) == ([low] * 3, [high] * 3)
    assert found.low.dtype == found.high.dtype == np.float32
    assert found.notes == ()


@pytest.mark.parametrize("image", [uniform(-20, 30, np.float32), uniform(-2000, 3000, np.int16)])
def test_ranges_from_percentiles(image):
    found = from_arrays([image, image])
    span = np.ptp(image)
    np.testing.assert_allclose(found.low, image.min() + 0.01 * span, atol=0.01 * span)
    np.testing.assert_allclose(found.high, image.max() - 0.01 * span, atol=0.01 * span)
    assert len(found.notes) == 1
    assert f"values of {image.dtype} from" in found.notes[0]
    flat = from_arrays([np.full((9, 9, 2), 1e9)])
    assert (flat.high > flat.low).all()


def test_what_is_said_of_ranges_that_do_not_fit():
    twelve_bits = uniform(0, 4095, np.uint16)
    assert from_arrays([twelve_bits]).notes == (
        "the values use 6.2 % of the range 0 to 65535: give low= and high= that fit them",
    )
    assert from_arrays([twelve_bits], high=4095).notes == ()
    (note,) = from_arrays([twelve_bits], low=0, high=255).notes
    assert note.endswith("% of the values lie beyond the range 0 to 255, and are cut off")
    assert float(note.split()[0]) == pytest.approx(93.8, abs=0.5)
    assert (
        "use 0.4 % of the range 0 to 255" in from_arrays([uniform(0, 1)], low=0, high=255).notes[0]
    )
    bands = from_arrays([twelve_bits], [None], None, [0, 10, 20], [4095, 5000, 6000])
    assert bands.low.tolist() == [0, 10, 20]
    assert from_arrays([uniform(0, 90, np.uint8)], high=100.0).low.tolist() == [0, 0, 0]


def test_pixels_that_hold_no_data():
    image = uniform(0, 1, np.float32)
    image[:9, 10] = np.nan
    image[3, 4, 1] = np.inf
    given = np.ones((40, 50), bool)
    given[20:] = False
    scene = ArrayScene("s", image, None, given)
    assert isinstance(scene, Scene)
    assert has_nodata(scene)
    window, valid = read_with_valid(scene, 2, 3, 30, 30)
    wanted = given & np.isfinite(image).all(-1)
    np.testing.assert_array_equal(valid, wanted[2:32, 3:33])
    assert np.isfinite(window).all()
    np.testing.assert_array_equal(window[valid], image[2:32, 3:33][valid])
    np.testing.assert_array_equal(scene.read(2, 3, 30, 30), window)
    assert scene.read_with_valid(10, 11, 5, 5)[1] is None
    # They say nothing of the range.
    found = from_arrays([np.where(given[..., None], image, 1e9)], valid=[given])
    assert (found.high.tolist(), len(found.notes)) == ([1, 1, 1], 1)
    assert found.notes[0].startswith("about 50 % of the pixels hold no data")
    assert not has_nodata(ArrayScene("s", pixels(4, 4, 3)))


def test_large_arrays_are_not_copied():
    import tracemalloc

    image = np.zeros((3000, 3000, 4), np.uint16)
    tracemalloc.start()
    found = from_arrays([image] * 3, [image[..., 0]] * 3)
    assert tracemalloc.get_traced_memory()[1] < image.nbytes
    tracemalloc.stop()
    assert found.scenes[0].image.base is image or found.scenes[0].image is image


def test_no_data_is_told_and_seen_as_the_mean():
    values = np.random.default_rng(0).uniform(0.1, 0.9, (40, 50, 3)).astype(np.float32)
    hidden = np.zeros((40, 50), bool)
    hidden[:10] = True
    broken = np.where(hidden[..., None], np.float32(np.nan), values)
    masked = np.ma.MaskedArray(values, np.broadcast_to(hidden[..., None], values.shape))
    for scenes in (
        from_arrays([broken]),
        from_arrays([values], valid=[~hidden]),
        from_arrays([masked]),
        from_arrays([masked], valid=[np.ones((40, 50), bool)]),
    ):
        assert scenes.has_nodata
        assert scenes.notes[0].startswith("about 25 % of the pixels hold no data")
        np.testing.assert_allclose(scenes.fill, values[10:].mean((0, 1)), atol=1e-5)
        shown, valid = scenes.seen(scenes.scenes[0], 0, 0, 40, 50)
        np.testing.assert_array_equal(valid, ~hidden)
        np.testing.assert_array_equal(shown[:10], np.broadcast_to(scenes.fill, (10, 50, 3)))
    whole = from_arrays([values])
    assert (whole.fill, whole.notes, whole.has_nodata) == (None, (), False)


def test_masked_labels_are_no_labels():
    image = np.zeros((4, 5, 1), np.uint8)
    labels = np.ma.MaskedArray(np.full((4, 5), 7, np.uint8), np.eye(4, 5, dtype=bool))
    scene = ArrayScene("a", image, labels)
    expected = np.where(np.eye(4, 5, dtype=bool), IGNORE, 7)
    np.testing.assert_array_equal(scene.read_mask(0, 0, 4, 5), expected)


@pytest.mark.parametrize("order", ["<", ">"])
def test_the_order_of_bytes_changes_no_range(order):
    values = np.random.default_rng(0).integers(0, 65536, (30, 30, 2)).astype(f"{order}u2")
    scenes = from_arrays([values])
    assert (scenes.low.tolist(), scenes.high.tolist(), scenes.notes) == ([0, 0], [65535] * 2, ())
