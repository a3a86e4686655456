"""STL-10 from its original files.

Colour photographs of 96 x 96 pixels from ImageNet: 5,000 for training and 8,000 for testing of 10
classes, and 100,000 unlabelled ones of these and other classes (Coates, Lee and Ng, An Analysis of
Single Layer Networks in Unsupervised Feature Learning, 2011). Files::

    stl10_binary/  train_X.bin  train_y.bin  test_X.bin  test_y.bin  unlabeled_X.bin
                   class_names.txt

An image is 27,648 bytes: the red, green and blue plane, column by column. Labels are single bytes
from 1 to 10.

They are read here because tensorflow-datasets 4.9.10 takes only the packed file of 2.6 GB, by its
checksum, and writes copies of it; a folder that is unpacked sends it to the network. Its own reader
needs every part, and reads each whole into memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.original_files import existing_folder, inside
from iic_tf.data.prepared import Kept
from iic_tf.data.published import Published
from iic_tf.data.registry import IMAGES, dataset
from iic_tf.errors import DataMissingError, InputError, expected

FETCH = (
    "Fetch 'Binary files' from the page 'STL-10 dataset' of Stanford University's computer science "
    "department (Adam Coates) and unpack it: stl10_binary with train_X.bin, train_y.bin, "
    "test_X.bin, test_y.bin and unlabeled_X.bin."
)
"""What to fetch, from whom, and where to."""

CLASS_NAMES = (
    "airplane",
    "bird",
    "car",
    "cat",
    "deer",
    "dog",
    "horse",
    "monkey",
    "ship",
    "truck",
)
_SIDE = 96
_BYTES = 3 * _SIDE * _SIDE


def load_stl10(folder: str | Path) -> ImageSet:
    """Training and test images, 13,000 in the full set, and the unlabelled ones as `extra`.

    Parts that are not there are left out; where only the unlabelled part is, it makes the set. The
    unlabelled part is never read whole (it is memory-mapped), nor is a labelled part that is alone.

    Args:
        folder: `stl10_binary` or the folder it lies in.

    Raises:
        DataMissingError: the folder is not there, or none of the files of images.
        InputError: a file's size or a label does not fit.
    """
    folder = existing_folder(folder, FETCH)
    inner = folder / "stl10_binary"
    place = inner if inner.is_dir() else folder
    parts = {part: place / f"{part}_X.bin" for part in ("train", "test", "unlabeled")}
    mapped = {part: _mapped(path) for part, path in parts.items() if path.is_file()}
    if not mapped:
        raise DataMissingError(
            f"Expected train_X.bin, test_X.bin or unlabeled_X.bin in '{place}'; "
            f"received {inside(place)}. {FETCH}"
        )
    extra = mapped.pop("unlabeled", None)
    if not mapped:
        return ImageSet("stl10", extra if extra is not None else np.empty((0, 1, 1, 3), np.uint8))
    labels = [_labels(place / f"{part}_y.bin", len(images)) for part, images in mapped.items()]
    images = list(mapped.values())
    return ImageSet(
        "stl10",
        images[0] if len(images) == 1 else np.concatenate(images),
        np.concatenate(labels),
        CLASS_NAMES,
        extra,
        test=len(mapped["test"]) if len(mapped) == 2 else 0,
    )


def _mapped(path: Path) -> NDArray[np.uint8]:
    """The images `[n, 96, 96, 3]` of a file, read where they are looked at."""
    size = path.stat().st_size
    if not size or size % _BYTES:
        raise InputError(
            f"Expected a whole number of images of {_BYTES} bytes in '{path}'; received {size} "
            "bytes."
        )
    stored = np.memmap(path, np.uint8, "r").reshape(-1, 3, _SIDE, _SIDE)
    # Stored as planes, columns, rows.
    return stored.transpose(0, 3, 2, 1)


def _labels(path: Path, count: int) -> NDArray[np.int32]:
    if not path.is_file():
        return np.full(count, NO_LABEL, np.int32)
    stored = np.fromfile(path, np.uint8).astype(np.int32)
    if len(stored) != count:
        raise InputError(
            f"Expected {count} labels of one byte in '{path}', one for each image; received "
            f"{len(stored)}."
        )
    if stored.min() < 1 or stored.max() > len(CLASS_NAMES):
        raise expected(
            f"labels from 1 to {len(CLASS_NAMES)} in '{path}'", f"{stored.min()} to {stored.max()}"
        )
    return stored - 1


@dataset(
    "stl10",
    IMAGES,
    "photographs, 13,000 of 96 x 96, 10 classes, and 100,000 unlabelled ones for the "
    "overclustering head",
)
@dataclass(frozen=True, kw_only=True)
class Stl10(Published):
    """STL-10; see `load_stl10`."""

    kept = Kept("stl10", CLASS_NAMES, extra="unlabelled")
    pixels = _SIDE
    fetch = FETCH

    def read(self, folder: str) -> ImageSet:
        return load_stl10(folder)
