"""What the labels of a prediction are called and how they look."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import ClassTable
from iic_tf.training.json_files import write_json

if TYPE_CHECKING:
    from iic_tf.training.answer import Answer


@dataclass(frozen=True)
class Legend:
    """Names, colours and numbers, by index.

    Attributes:
        names: one for each cluster or class.
        colours: uint8 `[k, 3]`.
        numbers: int32 `[k]`, what stands for each in files.
        classes: of the masks, where there are any.
    """

    names: tuple[str, ...]
    colours: NDArray[np.uint8]
    numbers: NDArray[np.int32]
    classes: ClassTable | None = None

    @classmethod
    def of(cls, answer: Answer, classes: ClassTable | None = None) -> Legend:
        """That of what a run answers with, beside the classes of masks."""
        return cls(answer.names, answer.colours, answer.numbers, classes)

    @property
    def shared(self) -> NDArray[np.int64] | None:
        """The mask's class of each name, `[k]`; None where some name is no class of the masks."""
        if self.classes is None or not set(self.names) <= set(self.classes.names):
            return None
        return np.array([self.classes.names.index(name) for name in self.names])

    def write(
        self, path: Path, totals: Sequence[Mapping[str, int | float | None]] | None = None
    ) -> None:
        """Write `{"0": {"name": ..., "colour": "#0072b2"}, ...}`, by the numbers in files.

        Args:
            path: the file.
            totals: more of each, such as how many pixels it has.
        """
        more = totals or [{}] * len(self.names)
        entries = zip(self.numbers, self.names, self.colours, more, strict=True)
        write_json(
            path,
            {
                str(number): {"name": name, "colour": "#" + bytes(colour).hex(), **total}
                for number, name, colour, total in sorted(entries, key=lambda entry: int(entry[0]))
            },
        )

    def file_colours(self) -> NDArray[np.uint8]:
        """Of every number up to the largest one in files, uint8 `[n, 3]`; black for none."""
        table = np.zeros((int(self.numbers.max()) + 1, 3), np.uint8)
        table[self.numbers] = self.colours
        return table

    def bands(self) -> dict[str, int]:
        """Names as of bands of a file, in the order of the numbers in files, and their indices."""
        return {f"{self.numbers[index]} {self.names[index]}": index for index in self.order}

    @property
    def digest(self) -> str:
        """By which it is told from others."""
        said = json.dumps([self.names, self.colours.tolist(), self.numbers.tolist()])
        return hashlib.sha256(said.encode()).hexdigest()

    @property
    def order(self) -> list[int]:
        """The indices, by the numbers in files."""
        return [int(index) for index in np.argsort(self.numbers, kind="stable")]
