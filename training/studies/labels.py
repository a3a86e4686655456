"""The study of labels: accuracy by the number of clusters, and by how few labels name them.

OUT/
  k100/, k50/, ...   a run folder for each number of clusters, with `found.npz`: what it found
  tables.md          as the paper's supplementary tables 3 and 4, with the published figures
  figure6.png        as the paper's figure 6
  study.json         all of it
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError, expected
from iic_tf.pictures.label_curves import label_curves
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import clock
from iic_tf.training.resume import check_same
from iic_tf.training.run import Run
from iic_tf.training.run_lock import only_writer
from iic_tf.training.studies.label_counts import LabelCounts
from iic_tf.training.studies.label_series import series_of
from iic_tf.training.studies.label_tables import tables
from iic_tf.training.studies.parts import Parting, Parts, parted
from iic_tf.training.studies.published import CLUSTER_SHARES, LABEL_SHARES
from iic_tf.training.train import train
from iic_tf.turns import MAIN

if TYPE_CHECKING:
    from iic_tf.training.recipe import Recipe

FOUND = "found.npz"

Say = Callable[[str], None]


@dataclass(frozen=True)
class LabelStudy:
    """What is varied, and how.

    Attributes:
        cluster_shares: of the recipe's number of clusters, above 0 to 1; a run for each.
        label_shares: of the labelled images of the training part, above 0 to 1.
        draws: of labels, for shares below 1.
        test_share: see `Parting`.
        images: see `Parting`.
        seed: of the runs, of the parts and of the draws.

    Raises:
        InputError: a value outside its range.
    """

    cluster_shares: tuple[float, ...] = CLUSTER_SHARES
    label_shares: tuple[float, ...] = LABEL_SHARES
    draws: int = 5
    test_share: float = 0.2
    images: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("cluster_shares", "label_shares"):
            shares = getattr(self, name)
            if not shares or not all(0 < share <= 1 for share in shares):
                raise expected("shares above 0, up to 1", shares, name)
        if self.draws < 1:
            raise expected("at least 1 draw of labels", self.draws, "draws")
        if not 0 < self.test_share < 1:
            raise expected("a share between 0 and 1", self.test_share, "test_share")
        if self.images is not None and self.images < 2:
            raise expected("at least 2 images to train on", self.images, "images")

    def clusters(self, most: int) -> list[int]:
        """Numbers of clusters, rounded half up as published, 2 or more; each once."""
        return list(dict.fromkeys(max(2, part_of(most, share)) for share in self.cluster_shares))


def part_of(count: int, share: float) -> int:
    """So much of a count, rounded half up: an eighth of 140 is 18."""
    return math.floor(count * share + 0.5)


def study_labels(
    recipe: Recipe, place: Facts, out: str | Path, study: LabelStudy, say: Say = print
) -> Json:
    """Train a run for each number of clusters, and score each with ever fewer labels.

    Training and mapping see the training part alone; accuracies are those of the test part. What
    is there of an earlier call is not done again: finished runs are kept, and one that was stopped
    goes on.

    Args:
        recipe: of method iic; trained as IIC*, whether it says so or not.
        place: where the images are: plain values of a data set's options.
        out: the folder of the study.
        study: what is varied.
        say: gets each line shown to the user.

    Returns:
        What `study.json` holds.

    Raises:
        InputError: a recipe of another method, data without labels, or runs of other values in
            `out`.
    """
    if not hasattr(recipe, "star"):
        raise expected("a recipe of method iic, whose clusters are mapped", recipe.method, "method")
    recipe = recipe.replaced(star=True)
    folder, most = Path(out), recipe.clusters[MAIN]
    recipes = {k: recipe.replaced(overclusters=k) for k in study.clusters(most)}
    with only_writer(folder):
        found, parts = _runs(recipes, place, folder, study, say)
        result = {
            "study": asdict(study),
            "recipe": recipe.to_dict(),
            "source": parts.task.source.to_dict(),
            "parts": {**parts.sizes, "told": parts.told},
            "unit": parts.unit,
            "largest_class": _largest(found[max(found)], parts.names),
            "runs": [_scored(k, counts, study, most) for k, counts in found.items()],
        }
        _write(folder, result)
    for line in tables(result).splitlines():
        say(line)
    say(
        f"written: {', '.join(str(folder / f) for f in ('tables.md', 'figure6.png', 'study.json'))}"
    )
    return result


def _runs(
    recipes: Mapping[int, Recipe], place: Facts, folder: Path, study: LabelStudy, say: Say
) -> tuple[dict[int, LabelCounts], Parts]:
    """What each run found, trained where it was not yet; and the parts of the data."""
    parting = Parting(study.test_share, study.images, study.seed)
    found: dict[int, LabelCounts] = {}
    for number, (k, recipe) in enumerate(recipes.items()):
        parts = parted(recipe, place, parting)
        if not number:
            say(f"study of labels: {len(recipes)} runs; {parts.told}")
        run = Run(folder / f"k{k}")
        counts = LabelCounts.load(run.folder / FOUND)
        done = counts is not None
        if counts is None:
            say(f"run {number + 1} of {len(recipes)}, {k} clusters{_left(found, recipes)}")
            counts = _trained(parts, run, study.seed, _without_advice(say, f"k={k}: "))
        else:
            check_same(
                run, {"recipe": recipe.to_dict(), "seed": study.seed, **parts.task.data_config()}
            )
        found[k] = counts
        all_of_it = counts.accuracies(counts.images, 1, study.seed)[0]
        say(
            f"run {number + 1} of {len(recipes)}, {k} clusters: accuracy {all_of_it:.3f} with all "
            f"labels; {'was there' if done else f'{clock(counts.seconds)} of training'}"
        )
    return found, parts


def _trained(parts: Parts, run: Run, seed: int, say: Say) -> LabelCounts:
    started = time.monotonic()
    train(parts.task, run.folder, seed, say=say, resume=run.config_file.is_file())
    counts = parts.counts(run, time.monotonic() - started)
    counts.save(run.folder / FOUND)
    return counts


def _left(found: Mapping[int, LabelCounts], recipes: Mapping[int, Recipe]) -> str:
    if not found:
        return ""
    mean = statistics.mean(counts.seconds for counts in found.values())
    return f"; about {clock(mean * (len(recipes) - len(found)))} left for all"


def _without_advice(say: Say, before: str) -> Say:
    """Say lines under a name; a stopped run goes on by the study's command, not by its own."""

    def told(line: str) -> None:
        line, advice, _ = line.partition("; go on with: ")
        say(before + line + ("; go on with the same command" if advice else ""))

    return told


