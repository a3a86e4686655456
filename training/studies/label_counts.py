"""What a run found in each labelled image, and what that scores with few labels."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.errors import InputError
from iic_tf.metrics import many_to_one
from iic_tf.training.atomic import replacing
from iic_tf.views.draws import generator

_DAMAGE = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error)


@dataclass(frozen=True)
class LabelCounts:
    """Pixels, or images, by class and cluster.

    Attributes:
        rows: int64 `[m, 4]`: number of an image of the labelled training part, from 0; class,
            cluster, and how many pixels (1 for whole images) are of both.
        images: labelled images of the training part.
        test: int64 `[classes, clusters]`, counts over the test part.
        seconds: that the training took.
    """

    rows: NDArray[np.int64]
    images: int
    test: NDArray[np.int64]
    seconds: float

    def matrix(self, chosen: NDArray[np.integer]) -> NDArray[np.int64]:
        """Counts `[classes, clusters]` over these images of the training part."""
        taken = np.zeros(self.images, np.bool_)
        taken[chosen] = True
        found = np.zeros_like(self.test)
        rows = self.rows[taken[self.rows[:, 0]]]
        np.add.at(found, (rows[:, 1], rows[:, 2]), rows[:, 3])
        return found

    def accuracy(self, chosen: NDArray[np.integer]) -> float:
        """Accuracy on the test part with the many-to-one mapping of these training images."""
        mapping = many_to_one(self.matrix(chosen))
        right = self.test[mapping, np.arange(len(mapping))].sum()
        return float(right / self.test.sum())

    def accuracies(self, count: int, draws: int, seed: int) -> list[float]:
        """Accuracies for so many labelled images, drawn so often; once where that is all.

        The images of a smaller count are the first of a larger one's, in each draw.
        """
        draws = 1 if count == self.images else draws
        orders = (
            generator(seed, draw, 0, "labels").permutation(self.images) for draw in range(draws)
        )
        return [self.accuracy(order[:count]) for order in orders]

    def save(self, path: Path) -> None:
        """Write it, whole or not at all."""
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(
                file, rows=self.rows, images=self.images, test=self.test, seconds=self.seconds
            )

    @classmethod
    def load(cls, path: Path) -> LabelCounts | None:
        """What was saved; None where nothing was.

        Raises:
            InputError: the file is damaged.
        """
        if not path.is_file():
            return None
        try:
            # Opened here: NumPy would leave a damaged one open.
            with path.open("rb") as file, np.load(file) as stored:
                values = {name: stored[name] for name in ("rows", "images", "test", "seconds")}
            images, seconds = int(values["images"]), float(values["seconds"])
            return cls(values["rows"], images, values["test"], seconds)
        except _DAMAGE as error:
            raise InputError(
                f"Expected what a run of the study found in {path}; received {error}. Delete it to "
                "have it made again."
            ) from error
