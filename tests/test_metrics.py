"""Scores against values worked out by hand and against definitions in plain Python."""

from __future__ import annotations

import json
from itertools import combinations, permutations
from math import log

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE
from iic_tf.errors import InputError
from iic_tf.metrics import (
    adjusted_rand_index,
    apply_mapping,
    confusion_matrix,
    many_to_one,
    normalised_mutual_information,
    one_to_one,
    scores,
)


@st.composite
def _matrices(
    draw: st.DrawFn, most: int = 6, least: int = 1, square: bool = False, side: int = 4
) -> NDArray[np.int64]:
    """Confusion matrices with at least one count."""
    rows = draw(st.integers(least, side))
    columns = rows if square else draw(st.integers(1, side))
    flat = draw(st.lists(st.integers(0, most), min_size=rows * columns, max_size=rows * columns))
    matrix = np.array(flat, np.int64).reshape(rows, columns)
    if not matrix.any():
        matrix[0, 0] = 1
    return matrix


def _pixels(matrix: NDArray[np.int64]) -> tuple[list[int], list[int]]:
    """The labels that have this confusion matrix."""
    pairs = [at for at, count in np.ndenumerate(matrix) for _ in range(int(count))]
    return [c for c, _ in pairs], [k for _, k in pairs]


def _slow_nmi(truth: list[int], found: list[int]) -> float:
    n = len(truth)

    def p(labels: list[int], value: int) -> float:
        return labels.count(value) / n

    h = sum(-p(labels, v) * log(p(labels, v)) for labels in (truth, found) for v in set(labels))
    if len(set(truth)) == len(set(found)) == 1:
        return 1.0
    information = 0.0
    for c in set(truth):
        for k in set(found):
            both = sum(t == c and f == k for t, f in zip(truth, found, strict=True)) / n
            if both:
                information += both * log(both / (p(truth, c) * p(found, k)))
    return 2.0 * information / h


def _slow_ari(truth: list[int], found: list[int]) -> float:
    """By going through all pairs of pixels."""
    same_both = same_truth = same_found = pairs = 0
    for i, j in combinations(range(len(truth)), 2):
        together, joined = truth[i] == truth[j], found[i] == found[j]
        pairs += 1
        same_truth += together
        same_found += joined
        same_both += together and joined
    if not pairs:
        return 1.0
    chance = same_truth * same_found / pairs
    most = (same_truth + same_found) / 2
    return 1.0 if abs(most - chance) < 1e-12 else (same_both - chance) / (most - chance)


# Confusion matrix


def test_confusion_counts_by_hand_and_skips_ignored() -> None:
    truth = np.array([[0, 0, 1], [1, IGNORE, 1]], np.int8)
    predicted = np.array([[2, 2, 0], [1, 99, 0]], np.uint8)
    matrix = confusion_matrix(truth, predicted, 2, 3)
    assert matrix.dtype == np.int64
    assert matrix.tolist() == [[0, 0, 2], [2, 1, 0]]


def test_confusion_of_many_clusters_does_not_overflow_small_integers() -> None:
    truth, predicted = np.full((4, 4), 200, np.uint8), np.full((4, 4), 250, np.uint8)
    matrix = confusion_matrix(truth, predicted, 256, 256)
    assert matrix[200, 250] == matrix.sum() == 16


