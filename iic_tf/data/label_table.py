"""Tables of labels in CSV files: a header, and a label a line."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from iic_tf.data.finding import composed
from iic_tf.errors import DataMissingError, InputError

_DELIMITERS = (",", ";")


@dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        line: its number in the file, from 1.
        cells: by column, in composed Unicode (NFC), without spaces around.
    """

    line: int
    cells: dict[str, str]


@dataclass(frozen=True)
class Table:
    """A table of labels.

    Attributes:
        file: where it was read from.
        delimiter: "," or ";".
        rows: those that are not blank.
    """

    file: Path
    delimiter: str
    rows: list[Row]


def read_table(file: str | Path, columns: Sequence[str]) -> Table:
    """Read a CSV file, UTF-8 with or without a byte order mark, cells split by `,` or `;`.

    Args:
        file: the file.
        columns: those that are read, named by the header in any order, upper or lower case; others
            are passed over.

    Raises:
        DataMissingError: there is no such file.
        InputError: it is no CSV in UTF-8, a column is missing or there twice, or a line has other
            cells than the header.
    """
    file = Path(file)
    if not file.is_file():
        raise DataMissingError(f"Expected a table of labels (CSV) at '{file}'; received no file.")
    form = f"a CSV file with the columns {', '.join(columns)} at '{file}'"
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise InputError(f"Expected {form}, in UTF-8; received {_one_line(error)}.") from error
    if "\0" in text:
        raise InputError(f"Expected {form}; received a file with zero bytes.")
    head = text.lstrip().partition("\n")[0]
    delimiter = max(_DELIMITERS, key=head.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        numbered = [(lines.line_num, cells) for cells in lines if any(c.strip() for c in cells)]
    except csv.Error as error:
        raise InputError(f"Expected {form}; received line {lines.line_num}: {error}.") from error
    if not numbered:
        raise InputError(f"Expected {form}; received an empty file.")
    header = [composed(cell).strip() for cell in numbered[0][1]]
    places = [_place(column, header, form) for column in columns]
    rows = []
    for line, cells in numbered[1:]:
        if len(cells) != len(header):
            raise InputError(
                f"Expected {len(header)} cells in each line of '{file}', as many as its header "
                f"has; received {len(cells)} in line {line}."
            )
        found = (composed(cells[place]).strip() for place in places)
        rows.append(Row(line, dict(zip(columns, found, strict=True))))
    return Table(file, delimiter, rows)


def _place(column: str, header: Sequence[str], form: str) -> int:
    wanted = composed(column).casefold()
    found = [i for i, cell in enumerate(header) if cell.casefold() == wanted]
    if len(found) != 1:
        heads = ", ".join(f"'{cell[:40]}'" for cell in header[:12])
        came = f"no '{column}' among" if not found else f"'{column}' {len(found)} times among"
        raise InputError(f"Expected {form}; received {came} its columns {heads}.")
    return found[0]


def with_class(table: Table, column: str) -> tuple[list[Row], tuple[str, ...]]:
    """The rows that have a class, and a note on those that have none."""
    rows = [row for row in table.rows if row.cells[column]]
    empty = len(table.rows) - len(rows)
    if not empty:
        return rows, ()
    note = f"left out of '{table.file}': {empty} of {len(table.rows)} lines, which have no class"
    return rows, (note,)


def case_notes(names: Sequence[str]) -> tuple[str, ...]:
    """A note where names of classes differ in upper and lower case alone."""
    by_fold: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        by_fold.setdefault(name.casefold(), []).append(name)
    alike = [" and ".join(f"'{n}'" for n in same) for same in by_fold.values() if len(same) > 1]
    return tuple(f"{same} are taken as different classes" for same in alike)


def require_classes(names: Sequence[str], file: Path, which: str = "") -> None:
    """Refuse labels of fewer than two classes; `which` says, after "classes", of which labels.

    Raises:
        InputError: names which there is.
    """
    there = sorted(set(names))
    if len(there) < 2:
        came = f"'{there[0]}' alone" if there else "none"
        raise InputError(
            f"Expected labels of at least 2 classes{which} in '{file}'; received {came}."
        )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
