"""What clusters tell of the crop, against plain NumPy; measured by evaluations, and held down."""

from __future__ import annotations

import csv
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
from made_up import noise_pairs, small_segmenter, weights

from iic_tf.errors import InputError
from iic_tf.losses.crop_information import crop_information, crop_sums


def probabilities(*shape: int, seed: int = 0) -> Any:
    x = np.exp(2 * np.random.default_rng(seed).normal(size=shape))
    return (x / x.sum(-1, keepdims=True)).astype(np.float32)


def reference(p: Any, mask: Any) -> float:
    """I(z; crop) of the joint of clusters and crops, entry by entry."""
    joint = np.einsum("bhwk,bhw->bk", p.astype(np.float64), mask)
    joint /= joint.sum()
    rows, columns = joint.sum(1), joint.sum(0)
    return float(
        sum(
            joint[i, z] * np.log(joint[i, z] / (rows[i] * columns[z]))
            for i in range(len(joint))
            for z in range(joint.shape[1])
            if joint[i, z] > 0
        )
    )


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_information_of_cluster_and_crop(seed: int) -> None:
    p = probabilities(5, 3, 4, 6, seed=seed)
    mask = np.random.default_rng(seed).random((5, 3, 4)).astype(np.float32)
    # Crops that are alike in everything but what each shows.
    p[1] = p[0]
    mask[2] = 0
    found = float(crop_information(crop_sums(p, mask)))
    assert found == pytest.approx(reference(p, mask), abs=1e-6)
    assert found > 0.01


def test_parts_add_up_and_ends_are_exact() -> None:
    p = probabilities(6, 2, 3, 4)
    parts = crop_sums(p[:2]) + crop_sums(p[2:])
    np.testing.assert_allclose(parts, crop_sums(p), rtol=1e-6)
    own = np.eye(4, dtype=np.float32)[:, None, None]
    assert float(crop_information(crop_sums(own))) == pytest.approx(np.log(4), abs=1e-6)
    everywhere_alike = np.repeat(probabilities(1, 2, 3, 4), 5, axis=0)
    assert float(crop_information(crop_sums(everywhere_alike))) == pytest.approx(0, abs=1e-6)
    nothing = crop_sums(p, np.zeros((6, 2, 3)))
    assert float(crop_information(nothing)) == 0


def test_its_gradient_is_that_of_differences() -> None:
    logits = np.random.default_rng(1).normal(size=(3, 2, 2, 3))

    def of(values: Any) -> Any:
        return crop_information(crop_sums(tf.nn.softmax(values)))

    x = tf.constant(logits, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = of(x)
    gradient = tape.gradient(value, x).numpy()
    direction = np.random.default_rng(2).normal(size=logits.shape)

    def exact(step: float) -> float:
        moved = logits + step * direction
        p = np.exp(moved) / np.exp(moved).sum(-1, keepdims=True)
        return reference(p, np.ones((3, 2, 2)))

    numeric = (exact(1e-4) - exact(-1e-4)) / 2e-4
    assert float((gradient * direction).sum()) == pytest.approx(numeric, abs=1e-5)


def test_maps_of_another_rank_are_refused() -> None:
    with pytest.raises(InputError, match=r"Expected maps \[batch, height, width, clusters\]"):
        crop_sums(np.ones((3, 2)))


def test_an_evaluation_measures_it_and_files_do_not_hold_it(tmp_path: Path) -> None:
    model = small_segmenter(sub_heads=2)
    model.compile()
    pairs = noise_pairs()
    batches = [pairs[i] for i in range(2)]
    for batch in batches:
        model.test_step(batch)
    for head, monitor in model.monitors().items():
        maps = [model.maps(batch["x"], head) for batch in batches]
        for sub_head, found in enumerate(monitor.crops):
            p = np.concatenate([of_batch[sub_head].numpy() for of_batch in maps])
            assert found == pytest.approx(reference(p, np.ones(p.shape[:3])), abs=1e-5)
    model.save(tmp_path / "model.keras")
    with zipfile.ZipFile(tmp_path / "model.keras") as file:
        (tmp_path / "model.weights.h5").write_bytes(file.read("model.weights.h5"))
    names: list[str] = []
    with h5py.File(tmp_path / "model.weights.h5") as found:
        found.visit(names.append)
    assert names
    assert not [name for name in names if "crop" in name]


def test_its_weight_holds_it_down() -> None:
    found = {}
    for weight in (0.0, 3.0):
        keras.utils.set_random_seed(0)
        model = small_segmenter(turns=("both",), crop_weight=weight)
        model.compile(optimizer=keras.optimizers.Adam(1e-2))
        batch = noise_pairs()[0]
        before = [w.copy() for w in weights(model)]
        for _ in range(8):
            model.train_step(batch)
        assert any((a != b).any() for a, b in zip(before, weights(model), strict=True))
        model.test_step(batch)
        found[weight] = model.monitors()["main"].crops[0]
    assert found[3.0] < found[0.0]


@pytest.mark.parametrize("value", [-1.0, float("inf"), float("nan")])
def test_wrong_weights_are_refused(value: float) -> None:
    with pytest.raises(InputError, match="crop_weight >= 0 and finite"):
        small_segmenter(crop_weight=value)


def test_a_run_shows_it(tmp_path: Path, capsys: Any) -> None:
    from iic_tf.cli import main

    out = tmp_path / "run"
    options = ["--epochs", "1", "--set", "steps=1", "--set", "evaluation_steps=1", "--batch", "2"]
    few = ["--count", "3", "--size", "64"]
    words = ["train", "--dataset", "scenes", "--recipe", "scenes-cpu", *options, "--out", str(out)]
    assert main([*words, "--set", "width=0.05", "--set", "crop=32", *few]) == 0
    (row,) = csv.DictReader((out / "metrics.csv").read_text(encoding="utf-8").splitlines())
    value = float(row["main_crop_information"])
    assert 0 <= value <= np.log(2) + 1e-6
    assert f"(crop {value:.2f})" in capsys.readouterr().out
