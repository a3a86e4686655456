"""What the well-known data sets have in common: their original files, or a prepared copy."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from iic_tf.data.image_set import ImageSet
from iic_tf.data.prepared import Kept, default_data_dir, load_prepared
from iic_tf.data.registry import FileSource, option
from iic_tf.errors import DataMissingError


@dataclass(frozen=True, kw_only=True)
class Published(FileSource):
    """A data set of small images that its publisher hands out, and tensorflow-datasets knows.

    A data set sets the class attributes and provides `read`.
    """

    kept: ClassVar[Kept]
    """How tensorflow-datasets calls it and its parts."""
    pixels: ClassVar[int]
    """Height and width of its images."""
    fetch: ClassVar[str]
    """What to fetch, from whom, and where to."""

    download: bool = option(False, help="let tensorflow-datasets fetch a data set")

    def read(self, folder: str) -> ImageSet:
        """The data set of its original files."""
        raise NotImplementedError

    def load(self) -> ImageSet:
        """Its original files where a folder is given, else what tensorflow-datasets has prepared.

        Raises:
            DataMissingError: neither is there; says what to fetch, from whom, and where to.
            InputError: something unfit in the files.
        """
        if self.data is not None:
            return self.read(self.data)
        try:
            return load_prepared(self.name, download=self.download)
        except DataMissingError as error:
            if self.download:
                raise DataMissingError(
                    f"{error} Or: {self.fetch} Then name it by --data."
                ) from error
            raise DataMissingError(
                f"Expected --data with the folder of '{self.name}', or a copy prepared by "
                f"tensorflow-datasets in '{default_data_dir()}'; received neither. {self.fetch} Or "
                "let tensorflow-datasets fetch it by --download."
            ) from error
