"""Scenes of arrays that are already in memory."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from iic_tf.data.array_range import array_fill, array_range
from iic_tf.data.raster import MAX_CHANNELS
from iic_tf.data.scene import IGNORE, ClassTable, SceneSet, Valid, finite, nodata_notes
from iic_tf.errors import InputError, expected


@dataclass(frozen=True, eq=False)
class ArrayScene:
    """An image `[height, width, channels]` of any real type, and its mask `[height, width]`.

    Attributes:
        name: unique within its set.
        image: integers or floats, 1 to 16 channels; bools become 0 and 1. Pixels with NaN or an
            infinity in any band hold no data, nor do those of which a masked array hides a band.
        mask: class indices, or −1 where a pixel has none, as where a masked array hides it; None
            without a mask.
        valid: bool `[height, width]`, which pixels hold data; None where all do that are finite.

    Raises:
        InputError: arrays of another shape or type, or a mask with values below −1.
    """

    name: str
    image: NDArray[Any]
    mask: NDArray[Any] | None = None
    valid: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        shown, image = _shown(self.image), np.asarray(self.image)
        _check_shape(self.name, image)
        if image.dtype.kind not in "biuf":
            raise expected(
                f"numbers, such as uint8 or float32, in image '{self.name}'", image.dtype, "dtype"
            )
        object.__setattr__(self, "image", image.view(np.uint8) if image.dtype == bool else image)
        if self.mask is not None:
            object.__setattr__(self, "mask", _checked_mask(self.name, self.mask, image.shape[:2]))
        if self.valid is not None:
            valid = np.asarray(self.valid)
            if valid.shape != image.shape[:2] or valid.dtype != bool:
                raise expected(
                    f"bool {image.shape[:2]} for image '{self.name}'",
                    f"{valid.dtype} {valid.shape}",
                    "valid",
                )
            shown = valid if shown is None else valid & shown
        object.__setattr__(self, "valid", shown)

    @property
    def height(self) -> int:
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        return int(self.image.shape[1])

    @property
    def channels(self) -> int:
        return int(self.image.shape[2])

    @property
    def has_mask(self) -> bool:
        return self.mask is not None

    @property
    def has_nodata(self) -> bool:
        """Whether some pixel holds no data."""
        return self.valid is not None or self._has_nan

    @functools.cached_property
    def _has_nan(self) -> bool:
        # Looked at once, row by row: only floats can be NaN.
        return self.image.dtype.kind == "f" and not all(np.isfinite(r).all() for r in self.image)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[Any]:
        """See `Scene.read`; 0 where a pixel is not finite."""
        return self.read_with_valid(top, left, height, width)[0]

    def read_with_valid(
        self, top: int, left: int, height: int, width: int
    ) -> tuple[NDArray[Any], Valid]:
        """The window's pixels, all finite, and which of them hold data; None where all do."""
        window = slice(top, top + height), slice(left, left + width)
        pixels, valid = finite(self.image[window])
        if self.valid is not None:
            given = self.valid[window]
            valid = given if valid is None else valid & given
        return pixels, None if valid is None or valid.all() else valid

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """See `Scene.read_mask`."""
        if self.mask is None:
            raise expected(f"a mask for '{self.name}'", None)
        return self.mask[top : top + height, left : left + width].astype(np.int32)


def _shown(image: ArrayLike) -> Valid:
    """Which pixels a masked array, as rasterio reads one, shows in all bands; None for others."""
    hidden = np.ma.getmask(image)  # type: ignore[no-untyped-call]
    return None if hidden is np.ma.nomask else np.asarray(~hidden.any(axis=-1))


def _check_shape(name: str, image: NDArray[Any]) -> None:
    wanted = f"image '{name}' as [height, width, channels]"
    if image.ndim == 2:
        raise InputError(
            f"Expected {wanted}; received shape {image.shape}. Give a grey image an axis of "
            "channels: image[..., None]."
        )
    if image.ndim != 3 or 0 in image.shape:
        raise expected(wanted, image.shape, "shape")
    if image.shape[2] > MAX_CHANNELS:
        hint = (
            " The channels seem to come first: np.moveaxis(image, 0, -1) brings them to the end."
            if image.shape[0] <= MAX_CHANNELS
            else ""
        )
        raise InputError(
            f"Expected {wanted} with 1 to {MAX_CHANNELS} channels; received shape {image.shape}, "
            f"which is {image.shape[2]} channels.{hint}"
        )


