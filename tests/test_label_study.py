"""The study of labels: parts, counts with few labels, and a whole tiny study."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from iic_tf.cli import main
from iic_tf.data.image_set import ImageSet
from iic_tf.errors import InputError
from iic_tf.pictures.label_curves import Panel, Series, label_curves
from iic_tf.training.run import Run
from iic_tf.training.studies.label_counts import LabelCounts
from iic_tf.training.studies.labels import LabelStudy, part_of
from iic_tf.training.studies.parts import ImageParts, Parting
from iic_tf.training.tasks.clustering import ClusteringTask
from iic_tf.training.tasks.segmentation import SegmentationTask

VIEW = "{crops: [16], size: 16}"
SMALL = ["--recipe", "images", "--classes", "2", "--epochs", "1", "--steps", "2", "--batch", "6"]
SMALL += ["--width", "0.05", "--set", "network=B", "--set", "sub_heads=2", "--set", "side=16"]
SMALL += ["--set", f"x={VIEW}", "--set", f"gx={VIEW}", "--set", "inputs=bands"]
SMALL += ["--overclusters", "8", "--clusters", "1,.5", "--labels", "1,.25", "--draws", "3"]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Twenty dark and bright images in two folders."""
    rng = np.random.default_rng(0)
    for name, low in (("dark", 0), ("bright", 120)):
        (tmp_path / "images" / name).mkdir(parents=True)
        for i in range(10):
            values = low + rng.integers(0, 130, (16, 16, 3))
            Image.fromarray(values.astype(np.uint8)).save(tmp_path / "images" / name / f"{i}.png")
    return tmp_path / "images"


@pytest.fixture(autouse=True)
def _no_pictures_of_runs(monkeypatch) -> None:
    for task in (ClusteringTask, SegmentationTask):
        monkeypatch.setattr(task, "draw_results", lambda self, run: [])
        monkeypatch.setattr(task, "callbacks", lambda self, run, seed: [])


def study(images: Path, out: Path, *more: str) -> int:
    command = ["study", "labels", "--dataset", "images", "--data", str(images), "--out", str(out)]
    return main([*command, *SMALL, *more])


def counts() -> LabelCounts:
    """Three labelled images: the first two of clusters 0 and 1, the third of cluster 2."""
    rows = [[0, 0, 0, 5], [0, 1, 1, 2], [1, 1, 0, 6], [2, 0, 2, 4]]
    test = [[3, 1, 2], [4, 6, 1]]
    return LabelCounts(np.asarray(rows), 3, np.asarray(test), 1.5)


def test_few_labels_by_hand() -> None:
    known = counts()
    assert known.matrix(np.array([0, 1])).tolist() == [[5, 0, 0], [6, 2, 0]]
    # All: [[5, 0, 4], [6, 2, 0]], clusters are 1, 1, 0.
    assert known.accuracy(np.array([0, 1, 2])) == pytest.approx((4 + 6 + 2) / 17)
    # The first alone: [[5, 0, 0], [0, 2, 0]]: cluster 2 is unseen, 0 is commonest.
    assert known.accuracy(np.array([0])) == pytest.approx((3 + 6 + 2) / 17)
    assert known.accuracies(3, 5, seed=0) == [pytest.approx(12 / 17)]
    assert len(known.accuracies(2, 5, seed=0)) == 5
    assert set(known.accuracies(1, 40, 0)) == {known.accuracy(np.array([i])) for i in range(3)}