@pytest.mark.parametrize("shape", [(0,), (0, 7), ()])
def test_confusion_of_empty_and_scalar(shape: tuple[int, ...]) -> None:
    zeros = np.zeros(shape, np.int32)
    assert confusion_matrix(zeros, zeros, 2, 3).sum() == zeros.size


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
@settings(max_examples=30, deadline=None)
def test_confusion_is_additive_over_windows(seed: int, cut: int) -> None:
    rng = np.random.default_rng(seed)
    truth, predicted = rng.integers(-1, 3, (6, 5)), rng.integers(0, 4, (6, 5))
    whole = confusion_matrix(truth, predicted, 3, 4)
    parts = confusion_matrix(truth[:cut], predicted[:cut], 3, 4)
    parts += confusion_matrix(truth[cut:], predicted[cut:], 3, 4)
    assert np.array_equal(whole, parts)
    assert whole.sum() == (truth != IGNORE).sum()


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.array([2]), np.array([0]), "0 to 1, or -1, in truth; received 2 to 2"),
        (np.array([-2]), np.array([0]), "in truth; received -2"),
        (np.array([0]), np.array([3]), "0 to 2 in predicted; received 3"),
        (np.array([0]), np.array([-1]), "in predicted; received -1"),
        (np.array([0, 1]), np.array([0]), "one shape"),
        (np.array([0.0]), np.array([0]), "integers in truth"),
        (np.array([0]), np.array([True]), "integers in predicted"),
    ],
)
def test_confusion_refuses(
    truth: NDArray[np.integer], predicted: NDArray[np.integer], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        confusion_matrix(truth, predicted, 2, 3)


def test_confusion_refuses_no_classes() -> None:
    with pytest.raises(InputError, match="at least 1 class"):
        confusion_matrix(np.array([0]), np.array([0]), 0, 1)


# Assignment


def test_one_to_one_by_hand() -> None:
    # Greedy by cluster would give class 0 to both of the first clusters.
    matrix = np.array([[10, 9, 0], [8, 0, 1], [0, 0, 5]])
    assert one_to_one(matrix).tolist() == [1, 0, 2]


@given(_matrices(square=True))
@settings(max_examples=50, deadline=None)
def test_one_to_one_is_the_best_permutation(matrix: NDArray[np.int64]) -> None:
    mapping = one_to_one(matrix)
    k = len(matrix)
    assert sorted(mapping.tolist()) == list(range(k))
    best = max(sum(matrix[c, j] for j, c in enumerate(p)) for p in permutations(range(k)))
    assert apply_mapping(matrix, mapping, k).trace() == best


def test_one_to_one_refuses_other_numbers() -> None:
    with pytest.raises(InputError, match="received 3 clusters and 2 classes"):
        one_to_one(np.ones((2, 3), np.int64))


def test_many_to_one_by_hand() -> None:
    # Clusters: class 0, class 1, a tie (the first), empty (class 1 is the most frequent).
    matrix = np.array([[5, 1, 2, 0], [0, 9, 2, 0]])
    assert many_to_one(matrix).tolist() == [0, 1, 0, 1]


@given(_matrices(square=True))
@settings(max_examples=50, deadline=None)
def test_many_to_one_is_never_below_one_to_one(matrix: NDArray[np.int64]) -> None:
    k = len(matrix)
    many = apply_mapping(matrix, many_to_one(matrix), k).trace()
    assert many >= apply_mapping(matrix, one_to_one(matrix), k).trace()


def test_apply_mapping_adds_clusters_of_one_class() -> None:
    matrix = np.array([[5, 1, 2], [0, 9, 3]])
    assert apply_mapping(matrix, np.array([0, 1, 0]), 2).tolist() == [[7, 1], [3, 9]]


@pytest.mark.parametrize(
    ("mapping", "classes", "message"),
    [
        ([0, 2], 2, "class indices 0 to 1"),
        ([0, -1], 2, "class indices 0 to 1"),
        ([0], 2, "one class index for each of the 2 clusters"),
        ([0.0, 1.0], 2, "one class index"),
        ([0, 1], 3, "3 rows"),
    ],
)
def test_apply_mapping_refuses(mapping: list[int], classes: int, message: str) -> None:
    with pytest.raises(InputError, match=message):
        apply_mapping(np.eye(2, dtype=np.int64), np.array(mapping), classes)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.ones(3, np.int64), r"\[classes, clusters\]"),
        (np.ones((0, 3), np.int64), r"\[classes, clusters\]"),
        (np.ones((2, 2)), "integers"),
        (-np.ones((2, 2), np.int64), "0 or more"),
    ],
)
def test_matrices_are_checked(matrix: NDArray[np.integer], message: str) -> None:
    with pytest.raises(InputError, match=message):
        many_to_one(matrix)


# Scores


def test_scores_by_hand() -> None:
    # Mapped by swapping: [[3, 1], [2, 4]].
    result = scores(np.array([[1, 3], [4, 2]]), np.array([1, 0]), ["land", "sea"])
    assert result.accuracy == pytest.approx(7 / 10)
    assert result.mean_iou == pytest.approx((3 / 6 + 4 / 7) / 2)
    land, sea = result.per_class
    assert land == ("land", 0.4, 3 / 5, 3 / 4, 3 / 6)
    assert sea == ("sea", 0.6, 4 / 5, 4 / 6, 4 / 7)
    # S = C(1,2)+C(3,2)+C(4,2)+C(2,2) = 10, A = 6+15, B = 10+10, T = 45.
    assert result.ari == pytest.approx((10 - 21 * 20 / 45) / (20.5 - 21 * 20 / 45))
    p = np.array([[0.1, 0.3], [0.4, 0.2]])
    information = sum(
        p[c, k] * log(p[c, k] / (p[c].sum() * p[:, k].sum())) for c in (0, 1) for k in (0, 1)
    )
    entropies = -(0.4 * log(0.4) + 0.6 * log(0.6)) + log(2)
    assert result.nmi == pytest.approx(2 * information / entropies)


def test_mean_iou_leaves_out_absent_classes() -> None:
    matrix = np.array([[6, 0, 0], [0, 0, 2], [0, 0, 0]])
    result = scores(matrix, np.array([0, 1, 2]), ["a", "b", "c"])
    assert result.mean_iou == pytest.approx((1.0 + 0.0) / 2)
    assert result.per_class[1] == ("b", 0.25, None, 0.0, 0.0)
    # Absent but predicted: counts against the precision, not in the mean.
    assert result.per_class[2] == ("c", 0.0, 0.0, None, 0.0)


