"""Which data a run is scored on and predicts, and where that is written."""

import json

import numpy as np
import pytest
from PIL import Image
from tiny_run import make_clustering_run, make_run

from iic_tf.data.array_scene import from_arrays
from iic_tf.errors import InputError
from iic_tf.export.predict import predict
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.evaluate import evaluate
from iic_tf.training.json_files import write_json
from iic_tf.training.places import place_of
from iic_tf.training.recipe_files import load_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.clustering import ClusteringTask
from iic_tf.training.tasks.segmentation import SegmentationTask

FIGURES = "epoch,main_loss,main_loss_0,overclustering_loss_0\n1,-0.5,-0.5,-0.5\n"


def tiles(folder, seed=0):
    """Two images of 30 × 30 in `folder`/images, with masks of three classes in `folder`/masks."""
    for number in range(2):
        rng = np.random.default_rng(seed + number)
        for part, shape, most in (("images", (30, 30, 3), 256), ("masks", (30, 30), 3)):
            (folder / part).mkdir(parents=True, exist_ok=True)
            values = rng.integers(0, most, shape).astype(np.uint8)
            Image.fromarray(values).save(folder / part / f"{number}.png")
    return folder


def trained_on(tmp_path, folder, **values) -> Run:
    run = make_run(tmp_path, classes=3, **values)
    source = {"dataset": "folder", "data": str(folder), "masks": str(folder / "masks")}
    write_json(run.config_file, {**run.config(), "source": {**source, "image_glob": "images/*"}})
    run.metrics_file.write_text(FIGURES)
    return run


def test_other_data_have_scores_of_their_own(tmp_path):
    run = trained_on(tmp_path, tiles(tmp_path / "mine"))
    evaluate(run, say=lambda line: None)
    own = run.evaluation_file.read_bytes()
    said: list[str] = []
    for folder in ("a/theirs", "b/theirs"):
        other = tiles(tmp_path / folder, seed=7)
        evaluate(run, {"data": str(other)}, say=said.append)
    assert run.evaluation_file.read_bytes() == own
    for name, folder in (("theirs", "a/theirs"), ("theirs-2", "b/theirs")):
        found = json.loads((run.folder / f"evaluations/{name}/evaluation.json").read_text())
        # Masks lie where they do in the folder of the training.
        assert found["source"]["masks"] == str(tmp_path / folder / "masks")
        assert (run.folder / f"evaluations/{name}/pictures/confusion.png").is_file()
    patterns = [line for line in said if line.startswith("note: as in training")]
    assert "--image-glob images/*" in patterns[0]
    # The same data again go to the same place.
    assert place_of(run, {"data": str(tmp_path / "b/theirs")}).folder.name == "theirs-2"
    assert place_of(run, {"data": str(tmp_path / "mine")}).folder == run.folder


def test_predicting_the_training_s_data_takes_its_masks(tmp_path):
    folder = tiles(tmp_path / "mine")
    run = trained_on(tmp_path, folder)
    said: list[str] = []
    predict(run, folder, tmp_path / "out", say=said.append)
    (told,) = [line for line in said if line.startswith("note: as in training")]
    assert "--masks" in told
    assert "--image-glob" in told
    legend = json.loads((tmp_path / "out/legend.json").read_text())
    assert {legend[str(k)]["name"] for k in range(3)} == {f"cluster {k}" for k in range(3)}
    predict(run, folder / "images", tmp_path / "again", say=said.append)
    legend = json.loads((tmp_path / "again/legend.json").read_text())
    assert legend["0"]["name"] == "cluster 0"


def test_scores_are_of_the_model_that_is_served(tmp_path, monkeypatch):
    folder = tiles(tmp_path / "mine")
    run = trained_on(tmp_path, folder, precision="mixed_bfloat16")
    assert run.load_best().compute_dtype == "bfloat16"
    seen = []
    served = SegmentationTask.served

    def watched(run, model, recipe) -> ServedSegmenter:
        seen.append(model.compute_dtype)
        return served(run, model, recipe)

    monkeypatch.setattr(SegmentationTask, "served", watched)
    evaluate(run, say=lambda line: None)
    assert set(seen) == {"float32"}
    assert len(seen) == 2  # The trained one, and that before the training.


def test_the_recipe_follows_the_images(tmp_path):
    for number in range(4):
        values = np.random.default_rng(number).integers(0, 256, (64, 64, 3)).astype(np.uint8)
        (tmp_path / "in").mkdir(exist_ok=True)
        Image.fromarray(values).save(tmp_path / f"in/{number}.png")
    place = {"dataset": "images", "data": str(tmp_path / "in")}
    for name, side in (("cifar10-cpu", 32), ("mnist-cpu", 28), ("stl10", 96), ("images", 48)):
        task = ClusteringTask(load_recipe(name), place)
        assert (task.recipe.side, task.images.height) == (side, side)
        told = task.describe(task.pairs(0))
        assert any(f"scaled to {side}×{side}" in line for line in told) == (name != "images")
    asked = ClusteringTask(load_recipe("cifar10-cpu").replaced(side=64), place)
    assert asked.images.height == 64


def test_whole_images_are_scored_in_float32_too(tmp_path):
    run = make_clustering_run(tmp_path, precision="mixed_bfloat16")
    images = tmp_path / "in"
    for name in ("a", "b", "c"):
        for number in range(3):
            (images / name).mkdir(parents=True, exist_ok=True)
            values = np.random.default_rng(number).integers(0, 256, (24, 24, 3)).astype(np.uint8)
            Image.fromarray(values).save(images / name / f"{number}.png")
    run.metrics_file.write_text(
        "epoch,main_loss,main_loss_0,main_loss_1,overclustering_loss_0,overclustering_loss_1\n"
        "1,-0.5,-0.4,-0.5,-0.5,-0.5\n"
    )
    found = evaluate(run, {"data": str(images)}, say=lambda line: None)
    assert found["images"] == 9
    assert (run.folder / "evaluations/in/pictures/confident_matched.png").is_file()
    assert not (run.pictures / "confident_matched.png").exists()


def test_a_set_is_told_in_a_line():
    masks = [np.zeros((9, 9), int), None, None]
    scenes = from_arrays([np.zeros((9, 9, 2), np.uint8)] * 3, masks, name="tiles")
    assert repr(scenes) == "<SceneSet 'tiles': 3 images of 2 channels, 1 with masks>"


def test_a_place_that_cannot_be_made_is_one_message(tmp_path):
    run = trained_on(tmp_path, tiles(tmp_path / "mine"))
    (run.folder / "evaluations").write_text("in the way")
    with pytest.raises(InputError, match="Expected a folder to write to; received"):
        evaluate(run, {"data": str(tiles(tmp_path / "theirs"))}, say=lambda line: None)
