"""Masks of numbers without a classes file, and how many classes there are."""

import dataclasses

import numpy as np
import pytest
from image_files import pixels, save

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.classes import load_classes
from iic_tf.data.mask_survey import check_class_count, infer_classes
from iic_tf.data.raster import Raster
from iic_tf.data.scene import ClassTable
from iic_tf.errors import InputError
from iic_tf.training.recipe_files import load_recipe
from iic_tf.training.tasks.registry import task_of


def masks(folder, *values):
    save(folder / "m.png", np.resize(np.array(values, np.uint8), (20, 20)))
    return [Raster(folder / "m.png", "index")]


@pytest.mark.parametrize("values", [(0, 1), (0, 1, 2, 255), (1, 2), (0, 3), (2, 4, 5, 7)])
def test_numbers_of_classes(tmp_path, values):
    if values in ((0, 3), (2, 4, 5, 7)):  # half of the numbers up to the largest
        values = (*values, 255)
    top = max(v for v in values if v != 255)
    assert len(infer_classes(masks(tmp_path, *values)).table) == top + 1


@pytest.mark.parametrize("values", [(0, 100, 200), (0, 4), (5, 6, 7, 14), tuple(range(0, 255, 3))])
def test_grey_values_are_no_numbers_of_classes(tmp_path, values):
    with pytest.raises(InputError, match=r"at least half of them present") as caught:
        infer_classes(masks(tmp_path, *values))
    text = str(caught.value)
    file = tmp_path / "classes.yaml"
    file.write_text(text[text.index("\nclasses:") :])
    code = load_classes(file)  # as it is, every value a class
    assert [int(v) for v in code.values[0]] == list(values)


def set_of(classes):
    table = ClassTable(
        tuple(f"class {i}" for i in range(classes)), np.zeros((classes, 3), np.uint8)
    )
    return from_arrays([pixels(8, 8, 3)], [np.zeros((8, 8), int)], table)


def test_class_counts():
    scenes = set_of(3)
    assert check_class_count(scenes, 3, True) is scenes
    unlabelled = dataclasses.replace(from_arrays([pixels(8, 8, 3)]), classes=scenes.classes)
    assert check_class_count(unlabelled, 2, True) is unlabelled
    told = check_class_count(scenes, 2, asked_for=False)
    assert told.notes == (
        "the masks have 3 classes (class 0, class 1, class 2), the run finds 2: iic-tf evaluate "
        "will score it many to one",
    )
    with pytest.raises(
        InputError, match=r"of 2 classes.*of 3: class 0, .*\(--classes 3\)"
    ) as error:
        check_class_count(scenes, 2, asked_for=True)
    assert "\n  class 2: {values: [2]}" in str(error.value)


def test_a_run_is_refused_before_it_begins(tmp_path):
    save(tmp_path / "i/1.png", pixels(20, 20, 3))
    save(tmp_path / "i_mask/1.png", np.resize(np.arange(4, dtype=np.uint8), (20, 20)))
    recipe = load_recipe("folder").replaced(classes=3, crop=12, radius=2, downscale=1)
    place = {"dataset": "folder", "data": str(tmp_path / "i")}
    assert task_of(recipe, place).scenes.notes == ()
    with pytest.raises(InputError, match="masks of 3 classes"):
        task_of(recipe, {**place, "masks": str(tmp_path / "i_mask")})
    task_of(recipe.replaced(classes=4), {**place, "masks": str(tmp_path / "i_mask")})
