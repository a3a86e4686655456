"""What numbers an export takes and which outputs it has: smaller ones for those who send tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected

if TYPE_CHECKING:
    from iic_tf.export.servable import Servable

FLOAT32 = "float32"
INTEGERS = ("uint8", "uint16")


@dataclass(frozen=True)
class Form:
    """The numbers of an export's input, and its outputs.

    Attributes:
        pixels: of the input: `float32`; or `uint8` or `uint16`, a quarter or half of the bytes,
            made floats inside the graph. Integers have no NaN, by which clients say that a pixel
            holds no data: every pixel gets a label.
        labels_only: no probabilities, and labels as int16, half of the bytes.

    Raises:
        InputError: numbers of another kind.
    """

    pixels: str = FLOAT32
    labels_only: bool = False

    def __post_init__(self) -> None:
        kinds = (FLOAT32, *INTEGERS)
        if self.pixels not in kinds:
            raise expected(f"pixels as one of {', '.join(kinds)}", self.pixels, "pixels")

    @property
    def integer(self) -> bool:
        """Whether pixels are whole numbers, which cannot say that there is no data."""
        return self.pixels != FLOAT32

    @property
    def labels(self) -> str:
        """The type of labels."""
        return "int16" if self.labels_only else "int32"

    def check_range(self, served: Servable) -> None:
        """Refuse integers that cannot hold the values a model was trained on.

        Raises:
            InputError: some of them lie beyond; or they are fractions, as of images from 0 to 1;
                or 16 bits for whole images, of which models see values from 0 to 255.
        """
        if not self.integer:
            return
        most = np.iinfo(self.pixels).max
        low, high = float(served.low.min()), float(served.high.max())
        if self.pixels == "uint16" and "height" not in served.axes:
            raise InputError(
                "Expected --uint8 for a model of whole images, which takes values from 0 to 255; "
                "received --uint16."
            )
        if low < 0 or not 1 < high <= most:
            raise InputError(
                f"Expected a model of whole numbers from 0 to {most} for --{self.pixels}; received "
                f"one whose pixels range from {low:g} to {high:g}."
            )

    def sent(self, pixels: NDArray[np.float32]) -> NDArray[np.generic]:
        """Pixels as a client sends them: of integers those nearest by, within their range."""
        if not self.integer:
            return pixels
        most = np.iinfo(self.pixels).max
        return np.clip(np.rint(pixels), 0, most).astype(self.pixels)