def _scored(k: int, counts: LabelCounts, study: LabelStudy, most: int) -> Json:
    """Accuracies of one run by the number of labelled images."""
    rows = []
    for share in study.label_shares:
        images = max(1, part_of(counts.images, share))
        accuracies = counts.accuracies(images, study.draws, study.seed)
        rows.append(
            {
                "share": share,
                "images": images,
                "accuracies": accuracies,
                "mean": statistics.mean(accuracies),
                "sd": statistics.stdev(accuracies) if len(accuracies) > 1 else None,
            }
        )
    everything = counts.accuracies(counts.images, 1, study.seed)[0]
    return {
        "clusters": k,
        "share": k / most,
        "accuracy": everything,
        "seconds": counts.seconds,
        "labels": rows,
    }


def _largest(counts: LabelCounts, names: tuple[str, ...]) -> Json:
    of_each = counts.test.sum(axis=1)
    if not of_each.sum():
        raise InputError("Expected pixels of a class in the test part; received none.")
    largest = int(of_each.argmax())
    return {"name": names[largest], "share": float(of_each[largest] / of_each.sum())}


def _write(folder: Path, result: Json) -> None:
    with replacing(folder / "tables.md") as temporary:
        temporary.write_text(tables(result), encoding="utf-8")
    with replacing(folder / "figure6.png") as temporary:
        label_curves(*series_of(result)).save(temporary)
    write_json(folder / "study.json", result)