def test_class_neither_present_nor_predicted_is_undefined() -> None:
    result = scores(np.array([[3, 0], [0, 0]]), np.array([0, 1]), ["a", "b"])
    assert result.per_class[1] == ("b", 0.0, None, None, None)
    assert result.accuracy == result.mean_iou == result.nmi == result.ari == 1.0


def test_single_cluster_and_single_class() -> None:
    one_cluster = scores(np.array([[3], [1]]), np.array([0]), ["a", "b"])
    assert one_cluster.accuracy == 0.75
    assert (one_cluster.nmi, one_cluster.ari) == (0.0, 0.0)
    one_class = scores(np.array([[3, 1]]), np.array([0, 0]), ["a"])
    assert one_class.accuracy == one_class.mean_iou == 1.0
    assert (one_class.nmi, one_class.ari) == (0.0, 0.0)
    one_pixel = scores(np.array([[1]]), np.array([0]), ["a"])
    assert (one_pixel.nmi, one_pixel.ari) == (1.0, 1.0)


def test_nothing_labelled() -> None:
    empty = np.zeros((2, 2), np.int64)
    for call in (adjusted_rand_index, normalised_mutual_information):
        with pytest.raises(InputError, match="no labelled pixels"):
            call(empty)
    with pytest.raises(InputError, match="no labelled pixels"):
        scores(empty, np.array([0, 1]), ["a", "b"])


def test_names_are_counted() -> None:
    with pytest.raises(InputError, match="each of the 2 classes; received 1"):
        scores(np.eye(2, dtype=np.int64), np.array([0, 1]), ["a"])


def test_json_holds_plain_values() -> None:
    result = scores(np.array([[3, 1], [0, 0]]), np.array([0, 1]), ["a", "b"]).to_json()
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert result["per_class"][0]["name"] == "a"
    assert set(result) == {"accuracy", "mean_iou", "nmi", "ari", "per_class"}


@given(_matrices())
@settings(max_examples=80, deadline=None)
def test_nmi_and_ari_follow_their_definitions(matrix: NDArray[np.int64]) -> None:
    truth, found = _pixels(matrix)
    assert normalised_mutual_information(matrix) == pytest.approx(
        _slow_nmi(truth, found), abs=1e-12
    )
    assert adjusted_rand_index(matrix) == pytest.approx(_slow_ari(truth, found), abs=1e-12)


@given(_matrices(most=10**9, square=True), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_names_of_clusters_do_not_matter(matrix: NDArray[np.int64], random: object) -> None:
    k = len(matrix)
    order = np.random.default_rng(random.randrange(2**32)).permutation(k)  # type: ignore[attr-defined]
    names = [str(c) for c in range(k)]
    plain = scores(matrix, one_to_one(matrix), names)
    moved = scores(matrix[:, order], one_to_one(matrix[:, order]), names)
    assert moved.accuracy == pytest.approx(plain.accuracy)
    assert moved.nmi == pytest.approx(plain.nmi, abs=1e-12)
    assert moved.ari == pytest.approx(plain.ari, abs=1e-12)


@given(_matrices(most=10**12))
@settings(max_examples=60, deadline=None)
def test_scores_keep_their_bounds(matrix: NDArray[np.int64]) -> None:
    result = scores(matrix, many_to_one(matrix), [str(c) for c in range(len(matrix))])
    for value in (result.accuracy, result.mean_iou, result.nmi):
        assert 0.0 <= value <= 1.0
    assert -0.5 <= result.ari <= 1.0
    assert sum(line.share for line in result.per_class) == pytest.approx(1.0)


@given(st.permutations(range(5)))
@settings(max_examples=20, deadline=None)
def test_perfect_clusters_score_one(order: list[int]) -> None:
    matrix = np.diag([1, 2, 3, 4, 5])[:, order]
    result = scores(matrix, one_to_one(matrix), list("abcde"))
    assert result.accuracy == result.mean_iou == result.ari == 1.0
    assert result.nmi == pytest.approx(1.0)


def test_scores_of_billions_of_pixels() -> None:
    small = np.array([[30, 10], [5, 55]])
    large = small * 10**11
    few, many = scores(small, np.array([0, 1]), "ab"), scores(large, np.array([0, 1]), "ab")
    assert many.accuracy == few.accuracy
    assert many.nmi == pytest.approx(few.nmi)
    # The limit of many pixels, from shares in place of pairs.
    p = small / 100
    s, a, b = (p**2).sum(), (p.sum(1) ** 2).sum(), (p.sum(0) ** 2).sum()
    assert many.ari == pytest.approx((s - a * b) / ((a + b) / 2 - a * b))
