"""iic-tf label on a run that has names: they stay; and what it refuses before it reads anything."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image
from tiny_run import make_clustering_run, make_run

from iic_tf.cli import main
from iic_tf.data.image_set import ImageSet
from iic_tf.data.labelled_images import image_names
from iic_tf.errors import InputError
from iic_tf.training.answer import answer_of
from iic_tf.training.meaning import Meaning, NamedClass, read_meaning
from iic_tf.training.run import Run

MINE = (
    "classes:\n  night: {number: 7, show: '#000001', clusters: [0, 1, 2]}\n"
    "  day: {number: 2, show: '#fffffe', clusters: [3]}\n"
)


@pytest.fixture(scope="module")
def shared_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("again")
    rng = np.random.default_rng(0)
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for i in range(3):
        mask = rng.integers(0, 2, (4, 4)).repeat(10, 0).repeat(10, 1)
        image = mask[..., None] * 180 + rng.integers(0, 60, (40, 40, 3))
        Image.fromarray(image.astype(np.uint8)).save(folder / f"images/{i}.png")
        Image.fromarray(mask.astype(np.uint8)).save(folder / f"masks/{i}.png")
    run = make_run(folder, overclusters=4, classes=2, crop=32, batch=4, evaluation_steps=2)
    config = run.config()
    places = {"data": str(folder / "images"), "masks": str(folder / "masks")}
    config["source"] = {"dataset": "folder", **places}
    run.config_file.write_text(json.dumps(config))
    run.metrics_file.write_text(
        "epoch,best,main_loss,main_loss_0,overclustering_loss_0\n1,1,-1,-1,-1\n"
    )
    return run


@pytest.fixture
def run(shared_run: Run) -> Run:
    for file in (shared_run.classes_file, shared_run.naming_file, shared_run.tree_file):
        file.unlink(missing_ok=True)
    return shared_run


def test_names_given_by_hand_stay_until_labels_are_asked_for(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # The data have masks, which must not take the place of what a person said.
    (tmp_path / "mine.yaml").write_text(MINE)
    assert main(["label", str(run.folder), "--names", str(tmp_path / "mine.yaml")]) == 0
    named = run.classes_file.read_bytes()
    for more in ([], ["--suggest", "2"], ["--page"]):
        capsys.readouterr()
        assert main(["label", str(run.folder), *more]) == 0
        assert run.classes_file.read_bytes() == named
        assert "named already" in capsys.readouterr().out
    assert "night" in (run.folder / "label.html").read_text()
    assert main(["label", str(run.folder), "--head", "mapping"]) == 0
    assert set(read_meaning(run.classes_file).names) == {"class 0", "class 1"}


def test_suggestions_go_by_the_labels_that_named_the_clusters(run: Run) -> None:
    given = ["label", str(run.folder), "--suggest", "3"]
    assert main(given) == 0
    first = (run.folder / "suggestions.csv").read_text()
    assert main(given) == 0
    assert (run.folder / "suggestions.csv").read_text() == first
    assert "without a label, under" in first or "labels" in first


def test_a_mistake_in_edited_names_is_told_and_the_file_stays(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.classes_file.write_text("classes: {night: {clusters: [0}")
    assert main(["label", str(run.folder)]) == 2
    assert "classes.yaml" in capsys.readouterr().err
    assert run.classes_file.read_text() == "classes: {night: {clusters: [0}"


def test_names_of_another_model_are_named_anew(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.classes_file.write_text('model: "000000000000"\n' + MINE)
    assert main(["label", str(run.folder)]) == 0
    assert "names clusters of another model" in capsys.readouterr().out
    assert set(read_meaning(run.classes_file).names) == {"class 0", "class 1"}


def test_names_of_a_classifier_of_another_model_are_refused(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(run.folder), "--head", "linear"]) == 0
    kept = run.classes_file.read_text()
    values = yaml.safe_load(kept)
    (tmp_path / "other.yaml").write_text(kept.replace(values["model"], "000000000000"))
    assert main(["label", str(run.folder), "--names", str(tmp_path / "other.yaml")]) == 2
    assert "another model (000000000000)" in capsys.readouterr().err
    assert run.classes_file.read_text() == kept


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--attribute", "kind"], "along with --points"),
        (["--names", "x.yaml", "--head", "linear"], "--names along with --head linear"),
        (["--names", "x.yaml", "--fine-tune"], "--names along with --fine-tune"),
        (["--head", "mapping", "--fine-tune"], "received both"),
        (["--points", "x.csv", "--masks", "m"], "--points or masks"),
        (["--suggest", "0"], "at least 1 suggestion"),
        (["--labelled", "0"], "at least 1 labelled image"),
    ],
)
def test_options_that_would_be_passed_over_are_refused(
    run: Run, options: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["label", str(run.folder), *options]) == 2
    assert message in capsys.readouterr().err
    assert not run.classes_file.exists()


def test_stale_names_cost_nobody_the_scores_of_the_clusters(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    run.classes_file.write_text('model: "000000000000"\n' + MINE)
    assert main(["evaluate", str(run.folder)]) == 0
    said = capsys.readouterr().out
    assert "named classes: not scored" in said
    assert "trained on since" in said
    assert json.loads(run.evaluation_file.read_text())["accuracy"] > 0


def test_edited_names_are_still_those_of_the_images_that_named_them(run: Run) -> None:
    assert main(["label", str(run.folder), "--labelled", "1"]) == 0
    edited = run.classes_file.read_text().replace("class 0", "night")
    images = json.loads(run.naming_file.read_text())["images"]
    run.classes_file.write_text(edited)
    assert main(["label", str(run.folder), "--names", str(run.classes_file)]) == 0
    assert json.loads(run.naming_file.read_text())["images"] == images
    assert main(["evaluate", str(run.folder)]) == 0
    told = json.loads(run.evaluation_file.read_text())["named"]["how"]
    assert told.startswith("of 2 labelled images, without the 1 that named them")


def test_classes_called_by_numbers_have_these_numbers_in_maps(run: Run, tmp_path: Path) -> None:
    lines = ["image,row,column,class", "0,1,1,12", "0,30,30,5", "1,5,5,5", "1,35,20,12"]
    (tmp_path / "points.csv").write_text("\n".join(lines))
    assert main(["label", str(run.folder), "--points", str(tmp_path / "points.csv")]) == 0
    meaning = read_meaning(run.classes_file)
    assert dict(zip(meaning.names, meaning.numbers.tolist(), strict=True)) == {"5": 5, "12": 12}
    maps = answer_of(run).served(np.zeros((1, 40, 40, 3), np.float32))["labels"]
    assert set(np.unique(maps)) <= {5, 12}


def test_without_the_data_of_the_training_it_is_told_what_they_are_needed_for(run: Run) -> None:
    images = Path(run.config()["source"]["data"])
    images.rename(images.with_name("moved"))
    try:
        assert main(["label", str(run.folder)]) == 2
        with pytest.raises(InputError, match="which of its clusters are alike"):
            answer_of(run, classes=3)
    finally:
        images.with_name("moved").rename(images)
    assert not run.tree_file.exists()


def test_groups_that_cannot_be_had_are_told_before_scores_are_taken(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run.folder), "--classes", "5"]) == 2
    told = capsys.readouterr()
    assert "2 to 4 classes" in told.err
    assert "scoring" not in told.out


def test_a_run_that_may_not_be_written_to_is_grouped_all_the_same(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("iic_tf.training.cluster_tree_file.write_json", refuse)
    assert answer_of(run, classes=3).served.model.classes == 3
    assert not run.tree_file.exists()


@pytest.mark.parametrize("name", ["Straße", "路", "a\u2028b", "a\x85b", "tab\there", "a: #b", "no"])
def test_any_name_is_read_as_it_was_written(tmp_path: Path, name: str) -> None:
    classes = (NamedClass(name, 0, (1, 2, 3), (0,)), NamedClass("other", 1, (4, 5, 6), (1,)))
    Meaning("main", classes).write(tmp_path / "classes.yaml")
    assert read_meaning(tmp_path / "classes.yaml").classes == classes


def test_more_clusters_than_a_look_can_tell_apart_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_clustering_run(tmp_path, overclusters=300, batch=4, evaluation_steps=2)
    (tmp_path / "things").mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        pixels = rng.integers(0, 255, (24, 24, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"things/{i}.png")
    config = run.config()
    config["source"] = {"dataset": "images", "data": str(tmp_path / "things")}
    run.config_file.write_text(json.dumps(config))
    run.metrics_file.write_text(
        "epoch,best,main_loss,main_loss_0,main_loss_1,overclustering_loss_0,"
        "overclustering_loss_1\n1,1,-1,-0.5,-1,-1,-0.5\n"
    )
    assert main(["label", str(run.folder), "--suggest", "2"]) == 2
    assert "at most 255 clusters" in capsys.readouterr().err
    assert not (run.folder / "suggestions.csv").exists()
    # But they can be named and asked for.
    answer = answer_of(run, "overclusters")
    assert len(answer.names) == len(answer.colours) == 300


def test_images_without_files_are_found_by_what_suggestions_call_them() -> None:
    images = ImageSet("digits", np.zeros((12, 4, 4, 1), np.uint8))
    assert [image_names(images).find(text) for text in ("7", "number 7", "number 11")] == [7, 7, 11]
