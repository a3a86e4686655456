"""The tasks by name, and that of a recipe."""

from __future__ import annotations

from iic_tf.annotations import Facts
from iic_tf.training.memory_estimate import check_memory
from iic_tf.training.recipe import Recipe
from iic_tf.training.tasks.clustering import ClusteringTask
from iic_tf.training.tasks.segmentation import SegmentationTask
from iic_tf.training.tasks.task import Task

TASKS: dict[str, type[Task]] = {task.name: task for task in (SegmentationTask, ClusteringTask)}


def task_of(recipe: Recipe, place: Facts) -> Task:
    """A recipe with its data at hand.

    Args:
        recipe: all values of the run.
        place: the data set, plain values: `dataset` and what its options are called. What other
            data sets alone know is left out.

    Raises:
        InputError: anything unfit in the values or files, or values that need far more memory than
            this machine has.
    """
    # How many bands there are is not known yet.
    check_memory(recipe.estimate(channels=1), "a training")
    return TASKS[recipe.task](recipe, place)
