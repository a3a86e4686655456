"""Scenes in files: an image, perhaps with a mask, and the set of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.mask_code import MaskCode
from iic_tf.data.raster import Raster
from iic_tf.data.scene import SceneSet, Valid, nodata_notes
from iic_tf.data.value_range import Survey, survey
from iic_tf.errors import InputError


@dataclass(frozen=True, eq=False)
class FileScene:
    """A `Scene` of an image file and, where there is one, a mask file of the same size.

    Attributes:
        name: unique within its set.
        image: the image.
        mask: the mask, opened with `palette=code.palette`, or None.
        code: what the mask means; given with every mask.

    Raises:
        InputError: mask and image differ in size (told from the headers), or a mask has no code.
    """

    name: str
    image: Raster
    mask: Raster | None = None
    code: MaskCode | None = None

    def __post_init__(self) -> None:
        if self.mask is None:
            return
        if self.code is None:
            raise InputError(f"Expected a code with mask '{self.mask.path}'; received none.")
        image, mask = (self.height, self.width), (self.mask.height, self.mask.width)
        if image != mask:
            raise InputError(
                f"Expected a mask of {image[0]} x {image[1]} pixels as in '{self.image.path}'; "
                f"received {mask[0]} x {mask[1]} in '{self.mask.path}'."
            )

    @property
    def height(self) -> int:
        """Rows of the image."""
        return self.image.height

    @property
    def width(self) -> int:
        """Columns of the image."""
        return self.image.width

    @property
    def channels(self) -> int:
        """Bands of the image."""
        return self.image.channels

    @property
    def has_mask(self) -> bool:
        """Whether there is a mask."""
        return self.mask is not None

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.generic]:
        """Raw values `[height, width, channels]`, uint8 or uint16, of a window."""
        return self.image.read(top, left, height, width)

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel of the image may hold no data, as far as its header tells."""
        return self.image.has_nodata

    def read_with_valid(
        self, top: int, left: int, height: int, width: int
    ) -> tuple[NDArray[np.generic], Valid]:
        """Raw values of a window, all finite, and which pixels hold data; see `scene`."""
        return self.image.read_with_valid(top, left, height, width)

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """Class indices `[height, width]` of a window, `IGNORE` where there is no class.

        Raises:
            InputError: the scene has no mask.
        """
        if self.mask is None or self.code is None:
            raise InputError(f"Expected a scene with a mask; received '{self.name}' without one.")
        return self.code.decode(self.mask.read(top, left, height, width))


def build_set(
    name: str,
    scenes: Sequence[FileScene],
    code: MaskCode | None,
    stretch: tuple[float, float] | None = None,
    channels: int | None = None,
) -> SceneSet:
    """Join scenes that share bands and number type.

    Args:
        name: the set's name.
        scenes: at least one.
        code: what the masks mean; None without masks.
        stretch: percentiles of each band that become black and white; None for the full range of
            uint8 and uint16 (0 to 255 or 0 to 65535), and the percentiles 1 and 99 of other types.
        channels: how many bands the images must have; None for as many as the first has.

    Raises:
        InputError: the scenes differ in bands or number type, or `channels` or `stretch` is wrong.
    """
    if not scenes:
        raise InputError(f"Expected at least one image in data set '{name}'; received 0.")
    first = scenes[0].image
    bands = first.channels if channels is None else channels
    for scene in scenes:
        if scene.channels != bands:
            message = f"received {scene.channels} in '{scene.image.path}'."
            if channels is not None:
                raise InputError(f"Expected {bands} channels; {message}")
            raise InputError(
                f"Expected {bands} channels as in '{first.path}'; {message} If one of them is no "
                "image of the set (a mask, a preview), choose the images by a pattern (image_glob)."
            )
        if scene.image.dtype != first.dtype:
            raise InputError(
                f"Expected images of one number type, {first.dtype} as in '{first.path}'; received "
                f"{scene.image.dtype} in '{scene.image.path}'."
            )
    found = survey([s.image for s in scenes], stretch)
    rgb = {1: (0, 0, 0), 2: (0, 1, 1)}.get(bands, (0, 1, 2))
    return SceneSet(
        *(name, tuple(scenes), bands, found.low, found.high, code.table if code else None, rgb),
        notes=nodata_notes(found.nodata_share),
        # A hole may lie where the sample was not taken.
        fill=found.mean,
        range_notes=() if stretch else _range_notes(found, first.dtype),
    )


def _range_notes(found: Survey, dtype: np.dtype[np.generic]) -> tuple[str, ...]:
    if found.percentiles is None:
        return ()
    low, high = (", ".join(f"{value:.4g}" for value in limit) for limit in (found.low, found.high))
    first, last = found.percentiles
    return (
        f"{dtype} has no range of its own: percentiles {first:g} and {last:g} of each band become "
        f"black ({low}) and white ({high}); --stretch sets others",
    )
