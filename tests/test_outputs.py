"""What this program wrote into the folder of the data is never taken for data."""

import json

import numpy as np
import pytest
from image_files import pixels, save
from tiny_run import make_clustering_run, make_run

from iic_tf.data.folder import load_folder
from iic_tf.data.image_folder import load_image_folder
from iic_tf.export.predict import predict
from iic_tf.export.predict_images import predict_images


def tiles(folder, count=3):
    for i in range(count):
        save(folder / f"t{i}.png", pixels(24, 24, 3, seed=i))
    return [f"t{i}" for i in range(count)]


def names(folder, **options):
    return [s.name for s in load_folder(folder, **options).scenes]


def test_runs_and_predictions_within_the_folder(tmp_path):
    images = tiles(tmp_path)
    run = make_run(tmp_path / "runs/a", classes=3)
    save(run.pictures / "found.png", pixels(9, 9, 3))
    save(run.folder / "export/x.png", pixels(9, 9, 3))
    assert names(tmp_path) == images
    predict(run, tmp_path, tmp_path / "found", confidence=True, say=lambda line: None)
    found = load_folder(tmp_path)
    assert [s.name for s in found.scenes] == images
    # Labels, overlay and confidence of three images and a sheet; two pictures of the run.
    assert found.notes == (
        f"left out of '{tmp_path}': 12 written by iic-tf itself, such as 'found/sheet.png'",
    )
    assert names(tmp_path, image_glob="**/*.png") == images


def test_predictions_beside_the_images_themselves(tmp_path):
    images = tiles(tmp_path)
    run = make_run(tmp_path / "run", classes=3)
    predict(run, tmp_path / "t1.png", tmp_path, say=lambda line: None)
    assert (tmp_path / "t1_labels.png").is_file()
    assert names(tmp_path) == images
    # A mask of the user's in the same folder.
    mask = np.zeros((24, 24), np.uint8)
    mask[3:] = 1
    save(tmp_path / "t2_labels.png", mask)
    found = load_folder(tmp_path, tmp_path)
    assert [s.has_mask for s in found.scenes] == [False, False, True]


def test_a_killed_prediction(tmp_path):
    images = tiles(tmp_path)
    save(tmp_path / "found/t0_labels.png", pixels(24, 24))
    (tmp_path / "found/legend.json").write_text('{"0": {"name": "a", "colour": "#000000"}}')
    assert names(tmp_path) == images


def test_labels_of_the_user_stay_masks(tmp_path):
    tiles(tmp_path / "i", 2)
    for i in range(2):
        save(tmp_path / f"m/t{i}_labels.png", np.eye(24, dtype=np.uint8))
    (tmp_path / "m/legend.json").write_text(json.dumps({"0": "water", "1": "land"}))
    save(tmp_path / "m/sheet.png", pixels(24, 24, 3))
    (tmp_path / "config.json").write_text(json.dumps({"model": "resnet"}))
    assert len(load_folder(tmp_path / "i", tmp_path / "m").labelled.scenes) == 2


@pytest.mark.parametrize("config", ["{", '{"recipe": {}, "seed": 0}'])
def test_a_run_is_told_by_its_configuration_even_a_damaged_one(tmp_path, config):
    images = tiles(tmp_path)
    save(tmp_path / "r/pictures/x.png", pixels(9, 9, 3))
    (tmp_path / "r/config.json").write_text(config)
    (tmp_path / "r/metrics.csv").write_text("")
    assert names(tmp_path) == images


def test_a_folder_of_small_images(tmp_path):
    tiles(tmp_path)
    run = make_clustering_run(tmp_path / "r")
    save(run.pictures / "circle.png", pixels(9, 9, 3))
    predict_images(run, tmp_path, tmp_path / "r2/found", say=lambda line: None)
    predict_images(run, tmp_path, tmp_path / "found", say=lambda line: None)
    found = load_image_folder(tmp_path, side=8)
    assert found.files == ("t0.png", "t1.png", "t2.png")
    assert (found.labels, len(found.notes)) == (None, 1)
