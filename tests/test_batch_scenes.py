"""Batches whose crops come from few scenes (`batch_scenes`)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iic_tf.cli import main
from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import task_of
from iic_tf.views.draws import distinct, generator
from iic_tf.views.feature_pairs import FeaturePairs, KeptTile
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.pairs import Pairs

SIDES = (20, 24, 28, 32, 36, 40)


def of_images(**values: Any) -> Pairs:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (side, side, 3)).astype(np.uint8) for side in SIDES]
    own = {"crop": 8, "batch": 12, "steps": 40, "seed": 3, **values}
    return Pairs(from_arrays(images), **own)


def of_features(**values: Any) -> FeaturePairs:
    """Scenes of two tiles each, beside one another."""
    tiles = [
        KeptTile(scene, np.full((2, side, side // 2, 1), scene, np.float16))
        for scene, side in enumerate(SIDES)
        for _ in range(2)
    ]
    return FeaturePairs(tiles, **{"crop": 8, "batch": 12, "steps": 40, "seed": 3, **values})


BOTH = pytest.mark.parametrize("kind", [of_images, of_features])


def scenes_of(pairs: NumberedBatches, step: int) -> list[int]:
    return [int(one) for one in pairs[step]["scene"]]


@BOTH
@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_batch_has_so_many_scenes_and_as_many_crops_of_each(kind: Any, count: int) -> None:
    pairs = kind(batch_scenes=count)
    every = [scenes_of(pairs, step) for step in range(len(pairs))]
    for own in every:
        numbers, shares = np.unique(own, return_counts=True)
        assert len(numbers) == count
        assert shares.max() - shares.min() <= 1
    # Anew for each batch, and every scene has its time, the larger ones more often.
    assert len({frozenset(own) for own in every}) > 3
    times = np.bincount([scene for own in every for scene in set(own)], minlength=len(SIDES))
    assert (times > 0).all()
    assert count == 5 or times[3:].sum() > times[:3].sum()


@BOTH
def test_without_it_a_batch_is_of_any(kind: Any) -> None:
    pairs = kind()
    assert max(len(set(scenes_of(pairs, step))) for step in range(5)) == len(SIDES)


@BOTH
def test_of_fewer_scenes_a_batch_has_all(kind: Any) -> None:
    assert set(scenes_of(kind(batch_scenes=9), 0)) == set(range(len(SIDES)))


@BOTH
def test_parts_of_a_batch_are_the_batch(kind: Any) -> None:
    """As several replicas and the readers of `fit` have it."""
    pairs = kind(batch_scenes=2)
    parts = list(pairs.dataset(38, 42, [(0, 2), (1, 2)]))
    for number, whole in enumerate(pairs.dataset(38, 42)):
        for name, value in whole.items():
            both = np.concatenate([parts[2 * number][name], parts[2 * number + 1][name]])
            np.testing.assert_array_equal(value, both)


def test_small_scenes_are_more_to_a_batch() -> None:
    """Twice as many crops as fit at most, on the mean: 8 pixels fit 4 to 25 times; 20 once."""
    assert of_images(batch_scenes=1).batch_scenes == 1
    fit = np.mean([max(side // 20, 1) ** 2 for side in SIDES])
    assert fit == 1.5
    assert of_images(crop=20, batch_scenes=1).batch_scenes == 4
    assert of_images(crop=20, batch_scenes=5).batch_scenes == 5
    assert of_images(crop=20).batch_scenes == 0


def test_crops_lie_in_their_scenes() -> None:
    pairs = of_features(batch_scenes=2)
    batch = pairs[0]
    np.testing.assert_array_equal(batch["features"][:, 0, 0, 0], batch["scene"])


def test_numbers_are_drawn_once_each_and_by_weight() -> None:
    weights = np.array([1.0, 2.0, 3.0, 4.0])
    rngs = [generator(0, 0, i, "scenes") for i in range(4000)]
    drawn = np.array([distinct(rng, weights, 2) for rng in rngs])
    assert (drawn[:, 0] != drawn[:, 1]).all()
    first = np.bincount(drawn[:, 0], minlength=4) / len(drawn)
    np.testing.assert_allclose(first, weights / weights.sum(), atol=0.03)
    # The second by the weights of those that are left.
    left = drawn[drawn[:, 0] == 3, 1]
    np.testing.assert_allclose(np.bincount(left) / len(left), [1 / 6, 2 / 6, 3 / 6], atol=0.04)
    assert sorted(distinct(rngs[0], weights, 9)) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"batch_scenes": -1}, r"batch_scenes of 0 to 12, the batch's; received batch_scenes=-1"),
        ({"batch_scenes": 13}, r"batch_scenes of 0 to 12"),
        ({"batch_scenes": 2, "steps": None}, r"steps above 0 with batch_scenes; received .*grid"),
    ],
)
def test_what_no_batch_can_have_is_refused(values: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        of_images(**values)


def test_a_run_has_it_and_its_evaluation_is_of_all(tmp_path: Path, capsys: Any) -> None:
    quick = ["--dataset", "scenes", "--recipe", "scenes-cpu", "--epochs", "1", "--crop", "32"]
    quick += ["--count", "4", "--size", "96", "--batch", "4", "--width", "0.05"]
    quick += ["--set", "evaluation_steps=1", "--set", "batch_scenes=2"]
    assert main(["train", *quick, "--steps", "2", "--out", str(tmp_path / "run")]) == 0
    assert "32×32 of 2 images each, " in capsys.readouterr().out
    run = Run(tmp_path / "run")
    task = task_of(run_recipe(run), run.config()["source"])
    assert (task.pairs(0).batch_scenes, task.fixed_pairs(0).batch_scenes) == (2, 0)

    assert main(["train", *quick, "--set", "steps=0", "--out", str(tmp_path / "grid")]) == 2
    assert "batch_scenes" in capsys.readouterr().err
    assert not (tmp_path / "grid").exists()
