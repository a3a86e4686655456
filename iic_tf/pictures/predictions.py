"""What the pictures of clustered images have in common: predictions that fit, and thumbnails."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.image_set import NO_LABEL
from iic_tf.errors import InputError, expected
from iic_tf.pictures.rgb import to_rgb
from iic_tf.pictures.text import shorten

Colour = tuple[int, int, int]

# Of Okabe and Ito's colours those that stand for green, red and blue and that people who see
# fewer colours tell apart. Pictures that use them also say in letters what they mean.
RIGHT: Colour = (0, 158, 115)
WRONG: Colour = (213, 94, 0)
CHOSEN: Colour = (0, 114, 178)
OTHER: Colour = (160, 196, 224)

_BEHIND = "#f1f1f1"
# Half precision rounds sums of many clusters; what is farther off are no probabilities.
_LEEWAY = 0.02


class Predictions:
    """Checked probabilities of n images by cluster, with names and truth where they are known.

    Args:
        probabilities: `[n, k]`, each row 0 to 1 with sum 1. Where clusters are matched to
            classes, the columns are in the order of the classes.
        names: of the k clusters, or of the classes once matched; None numbers them from 0.
        truth: integers `[n]`, the true column of each image, or `NO_LABEL`; None where no
            image's is known.

    Attributes:
        p: float64 `[n, k]`.
        names: k strings, each in one line.
        truth: int64 `[n]`.
        labelled: whether there is any truth.
        chosen: int64 `[n]`, the likeliest cluster of each image.

    Raises:
        InputError: shapes that do not fit, values that are no probabilities (NaN among them), or
            a truth that is no column.
    """

    def __init__(
        self,
        probabilities: NDArray[np.floating],
        names: Sequence[str] | None = None,
        truth: NDArray[np.integer] | None = None,
    ):
        if probabilities.ndim != 2 or 0 in probabilities.shape:
            form = "probabilities [n, k] of at least one image and cluster"
            raise expected(form, probabilities.shape, "probabilities.shape")
        self.p = probabilities.astype(np.float64)
        count, k = self.p.shape
        sums = self.p.sum(axis=1)
        # Written so that NaN, which compares as false, is refused.
        if not ((self.p >= 0).all() and (np.abs(sums - 1) <= _LEEWAY).all()):
            bad = int((~((self.p >= 0).all(axis=1) & (np.abs(sums - 1) <= _LEEWAY))).argmax())
            raise InputError(
                f"Expected probabilities of 0 to 1 with a sum of 1 in each row; received "
                f"{self.p[bad][:8].tolist()} in row {bad}."
            )
        # In one line each, and none a paragraph: they are measured in letters later.
        self.names = [shorten(str(n), 80) for n in (range(k) if names is None else names)]
        if len(self.names) != k:
            raise expected(f"{k} names", len(self.names), "len(names)")
        self.labelled = truth is not None
        self.truth = np.full(count, NO_LABEL, np.int64) if truth is None else truth.astype(np.int64)
        if self.truth.shape != (count,):
            raise expected(f"a truth for each of {count} images", self.truth.shape, "truth.shape")
        if self.truth.min() < NO_LABEL or self.truth.max() >= k:
            received = f"{self.truth.min()} to {self.truth.max()}"
            raise expected(f"a truth of 0 to {k - 1}, or {NO_LABEL} for none", received)
        self.chosen = self.p.argmax(axis=1)

    def check_images(self, images: NDArray[np.uint8]) -> None:
        """See that there is an image of 1 or more channels for each row.

        Raises:
            InputError: not uint8 `[n, height, width, channels]`.
        """
        n = len(self.p)
        if images.dtype != np.uint8 or images.ndim != 4 or len(images) != n or 0 in images.shape:
            wanted = f"images as uint8 [{n}, height, width, channels]"
            raise expected(wanted, f"{images.dtype} {list(images.shape)}")


def thumbnail(image: NDArray[np.uint8], side: int) -> Image.Image:
    """An image as large as a square allows, in its proportions, on a light ground.

    Args:
        image: uint8 `[height, width, channels]`. Of 1 or 2 channels the first one shows as grey;
            of 3 or more the first three as red, green and blue.
        side: of the square, in pixels.

    Returns:
        An RGB image, `side` by `side`.
    """
    bands = (0, 1, 2) if image.shape[2] >= 3 else (0, 0, 0)
    shown = Image.fromarray(to_rgb(image.astype(np.float32) / 255.0, bands))
    scale = side / max(shown.size)
    size = (max(1, round(shown.width * scale)), max(1, round(shown.height * scale)))
    # Small images are enlarged evenly smooth: their pixels are not what is looked at.
    shown = shown.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)
    panel = Image.new("RGB", (side, side), _BEHIND)
    panel.paste(shown, ((side - size[0]) // 2, (side - size[1]) // 2))
    return panel
