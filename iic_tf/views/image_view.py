"""One kind of view of a small image: a crop, perhaps rotated, resized, flipped and recoloured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.errors import expected
from iic_tf.views.affine_sample import affine_sample
from iic_tf.views.photometry import Photometry, jitter

LARGEST = 65535
"""Pixels of a side."""


@dataclass(frozen=True)
class ImageView:
    """What a view may be drawn from. The defaults are CIFAR-10's x of the published runs.

    Everything geometric is one affine matrix, by which the image is sampled once: the image is
    rotated about its centre, cropped, resized and flipped, in this order. Resizing takes pixels as
    squares (half-pixel centres) and interpolates bilinearly. Crops are not smoothed first: those
    far larger than `size`, say thrice, lose detail by aliasing. Beyond the image a rotated view
    sees black (0), after one pixel more of the edge; others see nothing of the beyond.

    The published views (IIC 2019, supplementary section 3 and table 2, and the runs' settings):
    colour, x: `crops=(20,), size=32`; gx: the same with `flip=0.5` and
    `photometry=Photometry(0.4, 0.4, 0.4, 0.125)`. MNIST, x: `crops=(20,), size=24, centre=0.5`;
    gx: `crops=(16, 20, 24), size=24, rotate=25` and the same photometry.

    Attributes:
        crops: sides of the square crops in pixels, one of which is drawn; the first one is the
            test view's.
        size: side of the view, in pixels.
        centre: probability that a crop lies in the middle, and not anywhere; True is 1.
        flip: probability of a horizontal flip.
        rotate: degrees; the angle is drawn from −rotate to rotate.
        rotate_share: probability of being rotated at all, where `rotate` is not 0.
        photometry: what colours are drawn from; None leaves them as they are.

    Raises:
        InputError: a value outside its range.
    """

    # No other names where plain values are made into one.
    __pydantic_config__: ClassVar[dict[str, str]] = {"extra": "forbid"}

    crops: tuple[int, ...] = (20,)
    size: int = 32
    centre: bool | float = False
    flip: float = 0.0
    rotate: float = 0.0
    rotate_share: float = 0.5
    photometry: Photometry | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.crops, tuple | list) or not self.crops:
            raise expected("crops of whole numbers of pixels, 1 or more", self.crops, "crops")
        if not all(_whole(crop) and 1 <= crop <= LARGEST for crop in self.crops):
            raise expected("crops of whole numbers of pixels, 1 or more", self.crops, "crops")
        if not _whole(self.size) or not 1 <= self.size <= LARGEST:
            raise expected(f"a view of at least 1 pixel and at most {LARGEST}", self.size, "size")
        for name in ("centre", "flip", "rotate_share"):
            if not _number(getattr(self, name)) or not 0 <= getattr(self, name) <= 1:
                raise expected("a probability from 0 to 1", getattr(self, name), name)
        if not _number(self.rotate) or not 0 <= self.rotate <= 180:
            raise expected("degrees from 0 to 180", self.rotate, "rotate")
        if not isinstance(self.photometry, Photometry | None):
            raise expected("a Photometry or None", self.photometry, "photometry")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ImageView:
        """A view of plain values, as recipes hold them: lists, numbers, and a dict of photometry.

        Raises:
            InputError: a name that is none of the attributes, or a value that does not fit.
        """
        plain = dict(_known("view", values, [f.name for f in fields(cls)]))
        if isinstance(plain.get("crops"), int | list):
            crops = plain["crops"]
            plain["crops"] = (crops,) if isinstance(crops, int) else tuple(crops)
        if isinstance(plain.get("photometry"), Mapping):
            names = [f.name for f in fields(Photometry)]
            plain["photometry"] = Photometry(**_known("photometry", plain["photometry"], names))
        return cls(**plain)

    def check_fits(self, height: int, width: int, name: str) -> None:
        """Raise `InputError` where a crop is larger than the images of data set `name`."""
        if max(self.crops) > min(height, width):
            raise expected(
                f"crops within the {height} x {width} pixels of the images of '{name}'",
                self.crops,
                "crops",
            )

    def draw(
        self, rng: np.random.Generator, height: int, width: int, count: int = 1
    ) -> NDArray[np.float32]:
        """Draw the geometry of `count` views of images of this size, in pixels.

        A setting has no influence on what is drawn for the others.

        Returns:
            float32 `[count, 2, 3]`: from (x, y, 1) of a pixel of the view to (x, y) in the image,
            both counted from the centre of the first pixel.
        """
        u = rng.random((7, count))
        crop = np.asarray(self.crops)[(u[0] * len(self.crops)).astype(np.int64)]
        central = u[1] < self.centre
        top = np.where(central, (height - crop) // 2, np.floor(u[2] * (height - crop + 1)))
        left = np.where(central, (width - crop) // 2, np.floor(u[3] * (width - crop + 1)))
        mirrored = u[4] < self.flip
        turned = u[5] < self.rotate_share
        angle = np.where(turned, np.deg2rad((2 * u[6] - 1) * self.rotate), 0.0)
        return self._matrices(crop, top, left, mirrored, angle, height, width)

    def draw_colours(self, rng: np.random.Generator, count: int = 1) -> NDArray[np.float32]:
        """Draw the colours of `count` views, float32 `[count, 4]`, as `Photometry.draw` does."""
        if self.photometry is None:
            still: NDArray[np.float32] = np.tile(np.array([1, 1, 1, 0], np.float32), (count, 1))
            return still
        return np.stack([self.photometry.draw(rng) for _ in range(count)])

    def centred(self, height: int, width: int) -> NDArray[np.float32]:
        """The test view's geometry, float32 `[2, 3]`: the first crop size, in the middle."""
        crop = np.asarray(self.crops[:1])
        still = np.zeros(1)
        place = (height - crop) // 2, (width - crop) // 2
        only: NDArray[np.float32]
        (only,) = self._matrices(crop, *place, still > 0, still, height, width)
        return only

    def apply(self, images: Tensor, matrices: Tensor, colours: Tensor | None = None) -> tf.Tensor:
        """Make views.

        Args:
            images: uint8 `[n, height, width, channels]`.
            matrices: float32 `[n, 2, 3]` of `draw` or `centred`.
            colours: float32 `[n, 4]` of `draw_colours`; None leaves colours as they are.

        Returns:
            float32 `[n, size, size, channels]` in 0 to 1.
        """
        bright = tf.cast(images, tf.float32) / 255.0
        views = affine_sample(bright, matrices, self.size, beyond=self.rotate > 0)
        return views if colours is None or self.photometry is None else jitter(views, colours)

    def _matrices(
        self,
        crop: NDArray[Any],
        top: NDArray[Any],
        left: NDArray[Any],
        mirrored: NDArray[np.bool_],
        angle: NDArray[np.float64],
        height: int,
        width: int,
    ) -> NDArray[np.float32]:
        # A step in the view is `scale` pixels of the crop; pixel 0 lies half a pixel within both.
        scale = crop / self.size
        across = np.where(mirrored, -scale, scale)
        start_x = left + np.where(mirrored, (self.size - 0.5) * scale, 0.5 * scale) - 0.5
        start_y = top + 0.5 * scale - 0.5
        middle_x, middle_y = (width - 1) / 2, (height - 1) / 2
        x, y = start_x - middle_x, start_y - middle_y
        cos, sin = np.cos(angle), np.sin(angle)
        rows = [
            [cos * across, -sin * scale, cos * x - sin * y + middle_x],
            [sin * across, cos * scale, sin * x + cos * y + middle_y],
        ]
        return np.asarray(rows, np.float32).transpose(2, 0, 1)


def _known(what: str, values: Mapping[str, Any], names: list[str]) -> Mapping[str, Any]:
    if not isinstance(values, Mapping) or set(values) - set(names):
        raise expected(f"{what} with some of {', '.join(names)}", values, what)
    return values


def _whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _number(value: object) -> bool:
    return isinstance(value, int | float)
