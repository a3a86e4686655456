"""The run folder: what a training leaves behind, and how it is read again.

RUN/
  config.json        the recipe's values, the data set and how to load it again, seed, versions
  metrics.csv        a row an epoch: losses with their bounds, cluster shares, seconds
  log.txt            what was shown on the screen
  events/            the same figures for TensorBoard
  checkpoints/       the last two epochs with all that the next one needs (`checkpoints.py`)
  best.keras         the model of the epoch with the lowest unsupervised loss
  pictures/          losses and cluster shares by epoch; what the clusters look like: found.png of
                     scenes, or confident.png, bars.png, joint.png and circle.gif of whole images
  evaluation.json    scores, once `iic-tf evaluate` has run; with confusion pictures
                     and, of whole images, the above with the true classes
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.errors import InputError, expected
from iic_tf.training.recipe import Recipe
from iic_tf.training.recipe_files import recipe_of


@dataclass(frozen=True)
class Run:
    """A run folder by its path."""

    folder: Path

    @property
    def config_file(self) -> Path:
        return self.folder / "config.json"

    @property
    def metrics_file(self) -> Path:
        return self.folder / "metrics.csv"

    @property
    def log_file(self) -> Path:
        return self.folder / "log.txt"

    @property
    def events(self) -> Path:
        return self.folder / "events"

    @property
    def checkpoints(self) -> Path:
        return self.folder / "checkpoints"

    @property
    def best(self) -> Path:
        return self.folder / "best.keras"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def evaluation_file(self) -> Path:
        return self.folder / "evaluation.json"

    @classmethod
    def create(cls, folder: str | Path, config: dict[str, Any], overwrite: bool = False) -> Run:
        """Make a new run folder and write its configuration.

        Raises:
            InputError: the folder exists and is not empty (unless `overwrite`), or can't be made.
        """
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            if not overwrite:
                raise InputError(
                    f"Expected a new or empty run folder; received {path}, which holds files. "
                    "Choose another --out, or replace it with --overwrite."
                )
            if not (path / "config.json").is_file():
                raise InputError(
                    f"Expected a run folder to overwrite; received {path}, which holds no "
                    "config.json. Nothing was deleted."
                )
            shutil.rmtree(path)
        try:
            for part in (path, path / "checkpoints", path / "pictures"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"Expected a folder to write to; received {path}: {error}.") from error
        run = cls(path)
        write_json(run.config_file, config)
        return run

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run.

        Raises:
            InputError: no such folder, or it holds no run.
        """
        run = cls(Path(folder))
        if not run.folder.is_dir():
            raise expected("the folder of a run (iic-tf train --out ...)", str(folder), "run")
        if not run.config_file.is_file():
            raise InputError(f"Expected a run folder with a config.json; received {folder}.")
        return run

    def config(self) -> dict[str, Any]:
        """The configuration as written when the run began."""
        try:
            return dict(json.loads(self.config_file.read_text(encoding="utf-8")))
        except (ValueError, OSError) as error:
            raise InputError(
                f"Expected a readable configuration; received {self.config_file}: {error}."
            ) from error

    def recipe(self) -> Recipe:
        """The recipe's values of this run."""
        return recipe_of(self.config()["recipe"])

    def load_best(self) -> Any:
        """The model of the epoch with the lowest unsupervised loss.

        Raises:
            InputError: training has not finished an epoch, or the file is damaged.
        """
        import keras

        import iic_tf  # noqa: F401 (registers the classes)

        if not self.best.is_file():
            raise InputError(
                f"Expected a trained model in {self.best}; received none: no epoch was finished."
            )
        try:
            return keras.models.load_model(self.best)
        except (ValueError, OSError, KeyError) as error:
            raise InputError(
                f"Expected a readable model in {self.best}; received {error}."
            ) from error


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write to a temporary file beside `path`, which replaces it only once it is whole.

    The temporary name keeps the suffix: Keras chooses the format by it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        prefix=f".{path.stem}-", suffix="".join(path.suffixes[-1:]), dir=path.parent
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        open_to_all(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def open_to_all(path: Path) -> None:
    """Give what mkstemp or mkdtemp made, which only its owner may read, the usual permissions."""
    mask = os.umask(0)
    os.umask(mask)
    path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)


def write_json(path: Path, values: Any) -> None:
    """Write JSON, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(plain_json(values), encoding="utf-8")


def plain_json(values: Any) -> str:
    """JSON of values that may be NumPy's or paths."""
    return json.dumps(values, indent=2, default=_plain) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")
