"""Values that need far more memory than there is are refused before anything is built."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from made_up import small_clusterer, small_infoseg, small_segmenter
from test_cli import arguments, photos, refused  # noqa: F401

from iic_tf.errors import InputError
from iic_tf.training import memory_estimate
from iic_tf.training.memory_estimate import check_memory, machine_memory, model_weights
from iic_tf.training.methods.iic import IICClustering, IICSegmentation
from iic_tf.training.methods.infoseg import InfoSegSegmentation
from iic_tf.training.recipe_files import load_recipe, recipe_names
from iic_tf.training.tasks.registry import task_of

GB = 10**9


@pytest.mark.parametrize(
    ("recipe", "values", "most"),
    [
        (IICSegmentation, {"width": 1e6}, "width=1e"),
        (IICSegmentation, {"batch": 10**9}, "2000000000 views"),
        (IICSegmentation, {"crop": 100_000}, "of 100000×100000"),
        (InfoSegSegmentation, {"features": 10**6}, "the method's own"),
        (IICSegmentation, {"crop": 2000, "radius": 1900, "width": 0.1, "batch": 1}, "own weights"),
        (IICClustering, {"side": 10**8}, "side=100000000"),
        (IICClustering, {"batch": 10**9, "x": {"size": 32}}, "views of 32×32"),
    ],
)
def test_absurd_sizes_are_refused_before_the_data_are_looked_for(recipe, values, most) -> None:
    with pytest.raises(InputError, match=r"machine has memory for.*most of it.*" + most):
        task_of(recipe().replaced(**values), {"dataset": "folder", "data": "/nowhere"})


def test_micro_batches_take_less() -> None:
    whole, parts = (IICSegmentation(micro_batches=n).estimate(3).total for n in (1, 25))
    assert parts < whole / 10


def test_no_recipe_of_ours_is_refused_on_a_machine_of_8_gb(monkeypatch) -> None:
    monkeypatch.setattr(memory_estimate, "machine_memory", lambda: 8.0 * GB)
    for name in recipe_names():
        check_memory(load_recipe(name).estimate(4), "a training")


def test_nothing_above_a_terabyte_is_taken_on_any_machine(monkeypatch) -> None:
    monkeypatch.setattr(memory_estimate, "machine_memory", lambda: 1e15)
    with pytest.raises(InputError, match="TB"):
        check_memory(IICSegmentation(width=1e4).estimate(3), "a training")


def test_the_machines_memory_is_that_of_its_container_where_that_is_less(monkeypatch) -> None:
    assert 10**8 < machine_memory() < 10**14
    monkeypatch.setattr(memory_estimate, "_limits", lambda: [2.0 * GB])
    assert machine_memory() == 2 * GB


@pytest.mark.parametrize(
    "model",
    [
        small_segmenter(width=0.5),
        small_segmenter(width=1.0, overclusters=40),
        small_clusterer(width=1.0, network="A"),
        small_clusterer(width=1.0, network="B", size=24),
        small_infoseg(width=1.0, features=256),
    ],
)
def test_estimates_of_weights_are_of_the_right_size(model) -> None:
    keras.utils.set_random_seed(0)
    if not model.built:
        model.build((None, 24, 24, model.channels))
    there = sum(np.prod(w.shape) for w in model.trainable_variables) * 4
    assert 0.5 < model_weights(model.get_config()).total / there < 2


def test_the_command_line_refuses_them_too(photos: Path, tmp_path: Path, capsys) -> None:  # noqa: F811
    for more in (["--width", "1e6"], ["--batch", "1000000000"], ["--crop", "100000"]):
        refused(capsys, arguments(photos, tmp_path / "run", *more), "memory for", "most of it")
    assert not (tmp_path / "run").exists()


def test_the_joints_of_a_strangers_model_count() -> None:
    config = small_segmenter().get_config() | {"radius": 10**6}
    assert model_weights(config).total > 10**12
    paired = small_infoseg(paired=True, radius=4).get_config() | {"radius": 10**6}
    assert model_weights(paired).total < 10**9
