"""A run made of several: their clusters matched to one another, their probabilities averaged.

It is a run folder as others are, which is evaluated, labelled, predicted with and exported; it has
no epochs, and is not trained on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected
from iic_tf.metrics import one_to_one
from iic_tf.models.consensus import check_alike, consensus_of
from iic_tf.training.agreement import Agreement, labels_of_runs, met
from iic_tf.training.answer import overclustering_sub_head
from iic_tf.training.atomic import replacing
from iic_tf.training.best_losses import best_losses
from iic_tf.training.best_model import best_model
from iic_tf.training.cluster_pictures import draw_clusters
from iic_tf.training.look import draw_found
from iic_tf.training.meaning import model_mark
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.run_config import CONSENSUS
from iic_tf.training.run_lock import only_writer
from iic_tf.training.survey import NOTHING
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import HEADS, MAIN, OVERCLUSTERING

if TYPE_CHECKING:
    from iic_tf.training.recipe import Recipe

_SAME = ("low", "high", "fill", "height", "downscale", "x")
"""Of configurations and recipes what decides how raw pixels are seen."""


def orders_of(labels: Sequence[NDArray[np.integer]], chosen: int, clusters: int) -> list[list[int]]:
    """Of each run its clusters in the order of those of the chosen run that they are matched to.

    The Hungarian method, on how many places clusters share.

    Args:
        labels: of each run, `[places]`, 0 to clusters − 1.
        chosen: the run whose order is kept.
        clusters: of each.

    Returns:
        `[runs][clusters]`, permutations; that of the chosen run is 0, 1, 2, ...

    Examples:
        >>> orders_of([np.array([0, 0, 1, 2]), np.array([2, 2, 0, 1])], 0, 3)
        [[0, 1, 2], [2, 0, 1]]
    """
    found = []
    for own in labels:
        counts = met(np.asarray(labels[chosen]), np.asarray(own))[:clusters, :clusters]
        # Cluster j of this run is matched to cluster matched[j] of the chosen one.
        matched = one_to_one(counts)
        found.append(np.argsort(matched).tolist())
    return found


def make_consensus(
    found: Agreement,
    out: str | Path,
    overwrite: bool = False,
    say: Callable[[str], None] = print,
) -> Run:
    """Make one run of several and leave its folder.

    Clusters of each run's heads are matched to those of the run that agrees most, on the labels by
    which agreement was measured; the model answers with the mean of the matched probabilities.

    Args:
        found: what `agreement` found of them.
        out: the folder, new or empty.
        overwrite: replace an earlier run in `out`.
        say: gets each line shown to the user.

    Raises:
        InputError: runs of other methods, clusters or value ranges, or a folder that holds files.

    Examples:
        `make_consensus(agreement([Run.open("runs/0"), Run.open("runs/1")]), "runs/both")`
    """
    chosen = found.runs[found.chosen]
    recipe: Recipe = run_recipe(chosen)
    Run.check_free(Path(out), overwrite)
    for run in found.runs:
        _check_config(chosen, run)
    models = [best_model(run, run_recipe(run).model_class) for run in found.runs]
    check_alike(models)
    clusters: dict[str, int] = models[0].clusters
    orders = {MAIN: orders_of(found.labels, found.chosen, clusters[MAIN])}
    counting = {}
    if OVERCLUSTERING in clusters:
        if clusters[OVERCLUSTERING] > NOTHING:
            raise expected(f"at most {NOTHING} overclusters", clusters[OVERCLUSTERING])
        labels, _ = labels_of_runs(found.runs, OVERCLUSTERING, say)
        orders[OVERCLUSTERING] = orders_of(labels, found.chosen, clusters[OVERCLUSTERING])
        pairs = zip(found.runs, models, strict=True)
        counting[OVERCLUSTERING] = [overclustering_sub_head(run, one) for run, one in pairs]
    model = consensus_of(models, orders, counting)
    config = {k: v for k, v in chosen.config().items() if k != "budget"}
    config[CONSENSUS] = {
        "runs": [str(run.folder) for run in found.runs],
        "seeds": list(found.seeds),
        "models": _models(found),
        "chosen": found.chosen,
        "orders": orders,
        "losses": _losses(found.runs),
    }
    with only_writer(Path(out)):
        run = Run.create(out, config, overwrite)
        with replacing(run.best) as temporary:
            model.save(temporary)
        if chosen.trunk_file.is_file():
            with replacing(run.trunk_file) as temporary:
                shutil.copyfile(chosen.trunk_file, temporary)
        pictures = _draw(run, model, recipe)
    once = ", whose trunk is gone through once" if model.shared else ""
    say(f"{run.folder}: the mean of {len(models)} runs with matched clusters{once}")
    say(f"model {run.best}" + (f"; look at {', '.join(pictures)}" if pictures else ""))
    return run


def is_consensus_of(folder: Path, found: Agreement) -> bool:
    """Whether a folder holds the run that `make_consensus` would make, of models as they are."""
    run = Run(folder)
    if not (run.config_file.is_file() and run.best.is_file()):
        return False
    made = run.config().get(CONSENSUS)
    if not isinstance(made, dict) or made.get("models") != _models(found):
        return False
    return bool(made.get("chosen") == found.chosen)


def _models(found: Agreement) -> list[str]:
    """By which the models that a consensus was made of are known again."""
    return [model_mark(run) for run in found.runs]


def _losses(runs: Sequence[Run]) -> Json:
    """By head the mean over runs of each one's lowest loss, in a list; no head: empty."""
    every = [best_losses(run) for run in runs]
    return {
        head: [float(np.mean([min(own[head]) for own in every]))] if every[0][head] else []
        for head in HEADS
    }


def _draw(run: Run, model: Any, recipe: Recipe) -> list[str]:
    """What was found, in windows of scenes or among whole images."""
    task: Any = TASKS[recipe.task](recipe, run.config()["source"])
    if hasattr(task, "scenes"):
        names = draw_found(run, task.served(run, model, recipe), task.scenes)
    else:
        names = draw_clusters(run, model, task.images, task.recipe.x)
    return [str(run.pictures / name) for name in names]


def _check_config(chosen: Run, run: Run) -> None:
    a, b = chosen.config(), run.config()
    if CONSENSUS in b:
        raise InputError(
            f"Expected runs that were trained; received {run.folder}, made of several."
        )
    for name in _SAME:
        mine, theirs = (one.get(name, one["recipe"].get(name)) for one in (a, b))
        if mine != theirs:
            raise InputError(
                f"Expected runs of the same {name}, which says how raw pixels are seen; received "
                f"{theirs} in '{run.folder}', {mine} in '{chosen.folder}'."
            )
