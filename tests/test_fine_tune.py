from typing import Any

import numpy as np
import pytest

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.scene import ClassTable, SceneSet
from iic_tf.errors import InputError
from iic_tf.models.linear_head import LinearHead
from iic_tf.networks.mirror import mirrored
from iic_tf.training.fine_tune import Tuning, copied, cross_entropy, fine_tune, train_with_labels
from iic_tf.training.label_crops import LabelCrops
from iic_tf.views.geometry import Geometry
from iic_tf.views.photometry import Photometry
from tests.made_up import noise, small_segmenter

STILL = Photometry(0, 0, 0, 0)


def quiet(line: str) -> None:
    pass


def stripes(count: int = 3, size: int = 24) -> SceneSet:
    """Images of noise, of which one half has stripes across, the other stripes along."""
    rng = np.random.default_rng(0)
    images, masks = [], []
    for _ in range(count):
        image = rng.integers(0, 60, (size, size, 3))
        edge = int(rng.integers(size // 3, size - size // 3))
        image[::2, :edge] += 120
        image[:, edge::2] += 120
        images.append(image.astype(np.uint8))
        masks.append((np.arange(size) >= edge)[None].repeat(size, 0).astype(np.int64))
    table = ClassTable(("across", "along"), np.zeros((2, 3), np.uint8))
    return from_arrays(images, masks, table)


def weights(*layers: Any) -> list[Any]:
    return [w.copy() for layer in layers for w in layer.get_weights()]


def test_training_lowers_the_loss_and_keeps_the_statistics() -> None:
    model, scenes = small_segmenter(), stripes()
    head = LinearHead(2, model.trunk.features, 3, windows=(3,), pooled=3)
    before = weights(model.trunk)
    crops = LabelCrops(scenes, 2, 16)
    tuning = Tuning(steps=30, batch=4, crop=16, head_rate=3e-2, trunk_rate=1e-2)
    losses = train_with_labels(model, head, crops, tuning, quiet)
    assert len(losses) == 30
    assert losses[0] == pytest.approx(np.log(2), abs=1e-4)
    assert np.mean(losses[-5:]) < np.mean(losses[1:6])
    for variable, old in zip(model.trunk.weights, before, strict=True):
        same = np.array_equal(variable, old)
        assert same == ("moving" in variable.path), variable.path


def test_from_scratch_statistics_move() -> None:
    model, scenes = small_segmenter(), stripes()
    head = LinearHead(2, model.trunk.features, 3, windows=(3,), pooled=3)
    before = weights(model.trunk)
    tuning = Tuning(steps=1, batch=2, crop=16, frozen=False)
    train_with_labels(model, head, LabelCrops(scenes, 2, 16), tuning, quiet)
    names = [v.path for v in model.trunk.weights]
    moved = [not np.array_equal(a, b) for a, b in zip(weights(model.trunk), before, strict=True)]
    assert all(m for m, name in zip(moved, names, strict=True) if "moving" in name)


def test_a_copy_is_tuned_and_the_same_again() -> None:
    model, scenes = small_segmenter(), stripes(2)
    before = weights(model)
    said: list[str] = []
    tuning = Tuning(steps=4, batch=2, crop=16)
    found = fine_tune(model, scenes, say=said.append, tuning=tuning)
    assert all(np.array_equal(a, b) for a, b in zip(weights(model), before, strict=True))
    assert not np.array_equal(found.model.trunk.get_weights()[0], model.trunk.get_weights()[0])
    assert type(found.model) is type(model)
    assert found.score is not None
    assert 0 <= found.score <= 1
    assert any("fine-tuning: 2/4 steps" in line and "left" in line for line in said)
    assert sum("fold 2 of 2" in line for line in said) == 3
    again = fine_tune(model, scenes, say=quiet, tuning=tuning, folds=1)
    assert again.score is None
    assert again.losses == found.losses
    pairs = zip(weights(found.model, found.head), weights(again.model, again.head), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)


def test_one_image_has_no_score() -> None:
    tuning = Tuning(steps=1, batch=1, crop=8)
    found = fine_tune(small_segmenter(), stripes(1), say=quiet, tuning=tuning)
    assert found.score is None
    assert "one image" in " ".join(found.notes)


def test_cross_entropy_is_of_labelled_pixels_alone() -> None:
    model = small_segmenter()
    head = LinearHead(3, model.trunk.features, 3, windows=(3,), pooled=3)
    rng = np.random.default_rng(0)
    head.set_linear(rng.normal(size=(head.inputs, 3)), rng.normal(size=3))
    x = noise(1, 10, 12, 3)
    shares = np.zeros((1, 10, 12, 3), np.float32)
    shares[0, 4, 7, 1], shares[0, 0, 11, 2] = 1, 1
    m = model.mirror
    wide = mirrored(x, m)
    found = np.asarray(head(model.features(wide), wide, stride=2))[0, m:-m, m:-m]
    wanted = -(np.log(found[4, 7, 1]) + np.log(found[0, 11, 2])) / 2
    assert float(cross_entropy(model, head, x, shares, False)) == pytest.approx(wanted, rel=1e-4)
    assert float(cross_entropy(model, head, x, 0 * shares, False)) == 0


def test_crops_hold_a_label_at_its_place_scaled_down() -> None:
    image = (noise(40, 50, 3) * 255).astype(np.uint8)
    mask = np.full((40, 50), -1)
    mask[33, 7], mask[32, 6] = 2, 1
    empty = np.full((40, 50), -1)
    scenes = from_arrays([image, image], [empty, mask])
    crops = LabelCrops(scenes, 3, 8, downscale=2, photometry=STILL)
    batch = crops.batch(3, 5)
    small = (image / 255).reshape(20, 2, 25, 2, 3).mean((1, 3))
    for picture, shares in zip(batch.images, batch.shares, strict=True):
        ((row, column),) = np.argwhere(shares.sum(-1) > 0)
        assert shares[row, column].tolist() == [0, 0.5, 0.5]
        assert np.allclose(picture[row, column], small[16, 3], atol=1e-5)
    same = crops.batch(3, 5)
    assert np.array_equal(same.images, batch.images)
    assert not np.array_equal(crops.batch(4, 5).images, batch.images)


def test_crops_of_images_smaller_than_a_crop() -> None:
    scenes = from_arrays([noise(5, 9, 3)], [np.zeros((5, 9), np.int64)])
    batch = LabelCrops(scenes, 2, 16).batch(0, 1)
    assert batch.images.shape == (1, 16, 16, 3)
    assert batch.shares.sum() == 45


def test_crops_refuse_warps_and_unlabelled_scenes() -> None:
    with pytest.raises(InputError, match="flips"):
        LabelCrops(stripes(), 2, 8, geometry=Geometry(rotation=5))
    with pytest.raises(InputError, match="labelled"):
        LabelCrops(from_arrays([noise(9, 9, 3)]), 2, 8)


def test_a_copy_has_weights_of_its_own() -> None:
    model = small_segmenter()
    copy = copied(model)
    assert all(np.array_equal(a, b) for a, b in zip(weights(model), weights(copy), strict=True))
    copy.trunk.weights[0].assign(copy.trunk.weights[0] + 1)
    assert not np.array_equal(model.trunk.get_weights()[0], copy.trunk.get_weights()[0])
