"""No data, from the pixels of files to training, scores, pictures and labels."""

import dataclasses
import json
import warnings

import numpy as np
import pytest
import rasterio
import tifffile
from made_up import small_segmenter
from PIL import Image
from tiny_run import make_run

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import Crops, box_mean, box_mean_of_valid
from iic_tf.data.folder import load_folder
from iic_tf.data.raster import Raster
from iic_tf.data.scene import IGNORE, read_with_valid, with_nan
from iic_tf.errors import InputError
from iic_tf.export.keras_predictor import KerasPredictor
from iic_tf.export.labelling import NO_DATA
from iic_tf.export.predict import predict
from iic_tf.export.served_run import load_served
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.evaluate import evaluate
from iic_tf.training.kmeans_labeller import KMeansLabeller
from iic_tf.views.pairs import Pairs


def tiff(path, pixels, **how):
    """A GeoTIFF of `[height, width, bands]`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width, count = pixels.shape
    place = rasterio.Affine(0.5, 0, 0, 0, -0.5, 0)
    kind = {"driver": "GTiff", "dtype": str(pixels.dtype), "count": count}
    size = {"height": height, "width": width, "transform": place, "crs": "EPSG:32633"}
    with rasterio.open(path, "w", **kind, **size, **how) as target:
        target.write(np.moveaxis(pixels, -1, 0))
    return path


def swath(side=48, empty=16, seed=0):
    """Pixels of 1 to 255, with zeros in the first `empty` columns."""
    pixels = np.random.default_rng(seed).integers(1, 256, (side, side, 3)).astype(np.uint8)
    pixels[:, :empty] = 0
    return pixels


def test_nodata_of_a_tiff_is_told_and_seen_as_the_mean(tmp_path):
    pixels = swath()
    tiff(tmp_path / "a.tif", pixels, nodata=0)
    scenes = load_folder(tmp_path)
    assert "about 33 % of the pixels hold no data" in scenes.notes[0]
    mean = pixels[:, 16:].reshape(-1, 3).mean(0) / 255
    np.testing.assert_allclose(scenes.fill, mean, atol=1e-6)
    shown, valid = scenes.seen(scenes.scenes[0], 0, 0, 48, 48)
    assert not valid[:, :16].any()
    assert valid[:, 16:].all()
    np.testing.assert_allclose(shown[:, :16], np.broadcast_to(mean, (48, 16, 3)), atol=1e-6)
    np.testing.assert_allclose(shown[:, 16:], pixels[:, 16:] / 255, atol=1e-6)
    assert scenes.has_nodata


def test_a_set_without_any_reads_nothing_and_says_nothing(tmp_path):
    tiff(tmp_path / "a.tif", swath(empty=0))
    scenes = load_folder(tmp_path)
    assert (scenes.notes, scenes.fill, scenes.has_nodata) == ((), None, False)
    assert not Pairs(scenes, crop=16, batch=2, steps=1).has_valid


def test_the_range_of_floats_is_that_of_what_holds_data(tmp_path):
    values = np.linspace(-3, 5, 48 * 48 * 2).reshape(48, 48, 2).astype(np.float32)
    values[:8] = np.nan
    values[8, 0] = np.inf, 1
    tiff(tmp_path / "a.tif", values)
    scenes = load_folder(tmp_path)
    told = " ".join((*scenes.notes, *scenes.range_notes))
    assert "17 % of the pixels hold no data" in told
    assert "float32 has no range of its own: percentiles 1 and 99" in told
    known = values[np.isfinite(values).all(-1)]
    expected = [np.percentile(known[:, band], (1, 99)) for band in range(2)]
    np.testing.assert_allclose(np.stack([scenes.low, scenes.high], 1), expected, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("said", "stored"),
    [
        ("-3.402823e+38", -3.4028234663852886e38),  # GDAL's digits
        ("-3.40282306073709653e+38", -3.4028234663852886e38),  # ArcGIS's
        ("-3.40282e+38", -3.4028234663852886e38),
        ("-1.79769313486232e+308", None),  # the least number of either type
        ("0.1", np.float32(0.1)),
        ("-9999", -9999.0),
    ],
)
def test_digits_of_nodata_values_are_rounded(tmp_path, said, stored, dtype):
    if dtype == np.float64 and stored == np.float32(0.1):
        stored = 0.1
    stored = np.finfo(dtype).min if stored is None else stored
    pixels = np.random.default_rng(0).uniform(-9998, 9999, (20, 30)).astype(dtype)
    pixels[:5] = stored
    pixels[9] = 1e30, *([-3e38] * 29)  # Far away, yet large.
    how = {"metadata": None, "extratags": [(42113, "s", 0, said, True)]}
    tifffile.imwrite(tmp_path / "a.tif", pixels, **how)
    _, valid = Raster(tmp_path / "a.tif").read_with_valid(0, 0, 20, 30)
    np.testing.assert_array_equal(valid, np.arange(20)[:, None].repeat(30, 1) >= 5)


def test_box_means_leave_it_out():
    image = np.arange(5 * 5 * 2, dtype=np.float32).reshape(5, 5, 2)
    valid = np.ones((5, 5), bool)
    valid[:2, :2] = valid[2, 2] = False
    fill = np.float32([7, 8])
    means, share = box_mean_of_valid(image, valid, 2, fill)
    assert means[0, 0].tolist() == [7, 8]
    np.testing.assert_allclose(means[1, 1], (image[2, 3] + image[3, 2] + image[3, 3]) / 3)
    np.testing.assert_allclose(means[0, 1], box_mean(image, 2)[0, 1])
    assert share.tolist() == [[0, 1, 1], [1, 0.75, 1], [1, 1, 1]]


def test_crops_carry_what_holds_data_and_are_drawn_where_there_is_some():
    pixels = np.ones((40, 400, 1), np.float32) * 0.25
    pixels[:, :360] = np.nan
    crops = Crops(from_arrays([pixels], low=0, high=1), 20)
    assert crops.has_valid
    shares = [crops.drawn(np.random.default_rng(seed))[1][1].mean() for seed in range(40)]
    # A place at random holds any data in a sixth of all cases.
    assert np.mean(np.asarray(shares) > 0) > 0.6
    image, valid = crops.read(0, 0, 350)
    assert valid[:, :10].max() == 0
    assert valid[:, 10:].min() == 1
    np.testing.assert_array_equal(image[:, 10:], 0.25)
    again = crops.drawn(np.random.default_rng(3))
    assert again[0] == crops.drawn(np.random.default_rng(3))[0]


@pytest.mark.parametrize("masks", [False, True])
def test_pairs_leave_it_out_of_losses(masks):
    pixels = np.random.default_rng(0).random((30, 30, 2)).astype(np.float32)
    pixels[:, 20:] = np.nan
    mask = np.zeros((30, 30), np.int32)
    mask[25:] = IGNORE
    pairs = Pairs(
        from_arrays([pixels], [mask], low=0, high=1), crop=30, batch=2, steps=1, masks=masks
    )
    batch = pairs[0]
    expected = np.zeros((30, 30))
    expected[: 25 if masks else 30, :20] = 1
    np.testing.assert_array_equal(batch["valid"][0], expected)
    assert np.isfinite(batch["x"]).all()
    assert np.isfinite(batch["gx"]).all()


def test_draws_are_those_of_numpy_s_choice_in_constant_time():
    rng = np.random.default_rng(1)
    sizes = rng.integers(20, 60, (30, 2))
    crops = Crops(from_arrays([np.zeros((*size, 1), np.uint8) for size in sizes]), 10)
    weight = sizes.prod(1) / sizes.prod(1).sum()
    for seed in range(50):
        mine, theirs = np.random.default_rng(seed), np.random.default_rng(seed)
        scene = int(theirs.choice(len(sizes), p=weight))
        top, left = (int(theirs.integers(side - 9)) for side in sizes[scene])
        assert crops.draw(mine) == (scene, top, left)


def served(downscale=1, channels=3):
    model = small_segmenter()
    low, high = np.full(channels, 10.0), np.full(channels, 200.0)
    fill = np.linspace(0.2, 0.7, channels)
    return ServedSegmenter(model, low, high, downscale, fill=fill)


@pytest.mark.parametrize("downscale", [1, 2, 3])
def test_a_served_model_sees_what_crops_are(downscale):
    model = served(downscale)
    pixels = np.random.default_rng(0).uniform(0, 255, (24, 24, 3)).astype(np.float32)
    pixels[5:12, 3:9, 1] = np.nan
    pixels[20, 20] = np.inf
    scenes = dataclasses.replace(
        from_arrays([pixels]), low=model.low, high=model.high, fill=model.fill
    )
    crop, valid = Crops(scenes, 24 // downscale, downscale).read(0, 0, 0)
    seen, share = model.prepared_with_share(pixels[None])
    np.testing.assert_allclose(seen[0], crop, atol=1e-6)
    np.testing.assert_allclose(share[0, ..., 0], valid, atol=1e-6)


def test_a_served_model_s_answer_where_there_is_no_data():
    model = served()
    pixels = np.random.default_rng(0).uniform(0, 255, (1, 20, 22, 3)).astype(np.float32)
    plain = {k: np.asarray(v) for k, v in model(pixels).items()}
    assert plain["labels"].min() >= 0
    hidden = pixels.copy()
    hidden[0, 3, 4, 0], hidden[0, 5, 6, 2], hidden[0, 7, 8, 1] = np.nan, np.inf, -np.inf
    found = {k: np.asarray(v) for k, v in model(hidden).items()}
    where = np.zeros((1, 20, 22), bool)
    where[0, [3, 5, 7], [4, 6, 8]] = True
    assert (found["labels"][where] == -1).all()
    assert (found["probabilities"][where] == 0).all()
    assert (found["labels"][~where] >= 0).all()
    np.testing.assert_allclose(found["probabilities"][~where].sum(-1), 1, atol=1e-5)
    # However far beyond its range, a value counts as the range's end.
    far, near = pixels.copy(), pixels.copy()
    far[0, 9, 9], near[0, 9, 9] = (1e30, -1e30, 4e5), (200, 10, 200)
    np.testing.assert_array_equal(model(far)["probabilities"], model(near)["probabilities"])


def test_labels_of_files_have_a_number_for_it(tmp_path):
    run = make_run(tmp_path, classes=3)
    tiff(tmp_path / "in/a.tif", swath(), nodata=0)
    picture = Image.fromarray(swath(seed=1, empty=0)).convert("RGBA")
    picture.putalpha(
        Image.fromarray(np.where(np.arange(48) < 12, 0, 255)[None].repeat(48, 0).astype(np.uint8))
    )
    picture.save(tmp_path / "in/b.png")
    said = []
    predict(run, tmp_path / "in", tmp_path / "out", confidence=True, say=said.append)
    for name, empty in (("a", 16), ("b", 12)):
        with Image.open(tmp_path / f"out/{name}_labels.png") as image:
            labels = np.asarray(image)
            alpha = np.asarray(image.convert("RGBA"))[..., 3]
        np.testing.assert_array_equal(alpha, np.where(labels == NO_DATA, 0, 255))
        assert (labels[:, :empty] == NO_DATA).all()
        assert (labels[:, empty:] < 3).all()
    with rasterio.open(tmp_path / "out/a_labels.tif") as file:
        assert file.nodata == NO_DATA
        np.testing.assert_array_equal(file.read(1)[:, :16], NO_DATA)
        assert file.read_masks(1)[:, 16:].all()
    told = "\n".join(said)
    assert "no data 33%" in told
    assert "no data 25%" in told
    assert "% of the pixels hold no data" in told


def test_where_all_numbers_are_taken_there_is_none_for_it(tmp_path):
    run = make_run(tmp_path, classes=256)
    tiff(tmp_path / "in/a.tif", swath(), nodata=0)
    with pytest.raises(InputError, match="at most 255 clusters for images with pixels of no data"):
        predict(run, tmp_path / "in", tmp_path / "out", say=lambda line: None)


def with_masks(folder, classes=3):
    """Two images with nodata and masks, of which a part has a class."""
    for name, seed in (("a", 0), ("b", 1)):
        tiff(folder / f"in/{name}.tif", swath(seed=seed), nodata=0)
        mask = np.random.default_rng(seed).integers(0, classes, (48, 48)).astype(np.uint8)
        mask[40:] = 255
        (folder / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(folder / f"masks/{name}.png")


def test_it_is_not_scored(tmp_path):
    with_masks(tmp_path)
    run = make_run(tmp_path, classes=3)
    run.metrics_file.write_text(
        "epoch,main_loss,main_loss_0,overclustering_loss_0\n1,-0.5,-0.5,-0.5\n"
    )
    places = {"data": str(tmp_path / "in"), "masks": str(tmp_path / "masks")}
    found = evaluate(run, places, say=lambda line: None)
    written = json.loads((run.folder / "evaluations/in/evaluation.json").read_text())
    assert written["accuracy"] == found["accuracy"]
    assert not run.evaluation_file.exists()
    truths = []
    for name in "ab":
        with Image.open(tmp_path / f"masks/{name}.png") as image:
            truths.append(np.asarray(image)[:40, 16:])
    shares = np.bincount(np.stack(truths).ravel(), minlength=3) / np.stack(truths).size
    for line, share in zip(found["per_class"], shares, strict=True):
        assert line["share"] == pytest.approx(share, abs=1e-6)


def test_k_means_is_given_what_the_network_is_given(tmp_path):
    with_masks(tmp_path)
    scenes = load_folder(tmp_path / "in", tmp_path / "masks")
    # Pixels of no class are of one colour, and those without data of another.
    arrays = [with_nan(*read_with_valid(scene, 0, 0, 48, 48)) for scene in scenes.scenes]
    for array in arrays:
        array[:40, 16:], array[40:, 16:] = 20, 250
    masks = [scene.read_mask(0, 0, 48, 48) for scene in scenes.scenes]
    flat = from_arrays(arrays, masks, low=0, high=255)
    for masked, centres in ((False, [[20] * 3, [250] * 3]), (True, [[20] * 3])):
        fit = KMeansLabeller(flat, 1, {"main": 2}, seed=0, masks=masked).fits["main"]
        found = fit.centres * (flat.high - flat.low) + flat.low
        np.testing.assert_allclose(sorted(found.tolist()), centres, atol=1e-3)
    labels = KMeansLabeller(flat, 1, {"main": 2}, seed=0).labels(arrays[0], None)["main"][0]
    assert labels.shape == (48, 48)


def test_windows_and_wholes_agree_in_spite_of_it(tmp_path):
    run = make_run(tmp_path, classes=3, downscale=2)
    path = tiff(tmp_path / "a.tif", swath(side=90, empty=30), nodata=0)
    scenes = load_folder(path)
    served = load_served(run)
    pixels = with_nan(*read_with_valid(scenes.scenes[0], 0, 0, 90, 90))
    labels, confidence = KerasPredictor(served)(pixels)
    assert (labels[:, :30] == NO_DATA).all()
    assert (confidence[:, :30] == 0).all()
    np.testing.assert_array_equal(
        np.where(labels == NO_DATA, -1, labels.astype(int)),
        np.asarray(served(pixels[None])["labels"])[0],
    )


def test_nothing_warns_of_numbers_that_are_none():
    pixels = np.full((8, 8, 2), np.nan, np.float32)
    pixels[0, 0] = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scenes = from_arrays([pixels])
        scenes.seen(scenes.scenes[0], 0, 0, 8, 8)
