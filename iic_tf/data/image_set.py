"""What a data set of small images hands on: all images in one array, with labels for scoring only.

Segmentation reads windows of large scenes (`iic_tf.data.scene`); clustering takes whole images.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.raster import MAX_CHANNELS
from iic_tf.errors import InputError, expected

NO_LABEL = -1
"""The label of images whose class is not known."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one size, perhaps with labels, which training never looks at.

    Attributes:
        name: the data set's name, as on the command line.
        images: uint8 `[n, height, width, channels]`, n of at least 2, 1 to 16 channels. May be a
            memory map or any view of one.
        labels: int32 `[n]`, from 0, or `NO_LABEL`; None where no image has a label.
        class_names: the name of each label, or None.
        extra: more images of the same shape, uint8 `[m, height, width, channels]`, on which only
            the overclustering head is trained, and which are not scored (STL10's unlabelled part).
        files: where the images came from files of their own: the path of each, relative to the
            data set's folder.
        notes: what the user has to know of the data, a line each: what was left out or converted.
        test: how many images, the last ones, are the publisher's test part; 0: not known.

    Raises:
        InputError: something of the above does not hold.
    """

    name: str
    images: NDArray[np.uint8]
    labels: NDArray[np.int32] | None = None
    class_names: tuple[str, ...] | None = None
    extra: NDArray[np.uint8] | None = None
    files: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    test: int = 0

    def __post_init__(self) -> None:
        self._check_images()
        self._check_labels()
        if self.files is not None and len(self.files) != len(self):
            raise expected(f"one file for each of the {len(self)} images", len(self.files), "files")

    def _check_images(self) -> None:
        of = f"of '{self.name}'"
        form = f"images {of} as uint8 [n, height, width, channels]"
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            hint = ""
            if self.images.dtype.kind in "biuf" and self.images.ndim == 4:
                hint = "; bring the values that are to be black and white to 0 and 255"
            raise expected(form, f"{self.images.dtype} {list(self.images.shape)}{hint}")
        if len(self.images) < 2:
            raise expected(f"at least 2 images in data set '{self.name}'", len(self.images))
        if 0 in self.images.shape or self.images.shape[3] > MAX_CHANNELS:
            first = self.images.shape[1] <= MAX_CHANNELS and 0 not in self.images.shape
            hint = "; np.moveaxis(images, 1, -1) brings channels to the end" if first else ""
            raise expected(
                f"images {of} of at least 1 x 1 pixels and 1 to {MAX_CHANNELS} channels",
                f"{list(self.images.shape)}{hint}",
            )
        if self.extra is None:
            return
        if self.extra.dtype != np.uint8 or self.extra.shape[1:] != self.images.shape[1:]:
            raise expected(
                f"extra images {of} as uint8 [m, {', '.join(map(str, self.images.shape[1:]))}]",
                f"{self.extra.dtype} {list(self.extra.shape)}",
            )

    def _check_labels(self) -> None:
        if self.labels is None:
            return
        if self.labels.dtype != np.int32 or self.labels.shape != (len(self),):
            raise expected(
                f"a label for each image of '{self.name}' as int32 [{len(self)}]",
                f"{self.labels.dtype} {list(self.labels.shape)}",
            )
        low, high = int(self.labels.min()), int(self.labels.max())
        if low < NO_LABEL:
            raise expected(f"labels of '{self.name}' from 0, or {NO_LABEL} for none", low)
        if self.class_names is not None and high >= len(self.class_names):
            last = len(self.class_names) - 1
            raise expected(f"labels of '{self.name}' from 0 to {last}", high)

    def __len__(self) -> int:
        return len(self.images)

    @property
    def height(self) -> int:
        """Rows of every image, in pixels."""
        return int(self.images.shape[1])

    @property
    def width(self) -> int:
        """Columns of every image, in pixels."""
        return int(self.images.shape[2])

    @property
    def channels(self) -> int:
        """Bands of every image."""
        return int(self.images.shape[3])

    @property
    def labelled(self) -> bool:
        """Whether there is an image with a label, so that clusters can be scored."""
        return self.labels is not None and bool((self.labels != NO_LABEL).any())

    @property
    def classes(self) -> int | None:
        """How many classes there are; None where no image has a label."""
        if self.class_names is not None:
            return len(self.class_names)
        if self.labels is None or not self.labelled:
            return None
        return int(self.labels.max()) + 1

    def pool(self, extra: bool = False) -> int:
        """How many images there are to draw from, with or without the extra ones."""
        more = len(self.extra) if extra and self.extra is not None else 0
        return len(self) + more

    def read(self, indices: NDArray[np.integer]) -> NDArray[np.uint8]:
        """The images of these numbers, copied: uint8 `[len(indices), height, width, channels]`.

        Numbers from `len(self)` on stand for the extra images, in their order.

        Raises:
            InputError: a number is none of an image.
        """
        indices = np.asarray(indices)
        if indices.size and not 0 <= indices.min() <= indices.max() < self.pool(extra=True):
            raise InputError(
                f"Expected numbers of images from 0 to {self.pool(extra=True) - 1}; received "
                f"{int(indices.min())} to {int(indices.max())}."
            )
        if self.extra is None or not indices.size or indices.max() < len(self):
            return np.asarray(self.images[indices])
        read = np.empty((len(indices), *self.images.shape[1:]), np.uint8)
        beyond = indices >= len(self)
        read[~beyond] = self.images[indices[~beyond]]
        read[beyond] = self.extra[indices[beyond] - len(self)]
        return read
