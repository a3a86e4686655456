"""What labels make of features, of colours and of statistics."""

import numpy as np
import pytest

from iic_tf.models.linear_head import LinearHead
from iic_tf.training.labelled_points import LabelledPoints
from iic_tf.training.probe import columns_of, linear_rows, probe_table

IMAGES, EACH = 12, 60


def points(signal: float, seed: int = 0) -> LabelledPoints:
    """Two classes; of three inputs the first tells them apart, the last says which image it is."""
    rng = np.random.default_rng(seed)
    images = np.repeat(np.arange(IMAGES), EACH)
    classes = rng.integers(0, 2, len(images))
    inputs = rng.normal(size=(len(images), 3)).astype(np.float32)
    inputs[:, 0] += signal * (2 * classes - 1)
    inputs[:, 2] = images
    return LabelledPoints(inputs, classes, images)


def test_what_tells_classes_apart_scores_what_it_may_and_noise_what_chance_does():
    given = points(signal=1.0)
    columns = {"features": (given.inputs[:, :1], 1.0), "colours": (given.inputs[:, 1:2], 1.0)}
    rows = linear_rows(given, columns, 2, seed=0)
    # Two normal distributions two deviations apart: the best there is gets Φ(1) = .841.
    assert rows["features"]["all"] == pytest.approx(0.841, abs=0.03)
    assert rows["features"]["points_50"] == pytest.approx(0.841, abs=0.05)
    assert rows["features"]["images_5"] == pytest.approx(0.841, abs=0.04)
    assert rows["colours"]["all"] == pytest.approx(0.5, abs=0.06)


def test_no_point_is_scored_by_labels_of_its_own_image():
    # Classes by image: known to whoever saw the image, and to nobody else.
    rng = np.random.default_rng(1)
    images = np.repeat(np.arange(IMAGES), EACH)
    classes = rng.permutation(np.arange(IMAGES) % 2)[images]
    inputs = np.eye(IMAGES, dtype=np.float32)[images]
    given = LabelledPoints(inputs, classes, images)
    rows = linear_rows(given, {"features": (inputs, 1.0)}, 2, seed=0)
    assert rows["features"]["all"] < 0.75


def test_the_same_seed_gives_the_same_figures():
    given = points(signal=0.5)
    columns = {"features": (given.inputs, 1.0)}
    assert linear_rows(given, columns, 2, 3) == linear_rows(given, columns, 2, 3)


def test_columns_are_those_of_the_heads_inputs():
    head = LinearHead(2, features=3, channels=2, windows=(3,), pooled=5)
    # 3 features, 3 means of them, then 2 bands, their means, their deviations.
    assert head.inputs == 12
    row = np.arange(12, dtype=np.float32)
    rows = columns_of(LabelledPoints(row[None], np.zeros(1, np.int64), np.zeros(1, np.int64)), head)
    np.testing.assert_array_equal(rows["features"][0][0], row[:3])
    np.testing.assert_array_equal(rows["colours"][0][0], [6, 7, 36, 42, 49])
    statistics = rows["statistics"][0][0]
    np.testing.assert_array_equal(statistics, [*row[6:], *np.square(row[6:])])
    np.testing.assert_array_equal(rows["together"][0][0], [*row[:3], *statistics])


def test_whole_images_have_features_alone():
    head = LinearHead(2, features=3)
    given = LabelledPoints(np.ones((2, 3), np.float32), np.arange(2), np.arange(2))
    assert list(columns_of(given, head)) == ["features"]


def test_the_table_has_a_line_for_each_row():
    row = {"all": 0.9, "images_5": 0.8, "points_50": 0.7}
    found = {
        "linear": {"features": row},
        "clusters": {"colours": {"5": 0.6, "16": 0.65}},
        "largest_class": 0.5,
        "points": 100,
        "images": 4,
    }
    lines = probe_table(found)
    assert lines[1].split() == ["the", "trunk's", "features", "0.700", "0.800", "0.900"]
    assert lines[3].split()[-2:] == ["0.600", "0.650"]
    assert lines[4].split() == ["largest", "class", "0.500"]
    assert lines[5].startswith("of 100 labelled pixels of 4 images")
