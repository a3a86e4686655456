"""The note on images that use little of their value range."""

import numpy as np
import pytest
import tifffile

from iic_tf.data.array_scene import from_arrays
from iic_tf.training.dim_images import misfit_note, used_range
from iic_tf.training.recipe_files import load_recipe
from iic_tf.training.tasks.segmentation import SegmentationTask

RNG = np.random.default_rng(0)


def notes(folder, stretch=None):
    recipe = load_recipe("folder").replaced(crop=16, radius=1, downscale=1, steps=1, batch=2)
    task = SegmentationTask(recipe, {"dataset": "folder", "data": str(folder), "stretch": stretch})
    return task.describe(task.pairs(0))[2:]


def test_twelve_bits_in_sixteen_are_noted_unless_stretched(tmp_path):
    for i in range(3):
        pixels = RNG.integers(0, 4096, (40, 50, 4)).astype(np.uint16)
        tifffile.imwrite(tmp_path / f"{i}.tif", pixels, photometric="rgb")
    (note,) = notes(tmp_path)
    assert "lowest 6.2 % of their range" in note
    assert "--stretch 2 98" in note
    assert notes(tmp_path, (2, 98)) == []


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 256), (np.uint16, 65536)])
def test_images_of_the_whole_range_are_not(tmp_path, dtype, top):
    pixels = RNG.integers(0, top, (40, 50, 3)).astype(dtype)
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric="rgb")
    assert notes(tmp_path) == []


def test_the_range_is_that_of_all_scenes_and_bands():
    """A single bright band of one scene in three is no dim set."""
    images = [np.zeros((20, 30, 2), np.uint8) for _ in range(3)]
    images[2][..., 1] = 204
    assert used_range(from_arrays(images)) == pytest.approx(0.8)
    assert used_range(from_arrays(images[:2])) == 0


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (
            np.linspace(0, 1, 3072, dtype=np.float32),
            "255; those of these images go from 0 to 1:",
        ),
        (np.linspace(0, 65535, 3072).astype(np.uint16), "go from 0 to 65535"),
        (np.linspace(0, 255, 3072).astype(np.uint8), None),
        (np.linspace(90, 120, 3072).astype(np.int16), None),
        (np.full(3072, np.nan, np.float32), None),
    ],
)
def test_images_that_are_not_like_those_of_the_training(values, told):
    scenes = from_arrays([values.reshape(32, 32, 3)], low=0, high=255)
    notes = misfit_note(scenes)
    assert len(notes) == (told is not None)
    assert told is None or told in notes[0]
