"""What a run's clusters mean, in a file that people read and edit: RUN/classes.yaml.

    # What the clusters of this run mean ...
    head: overclustering
    model: 0f1e2d3c4b5a
    classes:
      road: {number: 0, show: "#3c1098", clusters: [0, 3, 7]}
      forest: {number: 1, show: "#2e8b57", clusters: [1, 2]}
    guessed: [7]

- `head`: whose clusters the numbers are: `main`, `overclustering`, or the outputs of a classifier
  that labels were fitted to, `linear` or `fine-tuned`; left out: those of the head with the most.
- `model`: of which model or classifier; left out: of whichever the run has.
- `classes`: two or more by name, with the number that stands for each in label files and exports
  (0 to 254; left out: its place in the file), the colour of pictures (left out: chosen), and its
  clusters.
- `guessed`: clusters that no label touched, which have the class of the nearest in the tree.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts
from iic_tf.data.yaml_file import read_yaml
from iic_tf.errors import InputError, expected
from iic_tf.pictures import palette
from iic_tf.training.atomic import replacing
from iic_tf.training.run import Run
from iic_tf.turns import MAIN, OVERCLUSTERING

LINEAR, FINE_TUNED = "linear", "fine-tuned"
NAMED_HEADS = (MAIN, OVERCLUSTERING, LINEAR, FINE_TUNED)
MOST_NUMBER = 254
"""The largest class number: 255 stands for no data."""

_EXAMPLE = 'road: {show: "#3c1098", clusters: [0, 3]}'
_HEADER = (
    "# What the clusters of this run mean, written by iic-tf label. Names, colours, numbers and\n"
    "# clusters may be edited: predict, evaluate and export go by this file.\n"
)


@dataclass(frozen=True)
class NamedClass:
    """One class.

    Attributes:
        name: the class's.
        number: 0 to 254, what stands for it in label files and exports.
        colour: red, green, blue, each 0 to 255.
        clusters: numbers of the clusters that mean it.
    """

    name: str
    number: int
    colour: tuple[int, int, int]
    clusters: tuple[int, ...]


@dataclass(frozen=True)
class Meaning:
    """What the clusters of a head mean.

    Attributes:
        head: one of `NAMED_HEADS`.
        classes: at least two, with names and numbers of their own.
        guessed: clusters that no label touched.
        model: which model's they are, see `model_mark`; None: of whichever the run has.

    Raises:
        InputError: fewer than two classes, a name, number or cluster that comes twice, or one out
            of range.
    """

    head: str
    classes: tuple[NamedClass, ...]
    guessed: tuple[int, ...] = ()
    model: str | None = None

    def __post_init__(self) -> None:
        if self.head not in NAMED_HEADS:
            raise expected(f"head as one of {', '.join(NAMED_HEADS)}", self.head, "head")
        if len(self.classes) < 2:
            raise expected("at least 2 classes", len(self.classes))
        _require_once("name", [c.name for c in self.classes])
        _require_once("number", [c.number for c in self.classes])
        _require_once("cluster", [n for c in self.classes for n in c.clusters])
        for one in self.classes:
            if not 0 <= one.number <= MOST_NUMBER:
                wanted = f"a number from 0 to {MOST_NUMBER} of class '{one.name}'"
                raise expected(wanted, one.number, "number")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(c.name for c in self.classes)

    @property
    def colours(self) -> NDArray[np.uint8]:
        """Uint8 `[classes, 3]`."""
        return np.array([c.colour for c in self.classes], np.uint8)

    @property
    def numbers(self) -> NDArray[np.int32]:
        """Int32 `[classes]`."""
        return np.array([c.number for c in self.classes], np.int32)

    def class_of(self, clusters: int) -> NDArray[np.int64]:
        """The class of each of so many clusters, int64 `[clusters]`; −1: it is in none.

        Raises:
            InputError: a class has a cluster that is not among so many.
        """
        found = np.full(clusters, -1, np.int64)
        for index, one in enumerate(self.classes):
            for cluster in one.clusters:
                if not 0 <= cluster < clusters:
                    raise InputError(
                        f"Expected clusters 0 to {clusters - 1} of the {self.head} head; received "
                        f"{cluster} in class '{one.name}'."
                    )
                found[cluster] = index
        return found

    def of_classes(self, classes: NDArray[np.integer], guessed: tuple[int, ...]) -> Meaning:
        """The same classes with these clusters, `[clusters]` the index of the class of each."""
        changed = tuple(
            replace(one, clusters=tuple(int(n) for n in np.flatnonzero(classes == index)))
            for index, one in enumerate(self.classes)
        )
        return replace(self, classes=changed, guessed=guessed)

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all."""
        lines = [_HEADER, f"head: {self.head}\n"]
        if self.model is not None:
            lines.append(f'model: "{self.model}"\n')
        lines.append("classes:\n")
        for one in self.classes:
            # JSON's text is YAML's, but for letters that cannot be printed, which YAML refuses or
            # takes for ends of lines.
            name = json.dumps(one.name, ensure_ascii=not one.name.isprintable())
            colour = bytes(one.colour).hex()
            clusters = ", ".join(map(str, one.clusters))
            lines.append(
                f'  {name}: {{number: {one.number}, show: "#{colour}", clusters: [{clusters}]}}\n'
            )
        if self.guessed:
            lines.append(f"guessed: [{', '.join(map(str, self.guessed))}]\n")
        with replacing(path) as temporary:
            temporary.write_text("".join(lines), encoding="utf-8")


