"""The run folder: what a training leaves behind, and how it is read again.

RUN/
  config.json        the recipe's values, the data set and how to load it again, seed, versions
  metrics.csv        a row an epoch: losses with their bounds, cluster shares, seconds
  log.txt            what was shown on the screen
  training.json      what was typed, the machine, speed and memory (`training_facts.py`)
  found.json         how much of the windows in found.png holds no data, how sure the model is
  report.html        all of this on one page (`iic-tf report`)
  events/            the same figures for TensorBoard
  checkpoints/       the last two epochs with all that the next one needs (`checkpoints.py`)
  best.keras         the model of the epoch with the lowest unsupervised loss, or the last
                     epoch's, as its method says
  trunk.keras        the trunk as it was before, where it is a Keras model of somebody else's
  pictures/          losses and cluster shares by epoch; what the clusters look like: found.png of
                     scenes, or confident.png, bars.png, joint.png and circle.gif of whole images
  classes.yaml       what the clusters mean, once `iic-tf label` has run; with linear.npz and
                     fine_tuned.keras where a classifier was fitted (`meaning.py`, `label.py`)
  naming.json        the labels that it went by
  tree.json          which clusters are merged in which order (`cluster_tree_file.py`)
  agreement.json     how far it agrees with other runs, once `iic-tf agree` has run
  evaluation.json    scores, once `iic-tf evaluate` has run; with confusion pictures
                     and, of whole images, the above with the true classes
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected
from iic_tf.training.atomic import clear_left
from iic_tf.training.json_files import write_json
from iic_tf.training.model_file import load_model
from iic_tf.training.run_config import read_config
from iic_tf.training.run_lock import LOCK
from iic_tf.training.seeds_file import answering, is_of_seeds


def _files(folder: Path) -> list[Path]:
    """What is in a folder, besides the lock of who is about to write there."""
    return [inner for inner in folder.iterdir() if inner.name != LOCK]


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
    def facts_file(self) -> Path:
        return self.folder / "training.json"

    @property
    def found_file(self) -> Path:
        return self.folder / "found.json"

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
    def trunk_file(self) -> Path:
        return self.folder / "trunk.keras"

    @property
    def pictures(self) -> Path:
        return self.folder / "pictures"

    @property
    def evaluation_file(self) -> Path:
        return self.folder / "evaluation.json"

    @property
    def agreement_file(self) -> Path:
        return self.folder / "agreement.json"

    @property
    def classes_file(self) -> Path:
        return self.folder / "classes.yaml"

    @property
    def naming_file(self) -> Path:
        return self.folder / "naming.json"

    @property
    def tree_file(self) -> Path:
        return self.folder / "tree.json"

    @property
    def linear_file(self) -> Path:
        return self.folder / "linear.npz"

    @property
    def fine_tuned(self) -> Path:
        return self.folder / "fine_tuned.keras"

    def clear_left(self) -> None:
        """Delete temporary files that killed processes left."""
        export = self.folder / "export"
        folders = (self.folder, self.checkpoints, self.pictures, export, export / "savedmodel")
        clear_left(*folders)

    @classmethod
    def create(cls, folder: str | Path, config: Json, overwrite: bool = False) -> Run:
        """Make a new run folder and write its configuration.

        Raises:
            InputError: the folder exists and is not empty (unless `overwrite`), or can't be made.
        """
        path = Path(folder)
        if cls.check_free(path, overwrite):
            for inner in _files(path):
                if inner.is_dir() and not inner.is_symlink():
                    shutil.rmtree(inner)
                else:
                    inner.unlink()
        try:
            for part in (path, path / "checkpoints", path / "pictures"):
                part.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"Expected a folder to write to; received {path}: {error}.") from error
        run = cls(path)
        write_json(run.config_file, config)
        return run

    @classmethod
    def check_free(cls, path: Path, overwrite: bool = False) -> bool:
        """Whether there are files of an earlier run, which may be replaced.

        Raises:
            InputError: they may not, or are those of something else.
        """
        if not path.exists() or (path.is_dir() and not _files(path)):
            return False
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
        return True

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """An existing run; of a folder of several seeds the one that answers for them.

        Raises:
            InputError: no such folder, or it holds no run.
        """
        run = cls(Path(folder))
        if is_of_seeds(run.folder):
            run = cls(answering(run.folder))
        if not run.folder.is_dir():
            raise expected("the folder of a run (iic-tf train --out ...)", str(folder), "run")
        if not run.config_file.is_file():
            raise InputError(f"Expected a run folder with a config.json; received {folder}.")
        return run

    def config(self) -> Json:
        """The configuration as written when the run began.

        Raises:
            InputError: it cannot be read, or is of another form.
        """
        return read_config(self.config_file)

    def load_best(self, compiled: bool = True) -> Any:
        """The model that is kept: of the epoch with the lowest loss, or of the last one.

        Args:
            compiled: whether with its optimisers.

        Raises:
            InputError: training has not finished an epoch, or the file is damaged.
        """
        if not self.best.is_file():
            raise InputError(
                f"Expected a trained model in {self.best}; received none: no epoch was finished."
            )
        return load_model(self.best, compiled)
