"""Checkpoints of a run: all that the next epoch needs, there whole or not at all.

RUN/checkpoints/epoch-0007/
  model.keras   weights, optimiser, how it was compiled
  state.json    the epoch, and a row of figures for each one so far
  arrays.npz    what else must go on, as the film of the clusters
  sums.json     SHA-256 of the above

The last two are kept: where the newest is damaged, the run goes on from the one before.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import plain_json

KEPT = 2
"""Checkpoints of which the older ones are deleted."""

PREFIX = "epoch-"

FORM = 2
"""Of what is written: since 2 each part of a model has an optimiser of its own."""


@dataclass(frozen=True)
class Checkpoint:
    """One that was found whole."""

    folder: Path
    epoch: int
    rows: list[Json]
    arrays: dict[str, NDArray[Any]]
    form: int

    @property
    def model(self) -> Path:
        return self.folder / "model.keras"


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints in a folder."""

    folder: Path

    def save(
        self,
        epoch: int,
        save_model: Callable[[Path], None],
        rows: list[Json],
        arrays: Mapping[str, NDArray[Any]],
    ) -> None:
        """Write the checkpoint after an epoch, then delete the oldest.

        All is written beside its place, to the disk, and put there by a rename: whatever happens
        meanwhile leaves the earlier ones as they are.

        Raises:
            OSError: a full disk, say; nothing of the new one is left.
        """
        with replacing(self.folder / f"{PREFIX}{epoch:04d}", durable=True) as temporary:
            temporary.mkdir()
            save_model(temporary / "model.keras")
            np.savez(temporary / "arrays.npz", **dict[str, Any](arrays))
            state = {"form": FORM, "epoch": epoch, "rows": rows}
            (temporary / "state.json").write_text(plain_json(state), encoding="utf-8")
            sums = {file.name: _sum_of(file) for file in sorted(temporary.iterdir())}
            (temporary / "sums.json").write_text(plain_json(sums), encoding="utf-8")
        for old in self._found()[:-KEPT]:
            shutil.rmtree(old, ignore_errors=True)

    def newest(self, say: Callable[[str], None]) -> Checkpoint | None:
        """The newest that is whole, or None; tells of those that are damaged."""
        for folder in reversed(self._found()):
            try:
                return _read(folder)
            except Exception as error:
                # What somebody else wrote may have any form and be missing anything.
                said = str(error)[:200] or type(error).__name__
                say(f"{folder} is damaged ({said}): looking for an earlier one")
        return None

    def of_epoch(self, epoch: int) -> Checkpoint | None:
        """That of an epoch, 1 for the first; None where it is gone or damaged."""
        try:
            return _read(self.folder / f"{PREFIX}{epoch:04d}")
        except Exception:
            return None

    def delete_after(self, epoch: int) -> None:
        """Delete damaged checkpoints behind an epoch, and what was being written when killed."""
        for folder in self._found():
            if int(_number(folder)) > epoch:
                shutil.rmtree(folder)
        for folder in self.folder.glob(f".{PREFIX}*"):
            shutil.rmtree(folder)

    def _found(self) -> list[Path]:
        folders = (f for f in self.folder.glob(f"{PREFIX}*") if f.is_dir())
        return sorted((f for f in folders if _number(f).isdigit()), key=lambda f: int(_number(f)))


def _number(folder: Path) -> str:
    return folder.name.removeprefix(PREFIX)


def _read(folder: Path) -> Checkpoint:
    sums = json.loads((folder / "sums.json").read_text(encoding="utf-8"))
    for name in ("model.keras", "state.json", "arrays.npz"):
        if _sum_of(folder / name) != sums[name]:
            raise ValueError(f"{name} is not what was written")
    state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
    with np.load(folder / "arrays.npz") as file:
        arrays = {name: file[name] for name in file.files}
    epoch, rows, form = int(state["epoch"]), state["rows"], int(state.get("form", 1))
    if len(rows) != epoch or not all(isinstance(row, dict) for row in rows):
        raise ValueError("not a row of figures for each epoch")
    return Checkpoint(folder, epoch, rows, arrays, form)


def _sum_of(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
