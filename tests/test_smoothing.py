"""Superpixels that have one label each."""

import sys

import numpy as np
import pytest
from PIL import Image
from test_predict import picture
from tiny_run import make_run

from iic_tf.data.scene import SceneSet
from iic_tf.data.windows import Window
from iic_tf.errors import InputError
from iic_tf.export import smoothing
from iic_tf.export.predict import predict
from iic_tf.export.predictor import NO_DATA
from iic_tf.export.smoothing import Smoothed, superpixels, vote
from iic_tf.export.window_maps import Maps


def voted(parts, labels, confidence, clusters):
    """`vote`, part by part."""
    found, sure = labels.copy(), np.zeros(labels.shape)
    for part in np.unique(parts):
        inside = (parts == part) & (labels != NO_DATA)
        if not inside.any():
            continue
        sums = [confidence[inside & (labels == k)].sum() for k in range(clusters)]
        found[inside] = np.argmax(sums)
        sure[inside] = max(sums) / inside.sum()
    return found, sure


def test_votes_are_sums_of_confidence_and_no_data_has_none():
    rng = np.random.default_rng(0)
    parts = rng.integers(0, 9, (20, 30))
    labels = rng.integers(0, 5, (20, 30)).astype(np.uint8)
    labels[rng.random((20, 30)) < 0.2] = NO_DATA
    labels[parts == 3] = NO_DATA
    confidence = rng.uniform(0.2, 1, (20, 30)).astype(np.float32)
    found, sure = vote(parts, labels, confidence, 5)
    expected, expected_sure = voted(parts, labels, confidence, 5)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_allclose(sure, expected_sure, rtol=1e-5)
    assert (found != labels).any()


def test_superpixels_follow_edges_of_any_bands():
    pixels = np.zeros((24, 24, 4), np.float32)
    pixels[:, 10:, 3] = 0.8
    parts = superpixels(pixels, 6)
    left, right = np.unique(parts[:, :10]), np.unique(parts[:, 10:])
    assert len(left) > 2
    assert len(right) > 2
    assert not set(left) & set(right)
    assert (superpixels(pixels, 40) == 0).all()


class Noisy:
    """The half that a pixel lies in, but for one in ten pixels; also a scene, of nothing else."""

    channels, has_mask = 3, False

    def __init__(self, shape):
        self.truth = np.broadcast_to(np.arange(shape[1]) >= shape[1] // 2, shape)
        wrong = np.random.default_rng(0).random(shape) < 0.1
        self.labels = (self.truth ^ wrong).astype(np.uint8)

    def sums(self, scene):
        return np.zeros((1, 0), np.float32)

    def core(self, window, pixels, valid, sums):
        confidence = np.full(self.labels.shape, 0.9, np.float32)
        return Maps(np.where(valid, self.labels, np.uint8(NO_DATA)), confidence * valid)


def test_noise_goes_edges_stay_and_no_data_stays():
    noisy = Noisy((32, 32))
    pixels = np.where(noisy.truth, 200, 40)[..., None].repeat(3, -1).astype(np.uint8)
    valid = np.ones((32, 32), bool)
    valid[5:9, 20:] = False
    scenes = SceneSet("made", (noisy,), low=np.zeros(3), high=np.full(3, 255.0), channels=3)
    window = Window(0, 0, 32, 32, (0, 0, 32, 32))
    found = Smoothed(noisy, scenes, 2, 8).core(window, pixels, valid, None)
    np.testing.assert_array_equal(found.labels, np.where(valid, noisy.truth, NO_DATA))
    assert (noisy.labels != noisy.truth).sum() > 50
    assert (found.confidence[~valid] == 0).all()
    assert 0.5 < found.confidence[valid].mean() < 0.9


@pytest.fixture(scope="module")
def smoothed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("smooth")
    run = make_run(folder)
    (folder / "in").mkdir()
    Image.fromarray(picture(80, 90)).save(folder / "in/a.png")
    for name, more in (("plain", {}), ("smooth", {"smooth": 10})):
        predict(run, folder / "in", folder / name, confidence=True, say=str, **more)
    return folder, run


def test_predict_smooths(smoothed):
    folder, _ = smoothed
    maps = [np.asarray(Image.open(folder / n / "a_labels.png")) for n in ("plain", "smooth")]
    assert (maps[0] != maps[1]).any()
    edges = [(m[:, 1:] != m[:, :-1]).sum() for m in maps]
    assert edges[1] < edges[0]


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"smooth": 1}, "--smooth from 2 to 128, .*received 1"),
        ({"smooth": 300}, "received 300"),
        ({"smooth": 9, "probabilities": True}, "--smooth or --probabilities"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_written(smoothed, tmp_path, more, told):
    folder, run = smoothed
    with pytest.raises(InputError, match=told):
        predict(run, folder / "in", tmp_path / "out", say=str, **more)
    assert not (tmp_path / "out").exists()


def test_without_scikit_image_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(InputError, match=r"pip install 'iic_tf\[smooth\]'"):
        smoothing.require_superpixels()
