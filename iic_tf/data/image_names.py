"""Which image a table means: by its name, its file's name, or its path."""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath

from iic_tf.data.finding import IMAGE_LIKE, composed
from iic_tf.data.label_table import Row
from iic_tf.data.reading import SUFFIXES
from iic_tf.errors import InputError

_NAMED = 3


class ImageNames:
    """The images of a set, to be found by what a table calls them.

    An image is called by its name within the set (`a__7`), by its path within the data's folder
    (`a/7.tif`), both with or without the file's suffix, or by the end of its path: its file's name
    (`7.tif`), its stem (`7`), or these with some of the folders above.

    Args:
        names: within the set, each different; may be paths with `/`.
        files: the file of each, or None where it has none.
    """

    def __init__(self, names: Sequence[str], files: Sequence[Path | PurePosixPath | None]) -> None:
        self.names = [composed(name) for name in names]
        self._by_name = {name: i for i, name in enumerate(self.names)}
        self._by_bare: dict[str, list[int]] = defaultdict(list)
        for i, name in enumerate(self.names):
            self._by_bare[_bare(name).replace("/", "__")].append(i)
        self._parents: list[tuple[str, ...]] = []
        self._by_file: dict[str, list[int]] = defaultdict(list)
        for i, file in enumerate(files):
            path = PurePosixPath(composed(file.as_posix())) if file is not None else None
            self._parents.append(path.parent.parts if path else ())
            for key in {path.name, _bare(path.name)} if path else ():
                self._by_file[key].append(i)

    def find(self, text: str) -> int | None:
        """The number of the image that is called so; None where there is none.

        Raises:
            ValueError: several are; the message names them.
        """
        text = composed(text).replace("\\", "/").removeprefix("./")
        if text in self._by_name:
            return self._by_name[text]
        joined = text.replace("/", "__")
        fitting = self._by_bare.get(joined) or self._by_bare.get(_bare(joined)) or []
        if not fitting:
            *above, last = PurePosixPath(text).parts or ("",)
            parents = self._parents
            fitting = [
                i
                for i in self._by_file.get(last, ())
                if not above or parents[i][-len(above) :] == tuple(above)
            ]
        if len(fitting) > 1:
            which = ", ".join(f"'{self.names[i]}'" for i in fitting[:_NAMED])
            raise ValueError(f"'{text}', which may be any of {len(fitting)} images: {which}")
        return fitting[0] if fitting else None

    def near(self, text: str) -> str | None:
        """The name most like a text; None where none is like it."""
        found = difflib.get_close_matches(_bare(text), self.names, 1, 0.6)
        return found[0] if found else None

    def find_all(self, rows: Iterable[Row], column: str, what: str) -> list[int]:
        """The image of each row.

        Args:
            rows: of a table.
            column: the column that names images.
            what: the table and the set, for messages.

        Raises:
            InputError: some name no image, or several; says how many, and a name like it.
        """
        found: list[int] = []
        unknown: dict[str, int] = {}
        for row in rows:
            text = row.cells[column]
            try:
                number = self.find(text)
            except ValueError as error:
                raise InputError(
                    f"Expected {what}; received {error} (line {row.line}). Write the path within "
                    "the data's folder."
                ) from error
            if number is None:
                unknown.setdefault(text, row.line)
            else:
                found.append(number)
        if unknown:
            text, line = next(iter(unknown.items()))
            near = self.near(text)
            like = f"did you mean '{near}'?" if near else f"there is '{self.names[0]}'"
            count = f"{len(unknown)} unknown names, first " if len(unknown) > 1 else ""
            raise InputError(f"Expected {what}; received {count}'{text}' (line {line}): {like}.")
        return found


def _bare(text: str) -> str:
    """Without the suffix of an image; a dot within a name stays."""
    suffix = PurePosixPath(text).suffix
    return text[: -len(suffix)] if suffix.lower() in IMAGE_LIKE | SUFFIXES else text
