"""What a run answers with: its main head, its overclusters, groups of them, or named classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected
from iic_tf.models.class_map import class_table
from iic_tf.pictures.colours import cycled
from iic_tf.training.best_losses import chosen_overclusters
from iic_tf.training.best_model import best_model
from iic_tf.training.cluster_tree_file import finest_head, tree_of_run
from iic_tf.training.linear_file import load_fine_tuned, load_linear
from iic_tf.training.meaning import FINE_TUNED, LINEAR, Meaning, head_mark, read_meaning
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import MAIN, OVERCLUSTERING

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.models.served import ServedSegmenter
    from iic_tf.models.served_clusterer import ServedClusterer
    from iic_tf.training.recipe import Recipe

CLASSES, OVERCLUSTERS = "classes", "overclusters"


@dataclass(frozen=True)
class Answer:
    """A run's model as it is asked, ready for raw pixels.

    Attributes:
        served: with its preprocessing, as its task serves it.
        names: of what it answers with.
        colours: uint8 `[k, 3]`.
        numbers: int32 `[k]`, what stands for each in labels.
        meaning: where the classes were named.
    """

    served: ServedSegmenter | ServedClusterer
    names: tuple[str, ...]
    colours: NDArray[np.uint8]
    numbers: NDArray[np.int32]
    meaning: Meaning | None = None


def answer_of(run: Run, head: str | None = None, classes: int | None = None) -> Answer:
    """What a run answers with.

    Args:
        run: a trained run.
        head: `classes`, as `iic-tf label` named them; `main`; or `overclusters`. None: the classes
            where they were named, else the main head.
        classes: so many groups of the finest head's clusters, by the tree; goes without `head`.

    Raises:
        InputError: no such head, no names, no trained model, or names of another model's clusters.
    """
    if classes is not None and head is not None:
        raise expected("--classes or --head, not both", f"--classes {classes} --head {head}")
    recipe = run_recipe(run)
    model = best_model(run, recipe.model_class)
    if classes is not None:
        return _groups(run, recipe, model, classes)
    if head == CLASSES or (head is None and run.classes_file.exists()):
        return _named(run, recipe, model)
    if head == OVERCLUSTERS:
        sub_head = overclustering_sub_head(run, model)
        table = np.eye(model.clusters[OVERCLUSTERING], dtype=np.float32)
        mapped = TASKS[recipe.task].mapped(model, OVERCLUSTERING, sub_head, table)
        return _numbered(TASKS[recipe.task].served(run, mapped, recipe))
    return _numbered(TASKS[recipe.task].served(run, model, recipe))


def overclustering_sub_head(run: Run, model: SelfSupervised) -> int:
    """The sub-head of lowest loss in the run's best epoch.

    Raises:
        InputError: the run was trained without an overclustering head.
    """
    if OVERCLUSTERING not in model.clusters:
        raise InputError(
            "Expected a run with an overclustering head for overclusters; received "
            f"{run.folder}, trained without one."
        )
    if getattr(model, "sub_heads", 1) == 1:
        return 0
    return chosen_overclusters(run) or 0


def finest(run: Run, model: SelfSupervised) -> tuple[str, int | None]:
    """The head with the most clusters, and which of its sub-heads; None: the answering one."""
    head = finest_head(model.clusters)
    return head, None if head == MAIN else overclustering_sub_head(run, model)


def read_own_meaning(run: Run) -> Meaning:
    """The named classes of a run, if they are of its model.

    Raises:
        InputError: there are none, or the run was trained on since.
    """
    if not run.classes_file.is_file():
        raise InputError(
            f"Expected named classes in {run.classes_file}; received none. Name them first: "
            f"iic-tf label {run.folder}"
        )
    meaning = read_meaning(run.classes_file, finest_head(run_recipe(run).clusters))
    if meaning.model not in (None, head_mark(run, meaning.head)):
        raise InputError(
            f"Expected the classes of the model in {run.best}; received {run.classes_file}, which "
            f"names those of another one ({meaning.model}): the run was trained on since. Name "
            f"them anew (iic-tf label {run.folder}), or ask for --head main."
        )
    return meaning


def groups_of(run: Run, model: SelfSupervised, groups: int) -> NDArray[np.int64]:
    """The group of each of the finest head's clusters, by their tree.

    Raises:
        InputError: fewer than 2 groups, or more than there are clusters.
    """
    head, sub_head = finest(run, model)
    clusters = model.clusters[head]
    if not 2 <= groups <= clusters:
        wanted = f"2 to {clusters} classes, as many as the {head} head of {run.folder} has clusters"
        raise expected(wanted, groups, "classes")
    return tree_of_run(run, model, head, sub_head).cut(groups)


def _groups(run: Run, recipe: Recipe, model: SelfSupervised, classes: int) -> Answer:
    group = groups_of(run, model, classes)
    head, sub_head = finest(run, model)
    mapped = TASKS[recipe.task].mapped(model, head, sub_head, class_table(group, classes))
    return _numbered(TASKS[recipe.task].served(run, mapped, recipe))


def _named(run: Run, recipe: Recipe, model: SelfSupervised) -> Answer:
    meaning = read_own_meaning(run)
    linear, sub_head, head = None, None, meaning.head
    if head in (LINEAR, FINE_TUNED):
        linear = load_linear(run, head)
        model = model if head == LINEAR else load_fine_tuned(run, recipe.model_class)
        clusters, head = linear.classes, MAIN
    else:
        if head not in model.clusters:
            heads = " or ".join(model.clusters)
            raise expected(f"head {heads} in {run.classes_file}", head, "head")
        clusters = model.clusters[head]
        sub_head = overclustering_sub_head(run, model) if head == OVERCLUSTERING else None
    class_of = meaning.class_of(clusters)
    if (class_of < 0).any():
        missing = ", ".join(map(str, np.flatnonzero(class_of < 0)))
        raise InputError(
            f"Expected a class for each of {clusters} clusters in {run.classes_file}; received "
            f"none for {missing}. iic-tf label {run.folder} --names {run.classes_file} gives them "
            "those of the nearest clusters."
        )
    table = class_table(class_of, len(meaning.classes))
    mapped = TASKS[recipe.task].mapped(model, head, sub_head, table, meaning.numbers, linear)
    served = TASKS[recipe.task].served(run, mapped, recipe)
    return Answer(served, meaning.names, meaning.colours, meaning.numbers, meaning)


def _numbered(served: ServedSegmenter | ServedClusterer) -> Answer:
    k = served.model.classes
    names = tuple(f"cluster {index}" for index in range(k))
    return Answer(served, names, cycled(k), np.arange(k, dtype=np.int32))
