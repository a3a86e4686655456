"""classes.yaml: what is written is read again, and mistakes are named."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from tiny_run import make_run

from iic_tf.errors import DataMissingError, InputError
from iic_tf.metrics.cluster_tree import ClusterTree
from iic_tf.training.meaning import Meaning, NamedClass, model_mark, read_meaning
from iic_tf.training.naming import completed, expected_accuracy, map_clusters, meaning_of

TWO = (
    NamedClass("road: \"old\" # é, 'yes'", 3, (1, 2, 255), (0, 2)),
    NamedClass("no", 0, (0, 0, 0), ()),
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    meaning = Meaning("overclustering", TWO, (2,), "00112233e445")
    meaning.write(tmp_path / "classes.yaml")
    assert read_meaning(tmp_path / "classes.yaml") == meaning
    assert meaning.class_of(4).tolist() == [0, -1, 0, -1]
    assert meaning.numbers.tolist() == [3, 0]


def test_what_is_left_out_is_chosen(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("classes:\n  a: {clusters: [1]}\n  b: {clusters: [0, 3]}\n")
    meaning = read_meaning(tmp_path / "c.yaml")
    assert (meaning.head, meaning.model, meaning.guessed) == ("overclustering", None, ())
    assert meaning.numbers.tolist() == [0, 1]
    assert meaning.colours.tolist() == [[0, 114, 178], [230, 159, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("classes: {a: {clusters: [0]}}", "at least 2 classes"),
        ("classes: {a: {clusters: [0]}, a: {clusters: [1]}}", "comes twice"),
        ("classes: {a: {clusters: [0]}, b: {clusters: [0]}}", "each cluster in one class"),
        ("classes: {a: {number: 1}, b: {clusters: [0]}}", "each number in one class"),
        ("classes: {a: {number: 255}, b: {}}", "0 to 254"),
        ("classes: {a: {number: 1.5}, b: {}}", "a whole number of class 'a'"),
        ("classes: {a: {show: red}, b: {}}", "a colour"),
        ("classes: {a: {clusters: 3}, b: {}}", "in square brackets"),
        ("classes: {a: {cluster: [3]}, b: {}}", "clusters, number, show"),
        ("classes: {a: [3], b: {}}", "a mapping"),
        ("head: third\nclasses: {a: {}, b: {}}", "head as one of"),
        ("colour: 3", "the keys"),
        ("- a", "a mapping"),
        ("classes: {no: {}, b: {}}", "names as text"),
        ("classes: {", "Expected YAML"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_meaning(tmp_path / "c.yaml")
    assert str(tmp_path / "c.yaml") in str(caught.value)


def test_a_missing_file_and_clusters_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match="a file of named classes"):
        read_meaning(tmp_path / "c.yaml")
    with pytest.raises(InputError, match=r"clusters 0 to 1 of the main head; received 2 in class"):
        Meaning("main", TWO).class_of(2)


def test_the_mark_is_the_models(tmp_path: Path) -> None:
    one, other = make_run(tmp_path / "1"), make_run(tmp_path / "2", seed=1)
    assert model_mark(one) == model_mark(one) != model_mark(other)
    assert re.fullmatch("[0-9a-f]{12}", model_mark(one))


def tree() -> ClusterTree:
    # ((0, 3), (1, 2)), 4 last.
    merges = np.array([[0, 3], [1, 2], [5, 6], [4, 7]])
    return ClusterTree(merges, np.arange(1.0, 5), np.array([0.3, 0.3, 0.2, 0.1, 0.1]))


def test_clusters_take_the_class_of_most_labels_or_of_the_nearest() -> None:
    counts = np.array([[5, 0, 2, 0, 0], [1, 0, 3, 0, 0], [0, 9, 0, 0, 0]])
    mapping = map_clusters(counts, tree())
    assert mapping.class_of.tolist() == [0, 2, 1, 0, 2]
    assert mapping.guessed == (3, 4)
    meaning = meaning_of("main", mapping, ["a", "b", "c"], np.eye(3, dtype=np.uint8), "x")
    assert [c.clusters for c in meaning.classes] == [(0, 3), (2,), (1, 4)]
    with pytest.raises(InputError, match="received none"):
        map_clusters(np.zeros_like(counts), tree())


def test_the_expected_score_is_of_folds_that_gave_no_labels() -> None:
    one = np.array([[4, 0, 0, 0, 0], [0, 6, 0, 0, 0]])
    other = np.array([[3, 2, 0, 0, 0], [0, 1, 0, 0, 4]])
    # By the other fold cluster 1 is class 0; by the first one cluster 4 is unknown, and class 1.
    assert expected_accuracy([one, other], tree()) == pytest.approx((4 + 0 + 3 + 1 + 4) / 20)
    assert expected_accuracy([one], tree()) is None


def test_names_by_hand_are_completed_by_the_tree() -> None:
    classes = (NamedClass("a", 0, (0, 0, 0), (0,)), NamedClass("b", 1, (9, 9, 9), (1,)))
    whole = completed(Meaning("main", classes), tree())
    assert [c.clusters for c in whole.classes] == [(0, 3, 4), (1, 2)]
    assert whole.guessed == (2, 3, 4)
    assert completed(whole, tree()) == whole
