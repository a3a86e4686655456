"""Which data a run is evaluated on: those of its training, or others; and where that is written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iic_tf.annotations import Facts, Json
from iic_tf.data.registry import absolute
from iic_tf.errors import InputError
from iic_tf.training.run import Run

EVALUATION = "evaluation.json"


@dataclass(frozen=True)
class Place:
    """Data, and where their scores go.

    Attributes:
        source: values of the data set.
        folder: where `evaluation.json` goes.
        pictures: where pictures go.
        notes: what the user has to know of it, a line each.
    """

    source: Json
    folder: Path
    pictures: Path
    notes: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        """Where the scores go."""
        return self.folder / EVALUATION


def place_of(run: Run, given: Facts) -> Place:
    """The data of the training, or others that are given; each have a place of their own in a run.

    What is given of masks, class file and patterns goes before that of the training; what is not
    stays. Masks within the folder of the training are looked for at the same place within the other
    one, if there are any.

    Args:
        run: a trained run.
        given: values by the names of the data set's options.
    """
    source = run.config()["source"]
    given = {name: value for name, value in given.items() if value is not None}
    own, other = absolute(source.get("data")), absolute(given.get("data"))
    if other is None or other == own:
        return Place({**source, **given}, run.folder, run.pictures)
    kept = {name: value for name, value in source.items() if name not in given}
    masks = _moved(kept.get("masks"), own, other)
    place = {**source, **given, **({"masks": masks} if "masks" in kept else {})}
    known = ("masks", "class_file", "image_glob", "mask_glob", "bands")
    used = [
        f"--{name.replace('_', '-')} {place[name]}"
        for name in known
        if name in kept and place[name]
    ]
    notes = [f"as in training: {', '.join(used)}; give what does not fit {other} anew"] * bool(used)
    folder = _folder(run, other)
    return Place(place, folder, folder / "pictures", tuple(notes))


def make_folder(folder: Path) -> None:
    """Make a folder, with those that it lies in.

    Raises:
        InputError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Expected a folder to write to; received {folder}: {error}.") from error


def _moved(masks: str | None, own: str | None, other: str) -> str | None:
    """Masks that lie within one folder, within another one."""
    if masks is None or own is None or not Path(masks).is_relative_to(own):
        return masks
    there = Path(other) / Path(masks).relative_to(own)
    return str(there) if there.exists() else masks


def _folder(run: Run, data: str) -> Path:
    """The folder of a data set's scores, named after it; numbered where two have one name."""
    name = Path(data).stem or "data"
    number = 1
    while True:
        folder = run.folder / "evaluations" / (name if number == 1 else f"{name}-{number}")
        if _scored(folder) in (None, data):
            return folder
        number += 1


def _scored(folder: Path) -> str | None:
    """Of which data the scores in a folder are."""
    try:
        found: Any = json.loads((folder / EVALUATION).read_text(encoding="utf-8"))
        return str(found["source"]["data"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