def read_meaning(path: str | Path, head: str = OVERCLUSTERING) -> Meaning:
    """Read such a file.

    Args:
        path: the file.
        head: whose clusters they are where the file does not say.

    Raises:
        DataMissingError: there is none.
        InputError: it is no YAML, or has a mistake; the message names file and key.
    """
    path = Path(path)
    where = f"'{path}'"
    values = read_yaml(path, "a file of named classes (YAML)", _EXAMPLE)
    top = _mapping(values, where, {"head", "model", "classes", "guessed"})
    entries = top.get("classes")
    if not isinstance(entries, dict) or len(entries) < 2:
        raise InputError(
            f"In {where}, classes: Expected at least 2 classes, such as {_EXAMPLE}; "
            f"received {entries!r}."
        )
    try:
        classes = tuple(
            _class(name, entry, place, len(entries))
            for place, (name, entry) in enumerate(entries.items())
        )
        head, model = top.get("head", head), top.get("model")
        guessed = _numbers(top.get("guessed", []), "guessed")
        return Meaning(str(head), classes, guessed, None if model is None else str(model))
    except InputError as error:
        raise InputError(f"In {where}: {error}") from error


def model_mark(run: Run) -> str:
    """What tells a run's kept model from others: the start of its file's SHA-256.

    Raises:
        InputError: the run has no model.
    """
    if not run.best.is_file():
        raise InputError(
            f"Expected a trained model in {run.best}; received none: no epoch was finished."
        )
    return start_of_hash(run.best)


def head_mark(run: Run, head: str) -> str:
    """The same of what makes a head's clusters: of a classifier its own file.

    Raises:
        InputError: there is no model or no classifier.
    """
    if head not in (LINEAR, FINE_TUNED):
        return model_mark(run)
    if not run.linear_file.is_file():
        raise InputError(f"Expected a fitted classifier in {run.linear_file}; received none.")
    return start_of_hash(run.linear_file)


def start_of_hash(path: Path) -> str:
    """The first twelve digits of a file's SHA-256."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _class(name: object, entry: object, place: int, count: int) -> NamedClass:
    if not isinstance(name, str) or not name.strip():
        raise expected("class names as text (put it in quotes)", repr(name))
    values = _mapping(entry, f"class '{name}'", {"number", "show", "clusters"})
    number = values.get("number", place)
    if isinstance(number, bool) or not isinstance(number, int):
        raise expected(f"a whole number of class '{name}'", number, "number")
    colour = _colour(values["show"], name) if "show" in values else _chosen(place, count)
    clusters = _numbers(values.get("clusters", []), f"clusters of '{name}'")
    return NamedClass(name, number, colour, clusters)


def _chosen(place: int, count: int) -> tuple[int, int, int]:
    red, green, blue = palette(count)[place].tolist()
    return red, green, blue


def _colour(value: object, name: str) -> tuple[int, int, int]:
    text = value.removeprefix("#") if isinstance(value, str) else ""
    try:
        red, green, blue = bytes.fromhex(text)
    except ValueError as error:
        raise expected(f"a colour \"#RRGGBB\" in quotes of class '{name}'", repr(value)) from error
    return red, green, blue


def _numbers(value: object, what: str) -> tuple[int, ...]:
    fits = isinstance(value, list) and all(
        isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in value
    )
    if not fits:
        raise expected(f"{what} as numbers in square brackets", repr(value))
    assert isinstance(value, list)
    return tuple(value)


def _mapping(value: object, where: str, allowed: set[str]) -> Facts:
    keys = ", ".join(sorted(allowed))
    if not isinstance(value, dict):
        raise InputError(f"In {where}: Expected a mapping with the keys {keys}; received {value}.")
    unknown = [str(key) for key in value if key not in allowed]
    if unknown:
        raise InputError(f"In {where}: Expected the keys {keys}; received '{unknown[0]}'.")
    return value


def _require_once(what: str, found: list[Any]) -> None:
    twice = [one for one in found if found.count(one) > 1]
    if twice:
        raise expected(f"each {what} in one class", f"{twice[0]} in several")
