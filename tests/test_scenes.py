"""The generated set: the same everywhere, all classes, and not to be solved by colour alone."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from scipy.cluster.vq import kmeans2
from scipy.optimize import linear_sum_assignment

from iic_tf.data.scene import IGNORE, Scene, SceneSet
from iic_tf.data.scenes import MERGE, SIX_CLASSES, _Cache, load_scenes
from iic_tf.errors import InputError

COUNT = 8
SIZE = 256


def whole(scene: Scene) -> NDArray[np.generic]:
    return scene.read(0, 0, scene.height, scene.width)


def whole_mask(scene: Scene) -> NDArray[np.int32]:
    return scene.read_mask(0, 0, scene.height, scene.width)


@pytest.fixture(scope="module")
def six() -> SceneSet:
    return load_scenes(COUNT, SIZE, classes=6)


@pytest.fixture(scope="module")
def pixels(six: SceneSet) -> NDArray[np.float32]:
    return np.stack([six.normalise(whole(scene)) for scene in six.scenes])


@pytest.fixture(scope="module")
def merged() -> NDArray[np.int32]:
    return np.stack([whole_mask(scene) for scene in load_scenes(COUNT, SIZE).scenes])


def test_set_keeps_the_contract(six: SceneSet) -> None:
    assert (six.name, six.channels, len(six.scenes)) == ("scenes", 4, COUNT)
    assert six.low.tolist() == [0] * 4
    assert six.high.tolist() == [255] * 4
    assert six.classes is SIX_CLASSES
    scene = six.scenes[0]
    assert isinstance(scene, Scene)
    assert (scene.name, scene.height, scene.width) == ("scene-000", SIZE, SIZE)
    assert whole(scene).dtype == np.uint8
    assert whole(scene).shape == (SIZE, SIZE, 4)
    assert whole_mask(scene).dtype == np.int32
    assert len({scene.name for scene in six.scenes}) == COUNT


def test_same_seed_same_pixels_without_the_cache(six: SceneSet) -> None:
    first, first_classes = _Cache(1).get(0, 1, SIZE)
    again, again_classes = _Cache(1).get(0, 1, SIZE)
    assert first is not again
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first_classes, again_classes)
    np.testing.assert_array_equal(first, whole(six.scenes[1]))


def test_pixels_do_not_depend_on_count_classes_or_order() -> None:
    one = load_scenes(2, 64, seed=5, classes=6).scenes[1]
    other = load_scenes(4, 64, seed=5, classes=3).scenes[1]
    np.testing.assert_array_equal(whole(one), whole(other))
    np.testing.assert_array_equal(MERGE[whole_mask(one)], whole_mask(other))


def test_seeds_and_scenes_differ() -> None:
    scenes = [*load_scenes(2, 64, seed=0).scenes, *load_scenes(2, 64, seed=1).scenes]
    images = [whole(scene).astype(int) for scene in scenes]
    for i, one in enumerate(images):
        for other in images[i + 1 :]:
            assert np.abs(one - other).mean() > 5


@pytest.mark.parametrize("border", [0, 3])
def test_windows_equal_slices(border: int) -> None:
    scene = load_scenes(1, SIZE, border=border).scenes[0]
    image, mask = whole(scene), whole_mask(scene)
    for top, left, height, width in ((0, 0, 40, 30), (17, 101, 64, 64), (200, 206, 56, 50)):
        window = np.s_[top : top + height, left : left + width]
        np.testing.assert_array_equal(scene.read(top, left, height, width), image[window])
        np.testing.assert_array_equal(scene.read_mask(top, left, height, width), mask[window])


def test_reads_do_not_hand_out_the_cache() -> None:
    scene = load_scenes(1, 64).scenes[0]
    before = whole(scene).copy()
    held: NDArray[Any] = scene.read(0, 0, 64, 64)
    held[:] = 0
    np.testing.assert_array_equal(whole(scene), before)


def test_border_ignores_what_lies_near_another_class() -> None:
    plain = whole_mask(load_scenes(1, SIZE).scenes[0])
    ignored = whole_mask(load_scenes(1, SIZE, border=2).scenes[0])
    uniform = ndimage.maximum_filter(plain, 5) == ndimage.minimum_filter(plain, 5)
    np.testing.assert_array_equal(ignored == IGNORE, ~uniform)
    np.testing.assert_array_equal(ignored[uniform], plain[uniform])


def test_scenes_pickle_and_threads_agree(six: SceneSet) -> None:
    copy = pickle.loads(pickle.dumps(six.scenes[0]))
    np.testing.assert_array_equal(whole(copy), whole(six.scenes[0]))
    scenes = load_scenes(2, 64, seed=9).scenes
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(whole, scenes * 4))
    for i, image in enumerate(images):
        np.testing.assert_array_equal(image, images[i % 2])


def test_cache_lets_go_of_the_oldest() -> None:
    cache = _Cache(2 * 5 * 64 * 64)
    first, _ = cache.get(0, 0, 64)
    cache.get(0, 1, 64)
    assert cache.get(0, 0, 64)[0] is first
    cache.get(0, 2, 64)
    assert cache.get(0, 0, 64)[0] is first
    cache.get(0, 1, 64)
    cache.get(0, 2, 64)
    assert cache.get(0, 0, 64)[0] is not first


def test_last_scenes_are_unlabelled() -> None:
    scenes = load_scenes(3, 64, unlabelled=2)
    assert [scene.has_mask for scene in scenes.scenes] == [True, False, False]
    assert scenes.labelled is not None
    assert [scene.name for scene in scenes.labelled.scenes] == ["scene-000"]
    with pytest.raises(InputError, match="with a mask"):
        scenes.scenes[2].read_mask(0, 0, 8, 8)
    assert load_scenes(1, 64, unlabelled=1).labelled is None


def test_all_classes_in_every_scene_and_even_shares(
    six: SceneSet, merged: NDArray[np.int32]
) -> None:
    for scene, mask in zip(six.scenes, merged, strict=True):
        counts = np.bincount(whole_mask(scene).ravel(), minlength=6)
        assert counts.size == 6
        assert counts.min() >= 50, scene.name
        shares = np.bincount(mask.ravel(), minlength=3) / mask.size
        assert 0.2 < shares.min() <= shares.max() < 0.48, scene.name
    shares = np.bincount(merged.ravel(), minlength=3) / merged.size
    assert 0.28 < shares.min() <= shares.max() < 0.40


def one_to_one(found: NDArray[np.intp], truth: NDArray[np.int32]) -> float:
    table = np.zeros((3, 3))
    np.add.at(table, (found, truth), 1)
    return float(table[linear_sum_assignment(-table)].sum() / truth.size)


def kmeans_accuracy(values: NDArray[np.floating], truth: NDArray[np.int32]) -> float:
    """Of a few runs the one of least inertia: what k-means is after, whatever the masks say."""
    pick = np.random.default_rng(0).choice(truth.size, 12_000, replace=False)
    sample = values.reshape(truth.size, -1)[pick].astype(np.float64)
    runs = []
    for seed in range(4):
        centres, found = kmeans2(sample, 3, minit="++", rng=seed, iter=30)
        inertia = float(((sample - centres[found]) ** 2).sum())
        runs.append((inertia, one_to_one(found, truth.ravel()[pick])))
    return min(runs)[1]


def test_colour_does_not_tell_the_classes_apart(
    pixels: NDArray[np.float32], merged: NDArray[np.int32]
) -> None:
    assert kmeans_accuracy(pixels, merged) < 0.60
    assert kmeans_accuracy(ndimage.uniform_filter(pixels, (0, 9, 9, 0)), merged) < 0.65
    # Nor does it once the light of each scene is taken out.
    axes = (1, 2)
    even = (pixels - pixels.mean(axes, keepdims=True)) / pixels.std(axes, keepdims=True)
    assert kmeans_accuracy(even, merged) < 0.60


def texture(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """Energy, its direction and its weakest direction in 11 × 11 means: `[..., 3]`."""
    wave = np.log(grey + 0.05)
    wave = np.clip(wave - ndimage.gaussian_filter(wave, (0, 4, 4)), -0.3, 0.3)
    dy = ndimage.gaussian_filter(wave, (0, 1, 1), order=(0, 1, 0))
    dx = ndimage.gaussian_filter(wave, (0, 1, 1), order=(0, 0, 1))
    xx, yy, xy = (ndimage.uniform_filter(v, (0, 11, 11)) for v in (dx * dx, dy * dy, dx * dy))
    spread = np.sqrt((xx - yy) ** 2 + 4 * xy * xy)
    total = xx + yy
    weak = np.maximum(total - spread, 0) / 2
    return np.stack([np.log(total + 3e-4), spread / (total + 3e-4), np.log(weak + 2e-4)], axis=-1)


def test_texture_tells_the_classes_apart(
    pixels: NDArray[np.float32], merged: NDArray[np.int32]
) -> None:
    values = texture(pixels.mean(-1, dtype=np.float64))
    values = (values - values.mean((0, 1, 2))) / values.std((0, 1, 2))
    assert kmeans_accuracy(values, merged) > 0.70


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "at least 1 scene; received count=0"),
        ({"size": 63}, "at least 64 pixels a side; received size=63"),
        ({"seed": -1}, "received seed=-1"),
        ({"classes": 4}, "3 or 6 classes; received classes=4"),
        ({"unlabelled": -1}, "received unlabelled=-1"),
        ({"count": 2, "unlabelled": 3}, "0 to 2 scenes without a mask; received unlabelled=3"),
        ({"border": -1}, "received border=-1"),
    ],
)
def test_bad_arguments(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_scenes(**arguments)


@pytest.mark.parametrize("window", [(-1, 0, 8, 8), (0, 0, 0, 8), (60, 0, 8, 8), (0, 57, 8, 8)])
def test_windows_outside(window: tuple[int, int, int, int]) -> None:
    scene = load_scenes(1, 64).scenes[0]
    with pytest.raises(InputError, match="inside 64 × 64 pixels"):
        scene.read(*window)
    with pytest.raises(InputError, match="inside 64 × 64 pixels"):
        scene.read_mask(*window)
