"""The circle that images part on: its frames, their film, and the sample that is shown."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from pictured import sure_of
from PIL import Image

from iic_tf.data.image_set import ImageSet
from iic_tf.errors import InputError
from iic_tf.pictures import animation, circle_projection, palette
from iic_tf.training import circle
from iic_tf.training.cluster_sample import cluster_sample
from iic_tf.training.run import Run
from iic_tf.views.image_view import ImageView


def test_circle_projection_puts_points_where_they_belong() -> None:
    colours = [tuple(c) for c in palette(4).tolist()]
    sure = np.asarray(circle_projection(sure_of([0, 1, 2, 3] * 5, 4, 1.0), side=300))
    ring = [np.argwhere((sure == c).all(axis=-1)).mean(axis=0) - 150 for c in colours]
    for (down, right), (x, y) in zip(ring, [(0, 1), (1, 0), (0, -1), (-1, 0)], strict=True):
        assert np.allclose([right, -down], 120 * np.array([x, y]), atol=25)
    undecided = np.asarray(circle_projection(np.full((3, 4), 0.25), side=300))
    assert tuple(undecided[150, 150]) == colours[0]


def test_circle_projection_is_coloured_by_truth() -> None:
    first, second = (tuple(c) for c in palette(2).tolist())
    p = np.full((1, 2), 0.5)
    for truth, colour in ((0, first), (1, second), (-1, (128, 128, 128))):
        shown = circle_projection(p, truth=np.array([truth]), side=300)
        assert shown.getpixel((150, 150)) == colour


@pytest.mark.parametrize("k", [1, 2, 70, 280])
def test_circle_projection_of_any_number_of_clusters(k: int) -> None:
    assert circle_projection(sure_of(list(range(k)), k), side=160).size == (160, 160)


def test_circle_projection_refuses() -> None:
    with pytest.raises(InputError, match="a side of 160 to 1999 pixels"):
        circle_projection(np.ones((1, 1)), side=159)


def test_animation_runs_and_is_small() -> None:
    rng = np.random.default_rng(0)
    found = rng.dirichlet(np.ones(10), (10, 500))
    frames = [circle_projection(p, title=f"epoch {i}") for i, p in enumerate(found)]
    content = animation(frames, 100)
    assert len(content) < 10 * 20_000
    with Image.open(io.BytesIO(content)) as film:
        assert (film.format, film.n_frames, film.size) == ("GIF", 10, (320, 320))
        assert film.info["loop"] == 0
        assert film.info["duration"] == 100
        film.seek(9)
        assert film.info["duration"] == 2000
        last = np.asarray(film.convert("RGB")).astype(int)
    # Colours are close to those of the frame, though few, and paper stays white.
    assert np.abs(last - np.asarray(frames[-1])).mean() < 1
    assert last[0, -1].tolist() == [255] * 3


def test_animation_of_equal_frames_and_of_one() -> None:
    frame = circle_projection(np.ones((1, 1)))
    for frames in ([frame], [frame] * 3):
        with Image.open(io.BytesIO(animation(frames))) as film:
            assert film.size == frame.size


def test_animation_refuses() -> None:
    with pytest.raises(InputError, match="at least one frame"):
        animation([])
    with pytest.raises(InputError, match="one size"):
        animation([Image.new("RGB", (2, 2)), Image.new("RGB", (3, 2))])
    with pytest.raises(InputError, match="20 milliseconds"):
        animation([Image.new("RGB", (2, 2))], 19)


def _set(n: int) -> ImageSet:
    images = np.zeros((n, 8, 8, 1), np.uint8)
    images[:, 0, 0, 0] = np.arange(n)
    return ImageSet("made up", images, np.arange(n, dtype=np.int32))


def test_sample_is_the_same_each_time_and_begins_alike() -> None:
    large, small = cluster_sample(_set(50), 20, 3), cluster_sample(_set(50), 5, 3)
    assert (len(large), len(small)) == (20, 5)
    assert np.array_equal(large.images[:5], small.images)
    assert large.labels is not None
    assert np.array_equal(large.images[:, 0, 0, 0], large.labels)
    assert len(np.unique(large.labels)) == 20
    assert len(cluster_sample(_set(3), 20, 3)) == 3


@pytest.mark.parametrize(("start", "epochs"), [(0, 3), (7, 2), (0, 21)])
def test_film_grows_by_an_epoch_and_stays_short(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: int, epochs: int
) -> None:
    monkeypatch.setattr(circle, "FRAMES", 8)
    draws = np.random.default_rng(0)
    monkeypatch.setattr(
        circle,
        "predictor",
        lambda model: lambda images, view: draws.dirichlet(np.ones(3), (2, len(images))),
    )
    titles: list[str] = []
    draw = circle.circle_projection

    def noted(p: NDArray[np.floating], title: str) -> Image.Image:
        titles.append(title)
        return draw(p, title=title)

    monkeypatch.setattr(circle, "circle_projection", noted)
    film = circle.DrawCircle(Run(tmp_path), _set(10), ImageView(crops=(8,), size=8), 0)
    model = SimpleNamespace(sub_head=0)
    film.set_model(model)
    film.on_train_begin()
    for epoch in range(start, start + epochs):
        film.on_epoch_begin(epoch)
        film.on_epoch_end(epoch)
        with Image.open(tmp_path / "pictures" / "circle.gif") as shown:
            assert shown.n_frames <= 8
            if epochs < 8:
                assert shown.n_frames == epoch - start + 2
    assert titles == [f"epoch {at}" for at in range(start, start + epochs + 1)]
    assert [at for at, _ in film.frames][-1] == start + epochs
    # Once another sub-head is chosen all frames are of that one.
    model.sub_head = 1
    film.on_epoch_begin(start + epochs)
    film.on_epoch_end(start + epochs)
    assert {chosen for _, chosen in film.frames} == {1}
