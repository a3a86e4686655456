"""Predicting whole images: by a clustering run or its export they get a table and a sheet."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.data.converted import Converted
from iic_tf.data.image_folder import FETCH, find_images, read_square
from iic_tf.data.list_file import is_list
from iic_tf.data.original_files import inside
from iic_tf.data.raster import Raster
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import DataMissingError, InputError
from iic_tf.export.exported_model import Exported
from iic_tf.export.model import ImageModel
from iic_tf.export.open_model import open_image_model
from iic_tf.export.results_folder import make_folder
from iic_tf.export.shares import largest_shares
from iic_tf.pictures.confident_sheet import confident_sheets
from iic_tf.training.atomic import replacing
from iic_tf.training.picture_pages import write_pages
from iic_tf.training.progress import progress, track

if TYPE_CHECKING:
    from iic_tf.training.run import Run

BATCH = 256
TABLE = "predictions.csv"
SHEET = "sheet.png"


@dataclass
class _Images:
    """What was read: names, uint8 `[n, side, side, channels]`, and what was wrong with others."""

    names: list[str]
    pixels: NDArray[np.uint8]
    broken: list[str] = field(default_factory=list)


def predict_images(
    run: Run | str | Path | Exported,
    images: str | Path,
    out: str | Path,
    head: str | None = None,
    say: Callable[[str], None] = print,
    classes: int | None = None,
) -> None:
    """Label whole images with the best model of a clustering run, or with an export of one.

    In `out`: `predictions.csv` with a row an image (its file, the number of its likeliest cluster
    or class, that one's probability, those of all, and, where classes were named, its name), and
    `sheet.png` with the most confident images of each cluster. Files of these names are replaced,
    each whole or not at all.

    Images are scaled and cut as `iic_tf.data.image_folder` does it, to the height of the images of
    the training, and all held in memory.

    Args:
        run: a trained clustering run; or the path of its export.
        images: an image, a folder of them and of folders within it, or a list; or the name of
            the run's own data set, such as `mnist`, for what it was trained on.
        out: a folder; where it lies within that of the images, what is in it is not looked at.
        head: what to label with, see `iic_tf.training.answer.answer_of`.
        classes: or groups of clusters, likewise.
        say: gets each line shown to the user.

    Raises:
        InputError: no images, none with the run's channels, or no trained model, before anything
            is written; or damaged images, after all others are done.
    """
    model = open_image_model(run, head, classes)
    source = model.config.get("source", {})
    place, folder = Path(images).expanduser(), Path(out).expanduser()
    own = images == source.get("dataset") and not place.exists()
    files = {} if own else _files(place, folder, say)
    _require_channels(model, files)
    make_folder(folder, place, files.values(), {TABLE, SHEET})
    read = _own(source, say) if own else _read(files, model, say)
    if read.names:
        probabilities = _probabilities(model, read.pixels)
        names = model.names
        labels = probabilities.argmax(1)
        _write_table(folder / TABLE, read.names, probabilities, model)
        sheets = write_pages(folder / SHEET, confident_sheets(read.pixels, probabilities, names))
        counts = np.bincount(labels, minlength=len(names))
        say(f"labelled {len(labels)} images: {largest_shares(counts, names)}")
        say(f"written: {', '.join(map(str, (folder / TABLE, *sheets)))}")
    if read.broken:
        more = len(read.broken) - 3
        raise InputError(
            f"{len(read.broken)} of {len(files)} images were left out. "
            + " ".join(read.broken[:3])
            + (f" And {more} more, named above." if more > 0 else "")
        )


def _files(images: Path, out: Path, say: Callable[[str], None]) -> dict[str, Path]:
    """The images by the names they get in the table."""
    if images.is_file() and not is_list(images):
        return {images.name: images}
    if not images.exists():
        raise DataMissingError(
            f"Expected an image, a folder or a list of images at '{images}'; received nothing."
        )
    there = find_images(images)
    for note in there.notes:
        say(f"note: {note}")
    found = {file.relative_to(there.root).as_posix(): file for file in there.files}
    results = out.resolve()
    if images.resolve() in results.parents:
        # The sheet of an earlier prediction is none of the images.
        found = {n: f for n, f in found.items() if results not in f.resolve().parents}
    if not found:
        raise InputError(f"Expected images in '{images}'; received {inside(images)}. {FETCH}")
    return found


def _require_channels(model: ImageModel, files: dict[str, Path]) -> None:
    """Refuse at once where no file fits; single ones that do not are left out later."""
    channels, others = model.channels, set()
    for file in files.values():
        # A damaged file is reported when its turn comes.
        with contextlib.suppress(InputError):
            found = Raster(file).channels
            if found == channels:
                return
            others.add(found)
    if others:
        raise InputError(
            f"Expected images of {channels} channels, as {model.what} was trained on; "
            f"received {' and '.join(map(str, sorted(others)))}."
        )


def _own(source: Json, say: Callable[[str], None]) -> _Images:
    found = source_from_dict(_as_then(source)).load()
    for note in found.notes:
        say(f"note: {note}")
    names = found.files or tuple(f"number {index}" for index in range(len(found)))
    return _Images(list(names), found.images)


def _as_then(source: Json) -> Json:
    """A source as it was read in training: before 0.2 alpha was passed over."""
    return {"background": "stored", **source} if source.get("dataset") == "images" else source


def _read(
    files: dict[str, Path],
    model: ImageModel,
    say: Callable[[str], None],
) -> _Images:
    channels, side = model.channels, model.side
    pixels = np.empty((len(files), side, side, channels), np.uint8)
    names: list[str] = []
    broken: list[str] = []
    converted: list[str] = []
    for name, file in track(files.items(), "reading images"):
        try:
            raster = Raster(file)
            if {raster.channels, channels} == {1, 3}:
                # As in training, where most images have the others' bands.
                raster = Converted(raster, channels)
                converted.append(name)
            if raster.channels != channels:
                raise InputError(
                    f"Expected {channels} channels; received {raster.channels} in '{file}'."
                )
            pixels[len(names)] = read_square(raster, side, model.background)
        except InputError as error:
            # The others are still worth having.
            broken.append(str(error))
            say(f"{name}: left out. {error}")
            continue
        names.append(name)
    if converted:
        how = (
            "grey images are read as colour" if channels == 3 else "colour images are read as grey"
        )
        say(f"note: {len(converted)} {how}, such as '{converted[0]}'")
    return _Images(names, pixels[: len(names)], broken)


def _probabilities(model: ImageModel, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities `[n, k]`."""
    parts = []
    with progress("labelling", len(pixels)) as bar:
        for first in range(0, len(pixels), BATCH):
            some = pixels[first : first + BATCH]
            parts.append(model.probabilities(some))
            bar.advance(len(some))
    return np.concatenate(parts)


def _write_table(
    path: Path, files: Sequence[str], probabilities: NDArray[np.float32], model: ImageModel
) -> None:
    # A file's name may hold bytes that are no text: they are written as they are.
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        named = model.named
        kind = "class" if named else "cluster"
        columns = [f"{kind}_{number}" for number in model.numbers]
        writer.writerow(["file", "label", "confidence", *columns, *(["name"] * named)])
        for name, row in zip(files, probabilities, strict=True):
            best = int(row.argmax())
            own = [model.names[best]] * named
            shares = (f"{p:.6f}" for p in row)
            writer.writerow([name, model.numbers[best], f"{row[best]:.6f}", *shares, *own])
