"""Labels of whole images, from a CSV file with a line for each labelled image.

An example::

    image,class
    cats/17.jpg,cat
    18.jpg,dog

Images are found by `iic_tf.data.image_names`; those of a set that is no folder of files are called
by their numbers, from 0: 7, or as in tables of predictions "number 7".
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from iic_tf.data.image_names import ImageNames
from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.label_table import Row, case_notes, read_table, require_classes, with_class
from iic_tf.data.marks import sorted_names
from iic_tf.errors import InputError


def with_labels(images: ImageSet, file: str | Path, column: str = "class") -> ImageSet:
    """Images under the labels of a CSV file, in place of any of theirs.

    Args:
        images: the images.
        file: the CSV file described at the top of this module.
        column: the one that holds the class, a name.

    Returns:
        The images; those that the file does not name have `NO_LABEL`. Classes are those of the
        file, sorted; notes say how many lines have no class, and are left out.

    Raises:
        DataMissingError: there is no such file.
        InputError: no such CSV file, an unknown image or one of several, two classes for an image,
            or fewer than 2 classes.
    """
    table = read_table(file, ("image", column))
    rows, notes = with_class(table, column)
    names = [row.cells[column] for row in rows]
    require_classes(names, table.file)
    order = sorted_names(names)
    index = {name: i for i, name in enumerate(order)}
    numbers = image_names(images).find_all(
        rows, "image", f"images of '{images.name}' in '{table.file}'"
    )
    labels = np.full(len(images), NO_LABEL, np.int32)
    said: dict[int, Row] = {}
    for number, row in zip(numbers, rows, strict=True):
        before = said.setdefault(number, row)
        if before.cells[column] != row.cells[column]:
            raise InputError(
                f"Expected one class for an image; received '{before.cells[column]}' (line "
                f"{before.line}) and '{row.cells[column]}' (line {row.line}) for "
                f"'{row.cells['image']}' in '{table.file}'."
            )
        labels[number] = index[row.cells[column]]
    told = (*images.notes, *notes, *case_notes(order))
    return replace(images, labels=labels, class_names=tuple(order), notes=told)


def image_names(images: ImageSet) -> ImageNames:
    """The images, to be found by their files, or by their numbers where they have none."""
    if images.files is None:
        # Tables of suggestions and of predictions call them "number 7".
        every = range(len(images))
        return ImageNames([str(i) for i in every], [PurePosixPath(f"number {i}") for i in every])
    return ImageNames(images.files, [PurePosixPath(file) for file in images.files])
