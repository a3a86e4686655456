"""Naming the clusters of a run once, and keeping it: `iic-tf label`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.annotations import Json
from iic_tf.data.registry import check_options
from iic_tf.errors import InputError, expected
from iic_tf.metrics.cluster_tree import ClusterTree
from iic_tf.pictures.tree_picture import tree_picture
from iic_tf.training.answer import finest, read_own_meaning
from iic_tf.training.atomic import replacing
from iic_tf.training.best_model import best_model
from iic_tf.training.cluster_tree_file import tree_of_run
from iic_tf.training.json_files import write_json
from iic_tf.training.labelled import FOLDS, Counts, Labelled, labelled_data
from iic_tf.training.linear_file import save_linear
from iic_tf.training.linear_fit import fit_linear
from iic_tf.training.meaning import FINE_TUNED, LINEAR, Meaning, head_mark, read_meaning
from iic_tf.training.naming import (
    ClusterMapping,
    completed,
    expected_accuracy,
    map_clusters,
    meaning_of,
)
from iic_tf.training.places import place_of
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.survey import NOTHING, View, shares_of
from iic_tf.training.tasks.registry import TASKS
from iic_tf.training.typical import Suggestion, suggest

SUGGESTIONS = "suggestions.csv"
MAPPING = "mapping"
_NO_CLASS = (160, 160, 160)


class Naming:
    """A run whose clusters are to be named.

    Args:
        run: a trained run.
        places: where the data are, by the names of the data set's options; what is left out stays
            as it was in training.
        points: a table of points or a file of shapes whose classes are to be learned from.
        attribute: which attribute of shapes is the class.
        labelled: take the labels of so many images alone; None: of all that are labelled.
        say: gets each line shown to the user.

    Raises:
        InputError: no trained model, or data that cannot be read.
    """

    def __init__(
        self,
        run: Run,
        places: Mapping[str, str] | None = None,
        points: Path | None = None,
        attribute: str | None = None,
        labelled: int | None = None,
        say: Callable[[str], None] = print,
    ):
        self.run = run
        self.say = say
        self.recipe = run_recipe(run)
        self.model = best_model(run, self.recipe.model_class)
        self.head, self.sub_head = finest(run, self.model)
        self.clusters: int = self.model.clusters[self.head]
        check_options(run.config()["source"].get("dataset", "folder"), places or {})
        self.place = place_of(run, places or {})
        self.points = points
        self._given = (points, attribute, labelled)
        self.scores: dict[str, float | None] = {}

    @cached_property
    def data(self) -> Labelled:
        """The data and their labels, read when they are first asked for."""
        data = labelled_data(self.run, self.recipe, self.model, self.place.source, *self._given)
        for note in (*self.place.notes, *data.notes):
            self.say(f"note: {note}")
        return data

    @cached_property
    def tree(self) -> ClusterTree:
        """Of the finest head's clusters."""
        return tree_of_run(self.run, self.model, self.head, self.sub_head)

    @cached_property
    def views(self) -> list[View]:
        """A look at the finest head's clusters.

        Raises:
            InputError: more than 255, which the labels of a view cannot tell apart.
        """
        if self.clusters > NOTHING:
            wanted = f"at most {NOTHING} clusters for a page or suggestions"
            raise expected(wanted, f"{self.clusters} of the {self.head} head")
        task: Any = TASKS[self.recipe.task]
        table = np.eye(self.clusters, dtype=np.float32)
        mapped = task.mapped(self.model, self.head, self.sub_head, table)
        return self.data.views(task.served(self.run, mapped, self.recipe))

    def by_labels(self, how: str = MAPPING) -> tuple[Meaning, Counts]:
        """Name the clusters by the labels, or fit a classifier to them, and keep it.

        Args:
            how: `mapping`, `linear` or `fine-tuned`.

        Raises:
            InputError: nothing is labelled.
        """
        data = self.data
        if data.classes is None:
            raise InputError(
                "Expected labels to name the clusters by; received none with the data of the run. "
                "Give --masks, --points or --names, or name them by hand: --page."
            )
        counts = data.counts(self.head, self.sub_head)
        mapping = map_clusters(counts.whole, self.tree)
        self.scores = {MAPPING: expected_accuracy(counts.folds, self.tree)}
        linear = data.linear_head(self.model)
        fit = fit_linear(data.points(self.model, linear), linear, FOLDS, data.seed)
        self.scores[LINEAR] = fit.score
        head, class_of = self.head, mapping
        if how != MAPPING:
            for note in fit.notes:
                self.say(f"note: {note}")
            head, linear = how, fit.onto(linear)
            if how == FINE_TUNED:
                tuned = data.fine_tune(self.model, self.say)
                self.scores[FINE_TUNED], linear = tuned.score, tuned.head
                with replacing(self.run.fine_tuned) as temporary:
                    tuned.model.save(temporary)
            class_of = ClusterMapping(np.arange(linear.classes), ())
            save_linear(self.run, linear, head)
        mark = head_mark(self.run, head)
        meaning = meaning_of(head, class_of, data.classes.names, data.classes.colours, mark)
        self.keep(meaning, counts, self.scores.get(how))
        return meaning, counts

    def by_names(self, file: Path) -> Meaning:
        """Take the names of a file; clusters without one get that of the nearest in the tree.

        Raises:
            InputError: a file that does not fit the run.
        """
        meaning = read_meaning(file, self.head)
        mark = head_mark(self.run, meaning.head)
        if meaning.model not in (None, mark):
            raise InputError(
                f"Expected names of the clusters of {self.run.best}; received {file}, which names "
                f"those of another model ({meaning.model})."
            )
        if meaning.head in (LINEAR, FINE_TUNED):
            own = read_own_meaning(self.run)
            if own.head != meaning.head:
                raise expected(
                    f"names of head {own.head}, as {self.run.classes_file}", meaning.head
                )
            count = len(own.class_of(256)[own.class_of(256) >= 0])
            if (meaning.class_of(count) < 0).any():
                raise expected(f"a class for each of {count} outputs", "fewer")
            self.keep(replace(meaning, model=mark), None, None)
            return meaning
        if meaning.head != self.head and meaning.head not in self.model.clusters:
            raise expected(f"head {' or '.join(self.model.clusters)} in {file}", meaning.head)
        sub_head = self.sub_head if meaning.head == self.head else None
        tree = tree_of_run(self.run, self.model, meaning.head, sub_head)
        whole = replace(completed(meaning, tree), model=mark)
        self.keep(whole, None, None)
        return whole

    def kept(self) -> tuple[Meaning, Counts | None] | None:
        """The names that the run has, and the labels that they are by, if any; nothing changes.

        None: it has none, or those of another model's clusters, which is told.

        Raises:
            InputError: a file with a mistake, or clusters that the run does not have.
        """
        if not self.run.classes_file.exists():
            return None
        meaning = read_meaning(self.run.classes_file, self.head)
        if meaning.model not in (None, head_mark(self.run, meaning.head)):
            self.say(f"note: {self.run.classes_file} names clusters of another model: not used")
            return None
        if meaning.head == self.head:
            meaning.class_of(self.clusters)
        return meaning, self._kept_counts(meaning)

    def _kept_counts(self, meaning: Meaning) -> Counts | None:
        try:
            known = json.loads(self.run.naming_file.read_text(encoding="utf-8"))
            counts, votes = (np.asarray(known[n], np.int64) for n in ("counts", "votes"))
        except (OSError, ValueError, KeyError, TypeError):
            return None
        same = known.get("classes") == list(meaning.names)
        fits = counts.shape == votes.shape == (len(meaning.classes), self.clusters)
        return Counts([counts], votes) if same and fits else None

    def keep(self, meaning: Meaning, counts: Counts | None, expected_score: float | None) -> None:
        """Write `classes.yaml`, `naming.json` and the picture of the tree; say what they hold."""
        known: Json = {"head": meaning.head, "classes": list(meaning.names)}
        if counts is not None:
            known |= {
                "source": self.place.source,
                "points": None if self.points is None else str(self.points.resolve()),
                "images": self.data.images,
                "counts": counts.whole,
                "votes": counts.votes,
                "expected_accuracy": expected_score,
            }
        else:
            known |= self._named_by(meaning)
        write_json(self.run.naming_file, known)
        meaning.write(self.run.classes_file)
        self.draw_tree(meaning if meaning.head == self.head else None)

    def _named_by(self, meaning: Meaning) -> Json:
        """The images whose labels named some of these classes before their names were edited."""
        try:
            before = json.loads(self.run.naming_file.read_text(encoding="utf-8"))
            shared = set(before["classes"]) & set(meaning.names)
            return {n: before[n] for n in ("source", "points", "images")} if shared else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def draw_tree(self, meaning: Meaning | None) -> Path:
        """Draw the tree, with the classes of its clusters where they have any."""
        path = self.run.pictures / "tree.png"
        path.parent.mkdir(exist_ok=True)
        colours, names = None, [f"{c}" for c in range(self.clusters)]
        if meaning is not None:
            class_of = meaning.class_of(self.clusters)
            # The last one is of clusters that an edited file leaves out.
            colours = np.concatenate([meaning.colours, [_NO_CLASS]])[class_of]
            guessed = set(meaning.guessed)
            names = [
                f"{c}  {(*meaning.names, '—')[class_of[c]]}{' ?' if c in guessed else ''}"
                for c in range(self.clusters)
            ]
        with replacing(path) as temporary:
            tree_picture(self.tree, names, colours).save(temporary)
        return path

    def suggestions(self, count: int, counts: Counts | None) -> list[Suggestion]:
        """Where to label next."""
        if count < 1:
            raise expected("at least 1 suggestion", count, "suggest")
        shares = shares_of(self.views, self.clusters)
        return suggest(self.views, shares, count, None if counts is None else counts.votes)

    def write_suggestions(self, found: list[Suggestion]) -> Path:
        """Write them as a table that `--points` takes once its classes are filled in."""
        path = self.run.folder / SUGGESTIONS
        whole = self.data.unit == "images"
        place = [] if whole else ["row", "column"]
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as f:
            writer = csv.writer(f)
            writer.writerow(["image", *place, "class", "cluster", "reason"])
            for one in found:
                where = [] if whole else [one.row, one.column]
                writer.writerow([one.image, *where, "", one.cluster, one.reason])
        return path


def lines_of(meaning: Meaning, shares: Any) -> list[str]:
    """What clusters mean, a line a class, and what was guessed."""
    lines = []
    for one in meaning.classes:
        part = own = ""
        if shares is not None:
            part = f"  {sum(float(shares[c]) for c in one.clusters):5.1%}"
        if meaning.head not in (LINEAR, FINE_TUNED):
            own = f"  clusters {', '.join(map(str, one.clusters)) or 'none'}"
        lines.append(f"  {one.number:3} {one.name:24}{part}{own}".rstrip())
    if meaning.guessed:
        lost = 0.0 if shares is None else sum(float(shares[c]) for c in meaning.guessed)
        told = ", ".join(map(str, meaning.guessed))
        lines.append(
            f"without a label or name: clusters {told} ({lost:.1%} of everything); they have the "
            "class of the nearest in the tree"
        )
    empty = [one.name for one in meaning.classes if not one.clusters]
    if empty:
        lines.append(f"note: no cluster means {', '.join(empty)}: maps will not have it")
    return lines