def _checked_mask(name: str, mask: ArrayLike, size: tuple[int, ...]) -> NDArray[Any]:
    hidden = np.ma.getmask(mask)  # type: ignore[no-untyped-call]
    mask = np.asarray(mask)
    if mask.shape != size:
        raise expected(f"a mask {size} for image '{name}'", mask.shape, "mask.shape")
    if mask.dtype.kind not in "biu":
        raise expected(f"whole numbers in the mask of '{name}'", mask.dtype, "mask.dtype")
    if mask.dtype.kind == "i" and mask.min() < IGNORE:
        raise expected(
            f"class indices from 0, or {IGNORE} for none, in the mask of '{name}'", int(mask.min())
        )
    return mask if hidden is np.ma.nomask else np.where(hidden, IGNORE, mask.astype(np.int64))


def from_arrays(
    images: Sequence[NDArray[Any]],
    masks: Sequence[NDArray[Any] | None] | None = None,
    classes: ClassTable | None = None,
    low: float | Sequence[float] | None = None,
    high: float | Sequence[float] | None = None,
    name: str = "arrays",
    valid: Sequence[NDArray[np.bool_] | None] | None = None,
) -> SceneSet:
    """A data set of images in memory; values from `low` to `high` become 0 to 1.

    Args:
        images: `[height, width, channels]` each, see `ArrayScene`; all with the same channels.
        masks: `[height, width]`, one an image, or None where an image has none.
        classes: names and colours of the classes; masks hold −1 to their number − 1.
        low: the value that becomes 0, one number or one for each channel. None: 0 where `high` is
            given; else by the images' number type, 0 to 255 for uint8 and 0 to 65535 for uint16. Of
            other integers 0 to 255 where a sample lies within it, and of floats 0 to 1; else the
            percentiles 1 and 99 of each channel in the sample.
        high: the value that becomes 1, likewise.
        name: the set's.
        valid: bool `[height, width]`, one an image, which pixels hold data; or None.

    Returns:
        The set. Its notes say which range was chosen from the values, where values use little of
        the range or lie beyond it, and how many pixels hold no data, as far as a sample tells.

    Raises:
        InputError: no images, other numbers of masks than of images, unequal channels or number
            types, a range that is none, or arrays that `ArrayScene` refuses.
    """
    for what, given in (("masks", masks), ("valid", valid)):
        if given is not None and len(given) != len(images):
            raise expected(f"{len(images)} {what}, one an image or None", len(given), what)
    scenes = tuple(
        ArrayScene(
            f"{i:05d}",
            image,
            masks[i] if masks is not None else None,
            valid[i] if valid is not None else None,
        )
        for i, image in enumerate(images)
    )
    if not scenes:
        raise expected(f"at least one image in data set '{name}'", 0)
    channels = scenes[0].channels
    for scene in scenes:
        if scene.channels != channels:
            raise expected(f"{channels} channels in every image", scene.channels, scene.name)
        if classes is not None and scene.mask is not None and scene.mask.max() >= len(classes):
            raise InputError(
                f"Expected class indices from {IGNORE} to {len(classes) - 1} in the mask of "
                f"'{scene.name}'; received {int(scene.mask.max())}. Pixels of no class are "
                f"{IGNORE}: np.where(mask == {int(scene.mask.max())}, {IGNORE}, mask.astype(int))."
            )
    lowest, highest, notes = array_range(scenes, low, high)
    rgb = {1: (0, 0, 0), 2: (0, 1, 1)}.get(channels, (0, 1, 2))
    fill, share = None, 0.0
    if any(scene.has_nodata for scene in scenes):
        fill, share = array_fill(scenes, lowest, highest)
    notes = (*nodata_notes(share), *notes)
    return SceneSet(name, scenes, channels, lowest, highest, classes, rgb, notes, fill)
