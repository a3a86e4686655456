"""Which scenes of a folder are done, by what model and with which options: a line for each."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import astuple, dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts, Json
from iic_tf.data.fingerprint import IMAGES, fingerprint
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.errors import InputError
from iic_tf.export.kept_windows import clear_kept
from iic_tf.export.scene_files import files_of
from iic_tf.export.sheet import Panel
from iic_tf.pictures.triplets import TripletRow
from iic_tf.training.atomic import replacing

RECORDS = ".scenes.jsonl"
"""The file, hidden in the folder of the results."""


@dataclass(frozen=True)
class Outcome:
    """What came of a scene.

    Attributes:
        name: the scene's.
        counts: pixels of each label, int64 `[k]`.
        empty: how many pixels hold no data.
        square_metres: of each label, `[k]`; None where nobody knows.
        panels: windows of it on the sheet, where the scene is shown.
        rows: of the sheet, likewise.
        seconds: how long it took.
        error: why there is nothing of it; None where all went well.
        note: what is said of it behind the figures.
        kept: whether an earlier call did it.
    """

    name: str
    counts: NDArray[np.int64]
    empty: int = 0
    square_metres: NDArray[np.float64] | None = None
    panels: tuple[Panel, ...] = ()
    rows: tuple[TripletRow, ...] = ()
    seconds: float = 0.0
    error: str | None = None
    note: str = ""
    kept: bool = False


def image_of(scenes: SceneSet, scene: Scene) -> dict[str, str]:
    """By which an image is told from what it was: names, sizes and times of its files."""
    found = fingerprint(replace(scenes, scenes=(scene,)))[IMAGES]
    return {"sha256": found["sha256"], "times": found["times"]}


class Records:
    """The scenes done in a folder; those of an earlier call, too, if it is to go on.

    Args:
        folder: of the results.
        call: what labels depend on, in words of the options.
        resume: whether an earlier call goes on; else all that it kept is deleted.

    Raises:
        InputError: the earlier call was another one.
    """

    def __init__(self, folder: Path, call: Facts, resume: bool = False):
        self._folder = folder
        self._path = folder / RECORDS
        lines = _lines(self._path) if resume else []
        if lines:
            _require_same(lines[0], call, folder)
        else:
            clear_kept(folder)
        self._done = {line["scene"]: line for line in lines[1:]}
        # Anew, for the last line may be half of one; and a line of each scene, not of each call.
        with replacing(self._path) as temporary:
            parts = (dict(call), *self._done.values())
            temporary.write_text("".join(json.dumps(part) + "\n" for part in parts))

    def find(self, scenes: SceneSet, scene: Scene) -> Outcome | None:
        """What came of a scene, if image and files are as they were then."""
        line = self._done.get(scene.name)
        if line is None or line["image"] != image_of(scenes, scene):
            return None
        if not line["files"] or line["files"] != files_of(self._folder, scene):
            return None
        metres = line["square_metres"]
        return Outcome(
            scene.name,
            np.asarray(line["counts"], np.int64),
            line["empty"],
            None if metres is None else np.asarray(metres, np.float64),
            tuple(Panel(*panel) for panel in line["panels"]),
            kept=True,
        )

    def add(self, scenes: SceneSet, scene: Scene, outcome: Outcome) -> None:
        """A scene is done."""
        metres = outcome.square_metres
        line = {
            "scene": scene.name,
            "image": image_of(scenes, scene),
            "files": files_of(self._folder, scene),
            "counts": outcome.counts.tolist(),
            "empty": outcome.empty,
            "square_metres": None if metres is None else metres.tolist(),
            "panels": [astuple(panel) for panel in outcome.panels],
        }
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def remove(self) -> None:
        """There is nothing to go on with."""
        self._path.unlink()


def digest_of(file: Path) -> str:
    """A file's name and a few digits by which its content is told from others."""
    with file.open("rb") as opened:
        return f"{file.name} ({hashlib.file_digest(opened, 'sha256').hexdigest()[:8]})"


def _lines(path: Path) -> list[Json]:
    """The lines that are whole."""
    found = []
    try:
        for line in path.read_text().splitlines():
            found.append(json.loads(line))
    except (OSError, ValueError):
        pass
    return [line for line in found if isinstance(line, dict)]


def _require_same(old: Facts, new: Facts, folder: Path) -> None:
    different = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    if different:
        told = ", ".join(_told(name, old.get(name), new.get(name)) for name in different)
        raise InputError(
            f"Expected the model and options of the call that goes on in {folder}, with --resume; "
            f"received {told}. Without --resume all is done anew."
        )


def _told(name: str, old: object, new: object) -> str:
    if len(f"{old}{new}") > 100 or not name.startswith("--"):
        return f"another {name}" if new else f"no {name}"
    return f"{name} {new} in place of {old}"