def test_counts_are_kept(tmp_path: Path) -> None:
    assert LabelCounts.load(tmp_path / "found.npz") is None
    counts().save(tmp_path / "found.npz")
    again = LabelCounts.load(tmp_path / "found.npz")
    assert again is not None
    np.testing.assert_array_equal(again.rows, counts().rows)
    np.testing.assert_array_equal(again.test, counts().test)
    assert (again.images, again.seconds) == (3, 1.5)
    (tmp_path / "found.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(InputError, match="Delete it"):
        LabelCounts.load(tmp_path / "found.npz")


def test_numbers_of_clusters_are_the_published_ones() -> None:
    assert LabelStudy().clusters(140) == [140, 70, 35, 18]
    assert LabelStudy().clusters(100) == [100, 50, 25, 13]
    assert LabelStudy().clusters(1000) == [1000, 500, 250, 125]
    assert LabelStudy().clusters(4) == [4, 2]
    assert part_of(50000, 0.01) == 500


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"label_shares": (0.0,)}, "shares above 0, up to 1"),
        ({"cluster_shares": (1.5,)}, "shares above 0, up to 1"),
        ({"draws": 0}, "at least 1 draw"),
        ({"test_share": 1.0}, "between 0 and 1"),
        ({"images": 1}, "at least 2 images"),
    ],
)
def test_unfit_values(wrong: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LabelStudy(**wrong)


class _Task:
    def __init__(self, test: int):
        values = np.arange(12, dtype=np.uint8)[:, None, None, None]
        labels = np.arange(12, dtype=np.int32) % 2
        labels[0] = -1
        self.images = ImageSet("made up", values, labels, ("a", "b"), test=test)


@pytest.mark.parametrize("test", [0, 4])
def test_no_image_is_in_both_parts(test: int) -> None:
    task = _Task(test)
    parts = ImageParts(task, Parting(share=0.3))  # type: ignore[arg-type]
    train, held = task.images.images.ravel().tolist(), parts.test.images.ravel().tolist()
    assert sorted([*train, *held]) == list(range(12))
    # A tenth of eleven labelled, or the publisher's; the image without label is trained on.
    assert (held == [8, 9, 10, 11]) if test else (len(held) == 3)
    assert 0 in train
    assert 0 not in parts.known.images.ravel()
    assert parts.sizes == {"train": len(train), "labelled": len(train) - 1, "test": len(held)}
    few = ImageParts(_Task(test), Parting(share=0.3, images=5))  # type: ignore[arg-type]
    assert few.sizes["train"] == 5
    assert set(few.test.images.ravel()) == set(held)


def test_a_whole_study_goes_on_where_it_was_stopped(images: Path, tmp_path: Path, capsys) -> None:
    out = tmp_path / "study"
    assert study(images, out) == 0
    shown = capsys.readouterr().out
    assert "trained and mapped on 16 images; 4 others, a drawn part" in shown
    assert "run 2 of 2, 4 clusters; about 0:" in shown
    first = {name: (out / name).read_bytes() for name in ("tables.md", "figure6.png")}
    result = json.loads((out / "study.json").read_text())
    assert [run["clusters"] for run in result["runs"]] == [8, 4]
    assert [row["images"] for row in result["runs"][0]["labels"]] == [16, 4]
    assert [len(row["accuracies"]) for row in result["runs"][1]["labels"]] == [1, 3]
    assert Run(out / "k4").config()["images"] == 16
    assert list(Run(out / "k4").load_best().heads) == ["main"]
    assert "| 100 | 8 | **" in first["tables.md"].decode()
    # The first is whole, the second was stopped before it was looked at.
    (out / "k4" / "found.npz").unlink()
    (out / "study.json").unlink()
    assert study(images, out) == 0
    shown = capsys.readouterr().out
    assert "8 clusters: accuracy" in shown
    assert "was there" in shown
    assert "k=4: resumed behind epoch 1 of 1" in shown
    assert {name: (out / name).read_bytes() for name in first} == first
    again = json.loads((out / "study.json").read_text())
    for one in (result, again):
        for run in one["runs"]:
            del run["seconds"]
    assert again == result
    # Other values are no part of the same study.
    assert study(images, out, "--rate", "0.5") == 2
    assert "Expected the values that" in capsys.readouterr().err
    assert study(images, out, "--test-share", "0.5") == 2
    assert "Expected the data that" in capsys.readouterr().err


def test_scenes_are_held_out_whole(tmp_path: Path, capsys) -> None:
    rng = np.random.default_rng(0)
    for part in ("images", "masks"):
        (tmp_path / part).mkdir()
    for i in range(6):
        mask = (np.arange(24) > 8)[None].repeat(24, 0)
        image = mask[..., None] * 90 + rng.integers(0, 90, (24, 24, 3))
        Image.fromarray(image.astype(np.uint8)).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask.astype(np.uint8)).save(tmp_path / "masks" / f"{i}.png")
    more = ["--data", str(tmp_path / "images"), "--masks", str(tmp_path / "masks")]
    more += ["--recipe", "folder-star", "--classes", "2", "--overclusters", "6", "--crop", "16"]
    more += ["--downscale", "1", "--width", "0.05", "--epochs", "1", "--steps", "1", "--batch", "2"]
    more += ["--set", "radius=1", "--set", "evaluation_steps=1", "--clusters", "1"]
    out = tmp_path / "study"
    assert main(["study", "labels", "--out", str(out), "--test-share", "0.34", *more]) == 0
    result = json.loads((out / "study.json").read_text())
    assert (result["parts"]["train"], result["parts"]["test"]) == (4, 2)
    assert result["unit"] == "pixels"
    found = LabelCounts.load(out / "k6" / "found.npz")
    assert found is not None
    assert (found.images, found.test.sum()) == (4, 2 * 24 * 24)
    for image in range(4):
        assert found.rows[found.rows[:, 0] == image, 3].sum() == 24 * 24
    assert result["largest_class"]["share"] == pytest.approx(15 / 24)


def test_other_methods_have_no_clusters_to_map(tmp_path: Path, capsys) -> None:
    given = ["--data", str(tmp_path), "--recipe", "infoseg-folder", "--out", str(tmp_path / "out")]
    assert main(["study", "labels", *given]) == 2
    assert "a recipe of method iic" in capsys.readouterr().err
    assert main(["study", "labels", *given, "--labels", "1,half"]) == 2
    assert "shares as 1,0.5,0.25; received --labels='1,half'" in capsys.readouterr().err
    assert main(["study", "colours", *given]) == 2
    assert "one of labels as STUDY; received colours" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_lines_are_divided_by_their_largest_value() -> None:
    assert Series("a", (0.1, 1.0), (30.0, 60.0)).normalised == [0.5, 1.0]
    assert Series("none", (1.0,), (0.0,)).normalised == [0.0]
    picture = label_curves(Panel("share", (Series("a", (0.1, 1.0), (30.0, 60.0)),)))
    assert picture.mode == "RGB"
    with pytest.raises(InputError, match="an accuracy for each of 2 shares"):
        label_curves(Panel("share", (Series("a", (0.1, 1.0), (1.0,)),)))
