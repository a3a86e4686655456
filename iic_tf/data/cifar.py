"""CIFAR-10, and CIFAR-100 by its 20 superclasses, from their original files.

60,000 colour photographs of 32 x 32 pixels each (Krizhevsky, Learning Multiple Layers of Features
from Tiny Images, 2009). The publisher hands them out as pickles and as binary files::

    cifar-10-batches-py/   data_batch_1 ... data_batch_5  test_batch  batches.meta
    cifar-10-batches-bin/  data_batch_1.bin ... data_batch_5.bin  test_batch.bin  batches.meta.txt
    cifar-100-python/      train  test  meta
    cifar-100-binary/      train.bin  test.bin  coarse_label_names.txt

An image is 3072 bytes: the red, green and blue plane, row by row. In binary files its labels stand
before it: one byte, or coarse and fine label of CIFAR-100. How many images a file holds is told
from the file, so that smaller copies in the same form are read, too.

They are read here because tensorflow-datasets 4.9.10 takes only the packed binary version, by its
checksum, and writes copies of it; a folder that is unpacked sends it to the network. Its own reader
knows no pickles, and each of the files must be there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.image_set import ImageSet
from iic_tf.data.original_files import existing_folder, inside
from iic_tf.data.prepared import Kept
from iic_tf.data.published import Published
from iic_tf.data.registry import IMAGES, dataset
from iic_tf.data.safe_pickle import read_pickle
from iic_tf.errors import DataMissingError, InputError

_PUBLISHER = "from Alex Krizhevsky's page 'The CIFAR-10 dataset' (University of Toronto)"
FETCH = {
    "cifar10": (
        f"Fetch 'CIFAR-10 python version' {_PUBLISHER} and unpack it: cifar-10-batches-py with "
        "data_batch_1 to data_batch_5, test_batch and batches.meta."
    ),
    "cifar100-20": (
        f"Fetch 'CIFAR-100 python version' {_PUBLISHER} and unpack it: cifar-100-python with "
        "train, test and meta."
    ),
}
"""What to fetch, from whom, and where to: by the data set's name."""

CIFAR10_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
CIFAR100_20_NAMES = (
    "aquatic_mammals",
    "fish",
    "flowers",
    "food_containers",
    "fruit_and_vegetables",
    "household_electrical_devices",
    "household_furniture",
    "insects",
    "large_carnivores",
    "large_man-made_outdoor_things",
    "large_natural_outdoor_scenes",
    "large_omnivores_and_herbivores",
    "medium_mammals",
    "non-insect_invertebrates",
    "people",
    "reptiles",
    "small_mammals",
    "trees",
    "vehicles_1",
    "vehicles_2",
)
_SIDE = 32
_BYTES = 3 * _SIDE * _SIDE
_TRAIN10 = tuple(f"data_batch_{i}" for i in range(1, 6))

Part = tuple[NDArray[np.uint8], NDArray[np.int32]]


def load_cifar10(folder: str | Path) -> ImageSet:
    """All images, those for training first, in the files' order: 60,000 in the full set.

    Of the two parts (five training files, one test file) one may be missing altogether.

    Args:
        folder: `cifar-10-batches-py`, `cifar-10-batches-bin`, or the folder one of them lies in;
            the pickles are taken where both are there.

    Raises:
        DataMissingError: the folder is not there, none of the files is, or some of the training
            files are not.
        InputError: a file is damaged or refused (`iic_tf.data.safe_pickle`).
    """
    return _load(
        "cifar10",
        folder,
        {"cifar-10-batches-py": "", "cifar-10-batches-bin": ".bin"},
        (_TRAIN10, ("test_batch",)),
        "labels",
        ("batches.meta", "label_names"),
        CIFAR10_NAMES,
    )


def load_cifar100_20(folder: str | Path) -> ImageSet:
    """CIFAR-100 with the 20 superclasses as labels, training images first: 60,000 in the full set.

    One of the two parts may be missing.

    Args:
        folder: `cifar-100-python`, `cifar-100-binary`, or the folder one of them lies in.

    Raises:
        DataMissingError: the folder is not there, or none of the files.
        InputError: a file is damaged or refused (`iic_tf.data.safe_pickle`).
    """
    return _load(
        "cifar100-20",
        folder,
        {"cifar-100-python": "", "cifar-100-binary": ".bin"},
        (("train",), ("test",)),
        "coarse_labels",
        ("meta", "coarse_label_names"),
        CIFAR100_20_NAMES,
    )


