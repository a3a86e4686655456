"""The tree of a run's clusters: made once for a model, kept in RUN/tree.json."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import numpy as np

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.metrics.cluster_tree import ClusterTree, cluster_tree
from iic_tf.training.json_files import write_json
from iic_tf.training.meaning import model_mark
from iic_tf.training.progress import track
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import MAIN, OVERCLUSTERING

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.training.tasks.task import Task

BATCHES = 8
"""Of fixed pairs at most, whose joint it is."""


def finest_head(clusters: dict[str, int]) -> str:
    """The head with the most clusters that a model or recipe has."""
    return OVERCLUSTERING if OVERCLUSTERING in clusters else MAIN


def tree_of_run(run: Run, model: SelfSupervised, head: str, sub_head: int | None) -> ClusterTree:
    """The tree of a head's clusters, of the file or made anew from the data of the training.

    Args:
        run: a trained run.
        model: its best model.
        head: of the model's.
        sub_head: which; None: the one that the model answers with.

    Raises:
        InputError: the data of the training cannot be read, and there is no file of this model.
    """
    mark = {"model": model_mark(run), "head": head, "sub_head": sub_head}
    kept = _read(run, mark)
    if kept is not None:
        return kept
    recipe, config = run_recipe(run), run.config()
    try:
        task: Task = TASKS[recipe.task](recipe, config["source"])
        fixed = task.fixed_pairs(config["seed"])
    except InputError as error:
        raise InputError(
            f"Expected the data that {run.folder} was trained on, to find out which of its "
            f"clusters are alike; received none that can be read. {error} Once {run.tree_file} is "
            "made, they are not needed."
        ) from error
    total = np.zeros((model.clusters[head],) * 2)
    graph = task.joint_graph(model, head, sub_head)
    for step in track(range(min(len(fixed), BATCHES)), "which clusters are neighbours"):
        total += np.asarray(graph(fixed[step]), np.float64)
    tree = cluster_tree(total)
    values = {"merges": tree.merges, "losses": tree.losses, "shares": tree.shares}
    # Of a folder that may not be written to it is made anew each time.
    with contextlib.suppress(OSError):
        write_json(run.tree_file, {**mark, **values})
    return tree


def kept_tree(run: Run) -> tuple[str, ClusterTree] | None:
    """The head and the tree of the file, if there is one of the run's model."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, InputError):
        found = json.loads(run.tree_file.read_text(encoding="utf-8"))
        mark = {name: found[name] for name in ("head", "sub_head")}
        tree = _read(run, {"model": model_mark(run), **mark})
        return None if tree is None else (str(mark["head"]), tree)
    return None


def _read(run: Run, mark: Json) -> ClusterTree | None:
    try:
        found = json.loads(run.tree_file.read_text(encoding="utf-8"))
        if any(found[name] != value for name, value in mark.items()):
            return None
        merges, losses, shares = (np.asarray(found[n]) for n in ("merges", "losses", "shares"))
        return ClusterTree(merges.astype(np.int64).reshape(-1, 2), losses, shares)
    except (OSError, ValueError, KeyError, TypeError, InputError):
        # Made by another model, or damaged: it is made anew.
        return None
