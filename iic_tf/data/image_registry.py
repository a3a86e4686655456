"""The data sets of small images by name: how each is loaded, and what it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from iic_tf.data import cifar, mnist, stl10
from iic_tf.data.image_folder import FETCH, load_image_folder
from iic_tf.data.image_set import ImageSet
from iic_tf.data.prepared import default_data_dir, load_prepared
from iic_tf.errors import DataMissingError, InputError, expected


@dataclass(frozen=True)
class ImageSource:
    """Where a data set of small images comes from: everything needed to load it again.

    Attributes:
        dataset: a name in `IMAGE_ABOUT`.
        data: the folder of its original files. None: what tensorflow-datasets has prepared; not
            for `images`.
        side: of `images`: what they are scaled to, in pixels.
        download: let tensorflow-datasets download the data set where it is not prepared.
    """

    dataset: str
    data: str | None = None
    side: int = 96
    download: bool = False


_OPTIONS = "[--data FOLDER of the original files, or as tensorflow-datasets has it; --download]"
IMAGE_ABOUT = {
    "mnist": f"handwritten digits, 70,000 of 28 x 28, grey, 10 classes. {_OPTIONS}",
    "fashion_mnist": f"clothes, 70,000 of 28 x 28, grey, 10 classes. {_OPTIONS}",
    "cifar10": f"photographs, 60,000 of 32 x 32, 10 classes. {_OPTIONS}",
    "cifar100-20": (
        f"photographs, 60,000 of 32 x 32, the 20 superclasses of CIFAR-100. {_OPTIONS}"
    ),
    "stl10": (
        "photographs, 13,000 of 96 x 96, 10 classes, and 100,000 unlabelled ones for the "
        f"overclustering head. {_OPTIONS}"
    ),
    "images": (
        "your own PNG, JPEG or TIFF images, 1 to 16 channels, 8 or 16 bits, each clustered as a "
        "whole; sub-folders, where there are any, are classes for scoring only. "
        "--data FOLDER [--set side=96]"
    ),
}

_LOADERS: dict[str, tuple[Callable[[str], ImageSet], str]] = {
    "mnist": (mnist.load_mnist, mnist.FETCH["mnist"]),
    "fashion_mnist": (
        lambda folder: mnist.load_mnist(folder, "fashion_mnist"),
        mnist.FETCH["fashion_mnist"],
    ),
    "cifar10": (cifar.load_cifar10, cifar.FETCH["cifar10"]),
    "cifar100-20": (cifar.load_cifar100_20, cifar.FETCH["cifar100-20"]),
    "stl10": (stl10.load_stl10, stl10.FETCH),
}


def load_images(source: ImageSource) -> ImageSet:
    """Load a data set of small images.

    Raises:
        DataMissingError: its files are not there; says what to fetch, from whom, and where to.
        InputError: an unknown name, or something unfit in the files.
    """
    if source.dataset not in IMAGE_ABOUT:
        raise expected(
            f"a data set among {', '.join(sorted(IMAGE_ABOUT))}", source.dataset, "dataset"
        )
    if source.dataset == "images":
        if source.data is None:
            raise InputError(
                f"Expected --data with the folder of your images; received none. {FETCH}"
            )
        return load_image_folder(source.data, source.side)
    load, fetch = _LOADERS[source.dataset]
    if source.data is not None:
        return load(source.data)
    try:
        return load_prepared(source.dataset, download=source.download)
    except DataMissingError as error:
        if source.download:
            raise DataMissingError(f"{error} Or: {fetch} Then name it by --data.") from error
        raise DataMissingError(
            f"Expected --data with the folder of '{source.dataset}', or a copy prepared by "
            f"tensorflow-datasets in '{default_data_dir()}'; received neither. {fetch} Or let "
            "tensorflow-datasets fetch it by --download."
        ) from error