def _load(
    name: str,
    folder: str | Path,
    layouts: dict[str, str],
    parts: Sequence[Sequence[str]],
    labels: str,
    meta: tuple[str, str],
    names: tuple[str, ...],
) -> ImageSet:
    folder = existing_folder(folder, FETCH[name])
    files: list[Path] = []
    for layout, ending in layouts.items():
        for place in (folder / layout, folder):
            files = files or _there(name, place, ending, parts)
    if not files:
        first, last = parts[0][0], parts[-1][-1]
        raise DataMissingError(
            f"Expected files such as '{next(iter(layouts))}/{first}' or '{last}' in '{folder}'; "
            f"received {inside(folder)}. {FETCH[name]}"
        )
    if (files[0].parent / meta[0]).is_file():
        names = _names(files[0].parent / meta[0], meta[1], names)
    bytes_before = 1 if name == "cifar10" else 2
    read = [
        _binary(file, bytes_before) if file.suffix == ".bin" else _pickled(file, labels)
        for file in files
    ]
    return ImageSet(
        name,
        np.concatenate([images for images, _ in read]),
        np.concatenate([classes for _, classes in read]),
        names,
        test=len(read[-1][0]) if files[-1].stem.startswith("test") and len(files) > 1 else 0,
    )


def _there(name: str, place: Path, ending: str, parts: Sequence[Sequence[str]]) -> list[Path]:
    """The files of the parts that are there, each part whole."""
    found: list[Path] = []
    for part in parts:
        files = [place / f"{file}{ending}" for file in part]
        missing = [file.name for file in files if not file.is_file()]
        if len(missing) == len(files):
            continue
        if missing:
            raise DataMissingError(
                f"Expected {', '.join(missing)} in '{place}' beside the others; "
                f"received {inside(place)}. {FETCH[name]}"
            )
        found += files
    return found


def _names(path: Path, key: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    values = read_pickle(path).get(key)
    if not isinstance(values, list) or len(values) != len(usual):
        raise InputError(
            f"Expected {len(usual)} names under '{key}' in '{path}'; received {values!r}."
        )
    return tuple(v.decode("latin1") if isinstance(v, bytes) else str(v) for v in values)


def _pickled(path: Path, key: str) -> Part:
    values = read_pickle(path)
    pixels: Any = values.get("data")
    labels: Any = values.get(key)
    fits = isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 2
    if not fits or pixels.shape[1] != _BYTES:
        came = f"{pixels.dtype} {list(pixels.shape)}" if isinstance(pixels, np.ndarray) else "none"
        raise InputError(f"Expected 'data' as uint8 [n, {_BYTES}] in '{path}'; received {came}.")
    if not isinstance(labels, list) or len(labels) != len(pixels):
        came = str(len(labels)) if isinstance(labels, list) else "none"
        raise InputError(
            f"Expected a list of {len(pixels)} numbers under '{key}' in '{path}'; received {came}."
        )
    if not all(isinstance(label, int) for label in labels):
        raise InputError(f"Expected numbers under '{key}' in '{path}'; received something else.")
    return _images(pixels), np.asarray(labels, np.int32)


def _binary(path: Path, bytes_before: int) -> Part:
    stored = np.fromfile(path, np.uint8)
    record = bytes_before + _BYTES
    if not len(stored) or len(stored) % record:
        raise InputError(
            f"Expected a whole number of records of {record} bytes in '{path}'; received "
            f"{len(stored)} bytes."
        )
    records = stored.reshape(-1, record)
    # The first byte is the label, or of the two of CIFAR-100 the coarse one.
    return _images(records[:, bytes_before:]), records[:, 0].astype(np.int32)


def _images(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return pixels.reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)


@dataset("cifar10", IMAGES, "photographs, 60,000 of 32 x 32, 10 classes")
@dataclass(frozen=True, kw_only=True)
class Cifar10(Published):
    """CIFAR-10; see `load_cifar10`."""

    kept = Kept("cifar10", CIFAR10_NAMES)
    pixels = _SIDE
    fetch = FETCH["cifar10"]

    def read(self, folder: str) -> ImageSet:
        return load_cifar10(folder)


@dataset("cifar100-20", IMAGES, "photographs, 60,000 of 32 x 32, the 20 superclasses of CIFAR-100")
@dataclass(frozen=True, kw_only=True)
class Cifar100By20(Published):
    """CIFAR-100 by its superclasses; see `load_cifar100_20`."""

    kept = Kept("cifar100", CIFAR100_20_NAMES, label="coarse_label")
    pixels = _SIDE
    fetch = FETCH["cifar100-20"]

    def read(self, folder: str) -> ImageSet:
        return load_cifar100_20(folder)
