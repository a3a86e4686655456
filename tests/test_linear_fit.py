from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.metrics import many_to_one
from iic_tf.models.linear_head import LinearHead, linear_inputs
from iic_tf.training.labelled_points import LabelledPoints, even_shares, labelled_points
from iic_tf.training.linear_fit import fit_linear, image_folds, logistic_map, mapping_score
from tests.made_up import noise, small_segmenter


def softmax(logits: Any) -> Any:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def toy(images: int = 6, each: int = 30, classes: int = 3, seed: int = 0) -> LabelledPoints:
    """Points of whole images, 4 inputs: classes apart in the first two, noise in the others."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, images * each)
    inputs = rng.normal(size=(len(labels), 4))
    inputs[:, 0] += 8 * (labels == 1)
    inputs[:, 1] += 8 * (labels == 2)
    return LabelledPoints(
        (inputs * [1, 5, 1, 1] + 3).astype(np.float32), labels, np.repeat(np.arange(images), each)
    )


@pytest.mark.parametrize("classes", [2, 3])
def test_the_folded_map_is_scikit_learns(classes: int) -> None:
    points = toy(classes=classes)
    kernel, bias = logistic_map(points.inputs, points.classes, classes, 0.1)
    values = points.inputs.astype(np.float64)
    even = (values - values.mean(0)) / values.std(0)
    wanted = LogisticRegression(C=0.1, max_iter=150, tol=1e-3).fit(even, points.classes)
    assert np.allclose(softmax(values @ kernel + bias), wanted.predict_proba(even), atol=1e-6)


def test_a_class_without_a_point_is_never_found() -> None:
    points = toy()
    kernel, bias = logistic_map(points.inputs, points.classes * 2, 6, 1.0)
    found = softmax(points.inputs @ kernel + bias)
    assert (found[:, [1, 3, 5]] == 0).all()
    assert ((found.argmax(-1) == points.classes * 2).mean()) > 0.95


def test_a_single_class_and_inputs_that_are_all_the_same() -> None:
    kernel, bias = logistic_map(np.ones((5, 3)), np.full(5, 2), 4, 1.0)
    assert softmax(np.zeros((1, 3)) @ kernel + bias).tolist() == [[0, 0, 1, 0]]
    points = toy()
    points.inputs[:, 3] = 0.25
    kernel, _ = logistic_map(points.inputs, points.classes, 3, 1.0)
    assert (kernel[3] == 0).all()


def test_fit_recovers_what_is_separable() -> None:
    points, head = toy(), LinearHead(3, 4)
    fit = fit_linear(points, head)
    assert fit.score is not None
    assert fit.score > 0.97
    found = np.asarray(fit.onto(head)(points.inputs)).argmax(-1)
    assert (found == points.classes).mean() > 0.97
    assert fit.notes == ()
    again = fit_linear(points, head)
    assert np.array_equal(again.kernel, fit.kernel)


def test_the_score_is_of_images_that_were_held_out() -> None:
    # Each image tells its own class by an input of its own: known images alone are known.
    images = np.repeat(np.arange(4), 20)
    points = LabelledPoints(np.eye(4, dtype=np.float32)[images], images % 2, images)
    fit = fit_linear(points, LinearHead(2, 4))
    assert fit.score is not None
    assert fit.score < 0.6
    assert ((points.inputs @ fit.kernel + fit.bias).argmax(-1) == points.classes).all()


def test_one_image_is_enough_but_tells_nothing_of_others() -> None:
    fit = fit_linear(toy(images=1, each=50), LinearHead(4, 4))
    assert fit.score is None
    assert "one image" in " ".join(fit.notes)
    assert "no label of class 3" in " ".join(fit.notes)


def test_a_class_of_one_image_alone() -> None:
    points = toy(classes=2)
    points.classes[points.images == 3] = 2
    fit = fit_linear(points, LinearHead(3, 4))
    assert fit.score is not None
    assert 0.7 < fit.score <= 5 / 6


def test_folds_are_of_whole_images() -> None:
    images = np.asarray([4, 4, 7, 9, 9, 9, 2])
    folds = image_folds(images, 3)
    assert len(folds) == 3
    assert np.sum(folds, axis=0).tolist() == [1] * 7
    for image in np.unique(images):
        assert sum(fold[images == image].any() for fold in folds) == 1
    assert len(image_folds(images, 10)) == 4


def test_the_mapping_is_scored_on_held_out_images() -> None:
    counts = np.random.default_rng(0).integers(0, 50, (5, 3, 7))
    right = 0
    for image in range(5):
        others = counts[[i for i in range(5) if i != image]].sum(0)
        right += sum(counts[image, c, k] for k, c in enumerate(many_to_one(others)))
    assert mapping_score(counts) == pytest.approx(right / counts.sum())
    empty = np.zeros((2, 3, 7), np.int64)
    assert mapping_score(np.concatenate([counts, empty])) == mapping_score(counts)
    assert mapping_score(np.concatenate([counts[:1], empty])) is None


def test_shares_are_even_as_far_as_there_is_enough() -> None:
    assert even_shares([100, 2, 50, 0], 40) == [19, 2, 19, 0]
    assert even_shares([1, 2, 3], 40) == [1, 2, 3]


def test_points_hold_what_the_head_sees_there() -> None:
    model = small_segmenter()
    head = LinearHead(3, model.trunk.features, 3, windows=(3,), pooled=3)
    image = (noise(30, 41, 3) * 255).astype(np.uint8)
    mask = np.full((30, 41), -1)
    mask[3, 5], mask[29, 40] = 1, 2
    empty = np.full((30, 41), -1)
    scenes = from_arrays([image, image], [empty, mask])
    points = labelled_points(model, head, scenes, downscale=2)
    seen = np.pad(image / 255, ((0, 0), (0, 1), (0, 0)), mode="edge")
    small = seen.reshape(15, 2, 21, 2, 3).mean((1, 3)).astype(np.float32)
    wanted = np.asarray(linear_inputs(model, head, small[None]))[0]
    order = points.classes.argsort()
    assert points.classes[order].tolist() == [1, 2]
    assert points.images.tolist() == [1, 1]
    assert np.allclose(points.inputs[order], [wanted[1, 2], wanted[14, 20]], atol=1e-5)


def test_labels_without_data_are_left_out_and_counted() -> None:
    model = small_segmenter()
    head = LinearHead(2, model.trunk.features, 3)
    image = noise(12, 12, 3)
    mask, valid = np.zeros((12, 12), np.int64), np.ones((12, 12), bool)
    valid[:3] = False
    points = labelled_points(model, head, from_arrays([image], [mask], valid=[valid]))
    assert len(points) == 108
    assert points.notes == ("36 labelled pixels hold no data and were left out",)
    with pytest.raises(InputError, match="labelled pixels"):
        labelled_points(model, head, from_arrays([image], [mask - 1]))


def test_a_large_scene_is_read_in_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_segmenter()
    head = LinearHead(2, model.trunk.features, 3, windows=(3,), pooled=3)
    scenes = from_arrays([noise(100, 90, 3)], [np.zeros((100, 90), np.int64)])
    whole = labelled_points(model, head, scenes, most=200)
    monkeypatch.setattr("iic_tf.training.labelled_points.CORE", 32)
    parts = labelled_points(model, head, scenes, most=200)
    assert len(whole) == len(parts) == 200
    same = [np.asarray(p.inputs)[np.lexsort(p.inputs.T.round(3))] for p in (whole, parts)]
    assert np.allclose(same[0].sum(0), same[1].sum(0), rtol=1e-4)


def test_refuses_other_inputs_and_classes() -> None:
    with pytest.raises(InputError, match="inputs"):
        fit_linear(toy(), LinearHead(3, 5))
    with pytest.raises(InputError, match="classes"):
        fit_linear(toy(), LinearHead(2, 4))
