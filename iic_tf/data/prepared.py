"""The well-known data sets as tensorflow-datasets keeps them, where it has them or may fetch them.

That package retries for minutes where there is no network. So it is not asked before it is known
that the data are there, or that the publisher's server answers.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.image_set import ImageSet
from iic_tf.data.registry import IMAGES, dataset_names, source_class
from iic_tf.errors import DataMissingError, InputError, expected

PATIENCE = 5.0
"""Seconds that a publisher's server has for its first answer."""


@dataclass(frozen=True)
class Kept:
    """How tensorflow-datasets calls a data set and its parts.

    Attributes:
        builder: its name there.
        class_names: where none were stored with the data.
        label: the feature that is the class.
        labelled, extra: the parts with labels, and those without.
    """

    builder: str
    class_names: tuple[str, ...]
    label: str = "label"
    labelled: str = "train+test"
    extra: str | None = None


def load_prepared(
    name: str, data_dir: str | Path | None = None, download: bool = False
) -> ImageSet:
    """A data set that tensorflow-datasets has prepared; training images first.

    Its order is that of tensorflow-datasets' files, not that of the original ones, and the same
    each time. Everything is read into memory: with its unlabelled part, STL-10 takes 3.2 GB.

    Args:
        name: of a data set that has `kept`.
        data_dir: the folder of tensorflow-datasets. None: its own default, the environment variable
            TFDS_DATA_DIR or else `~/tensorflow_datasets`.
        download: let tensorflow-datasets download and prepare the data set there, if it has not.

    Raises:
        DataMissingError: it is not prepared and must not, or cannot, be downloaded; known within
            `PATIENCE` seconds.
        InputError: another name, or the prepared files cannot be read.
    """
    known = {n: k for n in dataset_names(IMAGES) if (k := getattr(source_class(n), "kept", None))}
    if name not in known:
        raise expected(f"one of {', '.join(known)}", name, "name")
    kept: Kept = known[name]
    root = default_data_dir() if data_dir is None else Path(data_dir).expanduser()
    if newest_version(root, kept.builder) is None:
        if not download:
            raise DataMissingError(
                f"Expected data set '{name}' prepared by tensorflow-datasets in "
                f"'{root / kept.builder}'; received nothing there, and no leave to download it."
            )
        _download(name, kept, root)
    version = newest_version(root, kept.builder)
    if version is None:
        raise DataMissingError(
            f"Expected tensorflow-datasets to have prepared '{root / kept.builder}'; received none."
        )
    try:
        with _quiet():
            return _read(name, kept, version)
    except InputError:
        raise
    except Exception as error:
        # Damaged records raise TensorFlow's errors, damaged descriptions almost anything.
        reason = " ".join(str(error).split())[:200]
        raise InputError(
            f"Expected a data set prepared by tensorflow-datasets in '{version}'; received files "
            f"that cannot be read ({reason}). Delete that folder and prepare it anew."
        ) from error


def default_data_dir() -> Path:
    """Where tensorflow-datasets keeps its data unless told else."""
    # As it does itself; it is not asked, because importing it takes longer than looking.
    return Path(os.environ.get("TFDS_DATA_DIR", "~/tensorflow_datasets")).expanduser()


def newest_version(root: Path, builder: str) -> Path | None:
    """The folder of the newest version that is prepared, or None."""

    def number(folder: Path) -> tuple[int, ...]:
        return tuple(int(part) for part in folder.name.split("."))

    found = [f.parent for f in (root / builder).glob("*.*.*/dataset_info.json")]
    whole = [f for f in found if all(part.isdigit() for part in f.name.split("."))]
    return max(whole, key=number, default=None)


def answers(url: str, patience: float = PATIENCE) -> str | None:
    """None if a server answers for this address within `patience` seconds, else what went wrong."""
    outcome: list[str | None] = []

    def ask() -> None:
        try:
            request = urllib.request.Request(url, method="HEAD")
            with urllib.request.urlopen(request, timeout=patience):
                outcome.append(None)
        except Exception as error:  # No route, no name, a refusal, or no sense in the answer.
            outcome.append(str(getattr(error, "reason", error)) or type(error).__name__)

    # In a thread, because looking a name up knows no time limit.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(patience)
    return outcome[0] if outcome else f"no answer within {patience:g} s"


def _download(name: str, kept: Kept, root: Path) -> None:
    with _quiet():
        import tensorflow_datasets as tfds

        builder: Any = tfds.builder(kept.builder, data_dir=str(root))
        url = min(builder.url_infos)
        wrong = answers(url)
        if wrong is None:
            config = tfds.download.DownloadConfig(try_download_gcs=False)
            try:
                builder.download_and_prepare(download_config=config)
                return
            except Exception as error:
                # The network, the disk, the checksums: whatever it is, the data are not there.
                wrong = " ".join(str(error).split())[:200] or type(error).__name__
    raise DataMissingError(
        f"Expected to download data set '{name}' from '{url}' by tensorflow-datasets into "
        f"'{root}'; received: {wrong}."
    )


def _read(name: str, kept: Kept, version: Path) -> ImageSet:
    import tensorflow_datasets as tfds

    builder: Any = tfds.builder_from_directory(str(version))
    label: Any = builder.info.features[kept.label]
    images, labels = _part(builder, kept.labelled, kept.label)
    extra = None
    if kept.extra is not None and kept.extra in builder.info.splits:
        extra, _ = _part(builder, kept.extra, None)
    return ImageSet(name, images, labels, _names(kept, label.names), extra)


def _names(kept: Kept, stored: list[str]) -> tuple[str, ...]:
    # Where names were not stored with the data, tensorflow-datasets gives numbers for them.
    numbers = all(entry.isdigit() for entry in stored)
    return kept.class_names if numbers else tuple(stored)


def _part(
    builder: Any, split: str, label: str | None
) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    count = sum(builder.info.splits[part].num_examples for part in split.split("+"))
    images = np.empty((count, *builder.info.features["image"].shape), np.uint8)
    labels = np.zeros(count, np.int32)
    done = 0
    for batch in builder.as_dataset(split=split, batch_size=1000).as_numpy_iterator():
        here = slice(done, done + len(batch["image"]))
        images[here] = batch["image"]
        if label is not None:
            labels[here] = batch[label]
        done = here.stop
    return images, labels


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings about folders that are not there yet, which we tell ourselves."""
    logger = logging.getLogger("absl")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
