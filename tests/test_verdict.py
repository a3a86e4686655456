"""Words for the figures of an evaluation."""

import pytest

from iic_tf.training.verdict import verdict


def result(accuracy, kmeans, statistics=None, share=0.5, over=None):
    rows = {"kmeans": {"accuracy": kmeans}, "untrained": {"accuracy": 0.99}}
    if statistics is not None:
        rows["kmeans_statistics"] = {"accuracy": statistics}
    found = {
        "accuracy": accuracy,
        "baselines": rows,
        "largest_class": {"name": "ground", "share": share},
    }
    if over is not None:
        own, other = over
        found["overclustering"] = {"accuracy": own}
        rows["kmeans"]["overclustering"] = {"accuracy": other}
    return found


@pytest.mark.parametrize(
    ("accuracy", "told"),
    [
        (0.40, "less than calling everything ground (.500), and 20.0 points below"),
        (0.502, "no more than calling everything ground (.500), and 9.8 points below"),
        (0.55, ": 5.0 points below k-means on local statistics (.600)"),
        (0.598, ": level with k-means on local statistics (.600)"),
        (0.62, ": hardly above k-means on local statistics (.600)"),
        (0.70, ": 10.0 points above k-means on local statistics (.600)"),
    ],
)
def test_the_best_baseline_and_the_largest_class_are_named(accuracy, told):
    (line,) = verdict(result(accuracy, 0.3, 0.6))
    assert line.startswith(f"the main head gets {accuracy:.3f}".replace("0.", "."))
    assert told in line
    assert line.endswith("the best of 2 baselines by k-means")


def test_the_untrained_network_is_no_baseline_to_beat():
    (line,) = verdict(result(0.9, 0.3))
    assert line == "the main head gets .900: 60.0 points above k-means on pixels (.300)"


def test_overclusters_are_told_beside_as_many():
    lines = verdict(result(0.9, 0.3, over=(0.8, 0.79)))
    assert lines[1] == "overclusters get .800: hardly above k-means on pixels (.790)"


def test_a_whole_right_answer_and_no_baselines():
    found = result(1.0, 0.3)
    found["baselines"] = {}
    assert verdict(found) == ["the main head gets 1.000: more than calling everything ground"]
