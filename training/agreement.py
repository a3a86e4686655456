"""How far several runs agree on the same images: which of them the others bear out.

One to one with as many clusters as classes is a lottery between partitions that the objective
likes nearly alike. What several seeds find again is less of an accident than what one finds alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError
from iic_tf.metrics import confusion_matrix
from iic_tf.metrics.scores import normalised_mutual_information
from iic_tf.training.answer import overclustering_sub_head
from iic_tf.training.best_model import best_model
from iic_tf.training.json_files import write_json
from iic_tf.training.labelled import labelled_data
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.survey import NOTHING, View
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import MAIN

if TYPE_CHECKING:
    from iic_tf.training.recipe import Recipe


@dataclass(frozen=True)
class Agreement:
    """What `agreement` found.

    Attributes:
        runs: the folders, as they were given.
        seeds: of each run.
        nmi: `[runs, runs]`, normalised mutual information of the main heads' labels.
        places: how many pixels, or images, were compared.
        unit: what they are.
        labels: of each run what was compared, uint8 `[places]`; kept in no file.
    """

    runs: tuple[Run, ...]
    seeds: tuple[int, ...]
    nmi: NDArray[np.float64]
    places: int
    unit: str
    labels: tuple[NDArray[np.uint8], ...] = ()

    @property
    def means(self) -> NDArray[np.float64]:
        """Of each run the mean agreement with the others."""
        others = self.nmi.sum(1) - np.diag(self.nmi)
        return np.asarray(others / (len(self.runs) - 1))

    @property
    def chosen(self) -> int:
        """The run that agrees most with the others; of two the first."""
        return int(self.means.argmax())

    def keep(self) -> None:
        """Write `agreement.json` into each run's folder, for its report."""
        for number, run in enumerate(self.runs):
            write_json(
                run.agreement_file,
                {
                    "seeds": list(self.seeds),
                    "nmi": self.nmi.tolist(),
                    "this": number,
                    "chosen": self.chosen,
                    "places": self.places,
                    "unit": self.unit,
                },
            )

    def lines(self) -> list[str]:
        """A table for people, and what it says."""
        width = max(len(str(run.folder)) for run in self.runs)
        head = "".join(f"{number + 1:>7}" for number in range(len(self.runs)))
        found = [f"{'NMI of labels':{width + 5}}{head}   mean of the others"]
        for number, (run, row) in enumerate(zip(self.runs, self.nmi, strict=True)):
            figures = "".join(f"{value:7.3f}" for value in row)
            mean = f"{self.means[number]:7.3f}"
            found.append(f"{number + 1:>3}  {run.folder!s:{width}}{figures}   {mean}")
        best = f"{self.runs[self.chosen].folder} agrees most with the others"
        if len(self.runs) == 2:
            best = "two runs bear neither out: it takes three"
        found.append(
            f"{best}, on {self.places} {self.unit}; 1: the same partition, 0: none of the one is "
            "known from the other"
        )
        return found


def agreement(runs: Sequence[Run], say: Callable[[str], None] = print) -> Agreement:
    """Compare what the main heads of runs make of the same images.

    Of scenes the same windows from all over them, of whole images the same ones; those of the
    first run's data and seed. No labels are read.

    Args:
        runs: trained runs on images of the same bands, at the same scale.
        say: gets each line shown to the user.

    Raises:
        InputError: fewer than two runs, one of them twice, or runs of other tasks, bands or scales.

    Examples:
        `agreement([Run.open("runs/0"), Run.open("runs/1"), Run.open("runs/2")]).keep()`
    """
    if len(runs) < 2:
        raise InputError(f"Expected at least 2 runs to compare; received {len(runs)}.")
    folders = [run.folder.resolve() for run in runs]
    if len(set(folders)) < len(folders):
        raise InputError(f"Expected runs of their own; received {_twice(folders)} twice.")
    for run in runs:
        _check_alike(runs[0], run)
    labels, unit = labels_of_runs(runs, MAIN, say)
    nmi = np.eye(len(runs))
    for i in range(len(runs)):
        for j in range(i):
            nmi[i, j] = nmi[j, i] = normalised_mutual_information(met(labels[i], labels[j]))
    seeds = tuple(int(run.config()["seed"]) for run in runs)
    return Agreement(tuple(runs), seeds, nmi, len(labels[0]), unit, labels)


def met(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> NDArray[np.int64]:
    """How often labels of the one meet those of the other, `[255, 255]`."""
    return confusion_matrix(a.astype(np.int64), b.astype(np.int64), NOTHING, NOTHING)


def labels_of_runs(
    runs: Sequence[Run], head: str = MAIN, say: Callable[[str], None] = print
) -> tuple[tuple[NDArray[np.uint8], ...], str]:
    """What a head of runs makes of the same images.

    Args:
        runs: trained runs.
        head: `main` or `overclustering`, of which the sub-head of lowest loss counts.
        say: gets each line shown to the user.

    Returns:
        Of each run, uint8 `[places]` where there are data for all; and what places are.

    Raises:
        InputError: runs whose trunks lie otherwise on the images.
    """
    first = runs[0].config()
    found: list[list[View]] = []
    for run in runs:
        recipe: Recipe = run_recipe(run)
        task = TASKS[recipe.task]
        model = best_model(run, recipe.model_class)
        data = labelled_data(run, recipe, model, first["source"], None, None, None)
        data.seed = first["seed"]
        say(f"looking at {run.folder}" + ("" if head == MAIN else f", {head}"))
        asked: Any = model
        if head != MAIN:
            table = np.eye(model.clusters[head], dtype=np.float32)
            asked = task.mapped(model, head, overclustering_sub_head(run, model), table)
        found.append(data.views(task.served(run, asked, recipe)))
        if _where(found[-1]) != _where(found[0]):
            raise InputError(
                f"Expected runs whose trunks lie alike on the images, so that the same windows are "
                f"looked at; received another alignment in '{run.folder}' than in "
                f"'{runs[0].folder}'."
            )
    labels = [_labels(views, data.unit) for views in found]
    there = np.all([own != NOTHING for own in labels], axis=0)
    return tuple(own[there] for own in labels), data.unit


def _labels(views: Sequence[View], unit: str) -> NDArray[np.uint8]:
    """Of all windows pixel by pixel; of whole images one each."""
    if unit == "images":
        return np.array([view.labels.flat[0] for view in views], np.uint8)
    return np.concatenate([view.labels.ravel() for view in views])


def _where(views: Sequence[View]) -> list[tuple[str, int, int, int, tuple[int, ...]]]:
    return [(v.scene, v.top, v.left, v.factor, v.labels.shape) for v in views]


def _check_alike(one: Run, other: Run) -> None:
    """The same places of the same images must be looked at, at the same scale.

    A class file says what labels mean, and nothing of the images.
    """
    a, b = one.config(), other.config()
    images, others = a["source"], b["source"]
    of_images = [k for k in (*images, *(k for k in others if k not in images)) if k != "class_file"]
    for what, mine, theirs in (
        ("task", a["recipe"]["task"], b["recipe"]["task"]),
        ("number of bands", a["channels"], b["channels"]),
        ("downscale", a["recipe"].get("downscale"), b["recipe"].get("downscale")),
        *((f"--{k.replace('_', '-')}", images.get(k), others.get(k)) for k in of_images),
    ):
        if mine != theirs:
            raise InputError(
                f"Expected runs on the same images, at the same scale; received another {what} in "
                f"'{other.folder}' ({theirs}) than in '{one.folder}' ({mine})."
            )


def _twice(folders: Sequence[object]) -> str:
    return next(f"'{f}'" for f in folders if folders.count(f) > 1)
