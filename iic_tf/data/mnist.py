"""MNIST and Fashion-MNIST from their original idx files.

Handwritten digits (LeCun, Cortes and Burges, from NIST's special databases 1 and 3) and Zalando's
pictures of clothes in the same form (Xiao, Rasul and Vollgraf, arXiv 1708.07747): 60,000 images for
training and 10,000 for testing, 28 x 28 pixels, grey, 10 classes. The files, gzipped or not::

    train-images-idx3-ubyte.gz  train-labels-idx1-ubyte.gz
    t10k-images-idx3-ubyte.gz   t10k-labels-idx1-ubyte.gz

An idx file is a big-endian magic number (0x801 for labels, 0x803 for images), the number of items
and, for images, rows and columns, each of four bytes, then the bytes themselves.

They are read here because tensorflow-datasets 4.9.10 takes no others than the publisher's own .gz
files by their checksums (one that is packed anew is refused, and unpacked ones send it to the
network), needs exactly 60,000 and 10,000 images, and writes 75 MB beside MNIST's 11 MB.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.image_set import ImageSet
from iic_tf.data.original_files import existing_folder, first_file, inside
from iic_tf.data.prepared import Kept
from iic_tf.data.published import Published
from iic_tf.data.registry import IMAGES, dataset
from iic_tf.errors import DataMissingError, InputError, expected

_FILES = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
_PUBLISHERS = {
    "mnist": "'The MNIST database of handwritten digits' by LeCun, Cortes and Burges",
    "fashion_mnist": "'Fashion-MNIST' by Zalando Research (zalandoresearch/fashion-mnist)",
}
FETCH = {
    name: f"Fetch the four files of {publisher}, {', '.join(f'{f}-ubyte.gz' for f in _FILES)}, "
    "into one folder."
    for name, publisher in _PUBLISHERS.items()
}
"""What to fetch, from whom, and where to: by the data set's name."""

CLASS_NAMES = {
    "mnist": tuple("0123456789"),
    "fashion_mnist": (
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
}
_UNPACKED_BY_OTHERS = {"mnist": "MNIST/raw", "fashion_mnist": "FashionMNIST/raw"}


def load_mnist(folder: str | Path, name: Literal["mnist", "fashion_mnist"] = "mnist") -> ImageSet:
    """All images of both parts, training first, in the files' order: 70,000 in the full sets.

    Args:
        folder: where the four files lie; a folder `mnist` or `fashion_mnist` within it, or
            `MNIST/raw` or `FashionMNIST/raw` as torchvision lays them out, is found, too.
        name: which of the two sets it is; says the names of the classes.

    Raises:
        DataMissingError: the folder or one of the files is not there.
        InputError: another `name`, or a file is not what its name says.
    """
    if name not in CLASS_NAMES:
        raise expected(f"one of {', '.join(CLASS_NAMES)}", name, "name")
    folder = existing_folder(folder, FETCH[name])
    places = [folder, folder / name, folder / _UNPACKED_BY_OTHERS[name]]
    files = [first_file(places, _spellings(file)) for file in _FILES]
    missing = [f"{f}-ubyte.gz" for f, path in zip(_FILES, files, strict=True) if path is None]
    if missing:
        raise DataMissingError(
            f"Expected {', '.join(missing)} in '{folder}'; received {inside(folder)}. {FETCH[name]}"
        )
    parts = [_part(images, labels) for images, labels in zip(files[::2], files[1::2], strict=True)]
    (images, labels), (test_images, test_labels) = parts
    if images.shape[1:] != test_images.shape[1:]:
        raise InputError(
            f"Expected images of {_size(images)} pixels in '{files[2]}' as in '{files[0]}'; "
            f"received {_size(test_images)}."
        )
    return ImageSet(
        name,
        np.concatenate([images, test_images])[..., None],
        np.concatenate([labels, test_labels]),
        CLASS_NAMES[name],
        test=len(test_images),
    )


def _size(images: NDArray[np.uint8]) -> str:
    return f"{images.shape[1]} x {images.shape[2]}"


def _spellings(file: str) -> tuple[str, ...]:
    # The second form is what some programs make of the name when unpacking.
    plain = (f"{file}-ubyte", f"{file.replace('-idx', '.idx')}-ubyte")
    return (f"{plain[0]}.gz", plain[0], f"{plain[1]}.gz", plain[1])


def _part(images: Path | None, labels: Path | None) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    if images is None or labels is None:
        raise InputError("Expected images and labels; received one of them.")
    pixels, classes = read_idx(images, rank=3), read_idx(labels, rank=1)
    if len(pixels) != len(classes):
        raise InputError(
            f"Expected a label for each of the {len(pixels)} images of '{images}'; received "
            f"{len(classes)} in '{labels}'."
        )
    return pixels, classes.astype(np.int32)


def read_idx(path: Path, rank: int) -> NDArray[np.uint8]:
    """The numbers in an idx file of unsigned bytes, of as many axes as `rank` says.

    Raises:
        InputError: the file is damaged, of another kind, or longer or shorter than it says.
    """
    try:
        stored = path.read_bytes()
        if stored.startswith(b"\x1f\x8b"):
            stored = gzip.decompress(stored)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"Expected an idx file; received '{path}' ({error}).") from error
    header = np.frombuffer(stored[: 4 + 4 * rank], ">u4") if len(stored) >= 4 + 4 * rank else None
    if header is None or header[0] != 0x800 + rank:
        raise InputError(
            f"Expected an idx file that begins with the magic number {0x800 + rank:#x} and {rank} "
            f"sizes; received '{path}', which begins with {_start(stored)}."
        )
    shape = tuple(int(size) for size in header[1:])
    values = np.frombuffer(stored, np.uint8, offset=4 + 4 * rank)
    if len(values) != np.prod(shape, dtype=object):
        raise InputError(
            f"Expected {' x '.join(map(str, shape))} bytes after the head of '{path}'; "
            f"received {len(values)}."
        )
    return values.reshape(shape)


def _start(stored: bytes) -> str:
    return f"0x{stored[:4].hex()}" if stored else "nothing"


@dataset("mnist", IMAGES, "handwritten digits, 70,000 of 28 x 28, grey, 10 classes")
@dataclass(frozen=True, kw_only=True)
class Mnist(Published):
    """MNIST; see `load_mnist`."""

    kept = Kept("mnist", CLASS_NAMES["mnist"])
    pixels = 28
    fetch = FETCH["mnist"]

    def read(self, folder: str) -> ImageSet:
        return load_mnist(folder)


@dataset("fashion_mnist", IMAGES, "clothes, 70,000 of 28 x 28, grey, 10 classes")
@dataclass(frozen=True, kw_only=True)
class FashionMnist(Published):
    """Fashion-MNIST; see `load_mnist`."""

    kept = Kept("fashion_mnist", CLASS_NAMES["fashion_mnist"])
    pixels = 28
    fetch = FETCH["fashion_mnist"]

    def read(self, folder: str) -> ImageSet:
        return load_mnist(folder, "fashion_mnist")
