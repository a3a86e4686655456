"""The baseline finds plain groups, repeats itself and bears odd pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from iic_tf.errors import InputError
from iic_tf.metrics import PixelKMeans, pixel_kmeans


def _groups(rng: np.random.Generator) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Three well parted groups of pixels and the group of each."""
    group = rng.integers(0, 3, 600)
    centres = np.array([[0.1, 0.1, 0.1, 0.9], [0.8, 0.2, 0.5, 0.1], [0.3, 0.9, 0.9, 0.5]])
    pixels = centres[group] + rng.normal(scale=0.02, size=(600, 4))
    return pixels.astype(np.float32), group


def test_finds_parted_groups() -> None:
    pixels, group = _groups(np.random.default_rng(0))
    model = PixelKMeans(3, seed=1).fit(pixels)
    labels = model.predict(pixels)
    assert labels.dtype == np.int32
    # One label for each group, another for each other.
    assert len({(g, p) for g, p in zip(group.tolist(), labels.tolist(), strict=True)}) == 3
    assert model.centres is not None
    means = [pixels[labels == index].mean(axis=0) for index in range(3)]
    assert np.allclose(model.centres, means, atol=1e-6)
    residue = np.square(pixels.astype(np.float64) - model.centres[labels]).sum()
    assert model.inertia == pytest.approx(residue)


def test_same_seed_same_centres() -> None:
    pixels = np.random.default_rng(3).random((500, 3))
    one, two = (PixelKMeans(6, seed=5, restarts=2).fit(pixels) for _ in range(2))
    assert one.centres is not None
    assert two.centres is not None
    assert np.array_equal(one.centres, two.centres)
    assert one.inertia == two.inertia


def test_threads_do_not_change_the_centres() -> None:
    # So many that scikit-learn's threads, left to themselves, end in another order each time.
    pixels = np.random.default_rng(3).random((30_000, 4))
    one = PixelKMeans(8, seed=5, restarts=1).fit(pixels).centres
    with threadpool_limits(8):
        others = [PixelKMeans(8, seed=5, restarts=1).fit(pixels).centres for _ in range(3)]
    assert one is not None
    assert all(np.array_equal(one, other) for other in others if other is not None)


def test_numbers_beyond_float32_are_refused() -> None:
    with pytest.raises(InputError, match="finite"):
        PixelKMeans(1, seed=0).fit(np.array([[1e300], [0.0]]))


def test_global_random_state_is_neither_used_nor_changed() -> None:
    pixels = np.random.default_rng(3).random((200, 3))
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # type: ignore[union-attr,index]  # noqa: NPY002
    PixelKMeans(4, seed=5).fit(pixels)
    after = np.random.get_state()[1]  # type: ignore[index]  # noqa: NPY002
    assert np.array_equal(before, after)


def test_more_restarts_are_never_worse() -> None:
    pixels = np.random.default_rng(4).random((400, 2))
    few = PixelKMeans(8, seed=2, restarts=1).fit(pixels).inertia
    many = PixelKMeans(8, seed=2, restarts=6).fit(pixels).inertia
    assert few is not None
    assert many is not None
    assert many <= few


def test_predict_keeps_the_shape_and_takes_the_nearest() -> None:
    model = PixelKMeans(2, seed=0).fit(np.array([[0, 0], [0, 2], [100, 100], [100, 98]], np.uint8))
    image = np.array([[[3, 3], [90, 90], [0, 0]], [[99, 99], [1, 0], [60, 60]]], np.uint16)
    labels = model.predict(image)
    dark = labels[0, 0]
    assert labels.shape == (2, 3)
    assert (labels == dark).tolist() == [[True, False, True], [False, True, False]]
    assert model.predict(image[0, 0]).shape == ()
    assert model.predict(np.empty((0, 5, 2))).shape == (0, 5)


def test_chunks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = np.random.default_rng(6).random((300, 3))
    whole = PixelKMeans(4, seed=0).fit(pixels)
    monkeypatch.setattr(pixel_kmeans, "_CHUNK", 7)
    parts = PixelKMeans(4, seed=0).fit(pixels)
    assert parts.inertia == pytest.approx(whole.inertia)
    assert np.array_equal(parts.predict(pixels), whole.predict(pixels))


@pytest.mark.parametrize("distinct", [1, 2, 4])
def test_fewer_distinct_pixels_than_clusters(distinct: int) -> None:
    colours = np.arange(distinct * 3, dtype=np.float32).reshape(distinct, 3)
    pixels = np.repeat(colours, 10, axis=0)
    model = PixelKMeans(5, seed=0).fit(pixels)
    assert model.centres is not None
    assert model.centres.shape == (distinct, 3)
    assert model.inertia == 0.0
    assert len(np.unique(model.predict(pixels))) == distinct


@given(st.integers(0, 2**16), st.integers(1, 6), st.integers(1, 40), st.integers(1, 3))
@settings(max_examples=40, deadline=None)
def test_bears_any_coarse_pixels(seed: int, k: int, count: int, channels: int) -> None:
    # Few values, so that clusters run empty now and then; no warning may leak.
    pixels = np.random.default_rng(seed).integers(0, 4, (count, channels))
    model = PixelKMeans(k, seed=seed, restarts=2, iterations=15).fit(pixels)
    labels = model.predict(pixels)
    assert model.centres is not None
    assert np.isfinite(model.centres).all()
    assert 0 <= labels.min() <= labels.max() < k


@pytest.mark.parametrize(
    "pixels", [np.empty((0, 3)), np.ones(3), np.ones((2, 0)), np.array([[np.nan]])]
)
def test_fit_refuses(pixels: NDArray[np.float64]) -> None:
    with pytest.raises(InputError):
        PixelKMeans(2, seed=0).fit(pixels)


def test_predict_refuses() -> None:
    model = PixelKMeans(2, seed=0)
    with pytest.raises(InputError, match="fit before predict"):
        model.predict(np.ones((2, 3)))
    model.fit(np.eye(3))
    with pytest.raises(InputError, match=r"\[\.\.\., 3\]"):
        model.predict(np.ones((2, 2)))
    with pytest.raises(InputError, match="finite"):
        model.predict(np.full((2, 3), np.inf))


@pytest.mark.parametrize("settings_", [{"k": 0}, {"seed": -1}, {"restarts": 0}, {"iterations": 0}])
def test_settings_are_checked(settings_: dict[str, int]) -> None:
    with pytest.raises(InputError, match=f"{next(iter(settings_))} of at least"):
        PixelKMeans(**({"k": 2, "seed": 0} | settings_))
