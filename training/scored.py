"""What an evaluation asks of a kind of data."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.training.folds import FoldConfusions


class Scored(Protocol):
    """What there is to score of a run."""

    @property
    def unit(self) -> str:
        """What is counted: `pixels` or `images`."""
        ...

    @property
    def baselines(self) -> tuple[str, ...]:
        """Which of `score_table.BASELINES` there are."""
        ...

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user has to know of the data, or of how scores are taken, a line each."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """Of the classes."""
        ...

    @property
    def images(self) -> int:
        """How many are labelled."""
        ...

    @property
    def of(self) -> int:
        """Of how many images these are."""
        ...

    @property
    def folds(self) -> int:
        """Into how many parts they are split; see `Split`."""
        ...

    @property
    def fold_images(self) -> Sequence[Sequence[str]] | None:
        """The names in each, where they are few enough to be told."""
        ...

    def found(self, which: str) -> FoldConfusions:
        """The confusion matrices of `trained` or a baseline."""
        ...

    def named(self, served: Any, without: Collection[str]) -> tuple[NDArray[np.int64], int]:
        """Counts of a model's own classes on images but some, and of how many images."""
        ...

    def draw(self, mapping: NDArray[np.integer], folder: Path) -> list[str]:
        """Draw what the chosen sub-head found; the names of the pictures.

        Args:
            mapping: integers `[classes]`, the class of each cluster of the main head.
            folder: where to.
        """
        ...
