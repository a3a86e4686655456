"""Predicting whole images: a clustering run and images become a table and a sheet."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.converted import Converted
from iic_tf.data.image_folder import FETCH, Background, find_images, read_square
from iic_tf.data.original_files import inside
from iic_tf.data.raster import Raster
from iic_tf.data.registry import source_from_dict
from iic_tf.errors import DataMissingError, InputError
from iic_tf.export.results_folder import make_folder
from iic_tf.export.served_run import answer_served_as
from iic_tf.export.shares import largest_shares
from iic_tf.models.served_clusterer import ServedClusterer
from iic_tf.pictures import confident_sheets
from iic_tf.training.answer import Answer
from iic_tf.training.atomic import replacing
from iic_tf.training.picture_pages import write_pages
from iic_tf.training.progress import progress, track
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
    run: Run,
    images: str | Path,
    out: str | Path,
    head: str | None = None,
    say: Callable[[str], None] = print,
    classes: int | None = None,
) -> None:
    """Label whole images with the best model of a clustering run.

    In `out`: `predictions.csv` with a row an image (its file, the number of its likeliest cluster
    or class, that one's probability, those of all, and, where classes were named, its name), and
    `sheet.png` with the most confident images of each cluster. Files of these names are replaced,
    each whole or not at all.

    Images are scaled and cut as `iic_tf.data.image_folder` does it, to the height of the images of
    the training, and all held in memory.

    Args:
        run: a trained clustering run.
        images: an image, or a folder of them and of folders within it; or the name of the run's
            own data set, such as `mnist`, for what it was trained on.
        out: a folder; where it lies within that of the images, what is in it is not looked at.
        head: what to label with, see `iic_tf.training.answer.answer_of`.
        classes: or groups of clusters, likewise.
        say: gets each line shown to the user.

    Raises:
        InputError: no images, none with the run's channels, or no trained model, before anything
            is written; or damaged images, after all others are done.
    """
    answer = answer_served_as(run, ServedClusterer, head, classes)
    served = answer.served
    dataset = run.config().get("source", {}).get("dataset")
    place, folder = Path(images).expanduser(), Path(out).expanduser()
    own = images == dataset and not place.exists()
    files = {} if own else _files(place, folder, say)
    _require_channels(run, files, served.model.channels)
    make_folder(folder, place, files.values(), {TABLE, SHEET})
    background = run.config().get("source", {}).get("background", "stored")
    read = _own(run, say) if own else _read(files, served, background, say)
    if read.names:
        probabilities = _probabilities(served, read.pixels)
        names = answer.names
        labels = probabilities.argmax(1)
        _write_table(folder / TABLE, read.names, probabilities, answer)
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
    if images.is_file():
        return {images.name: images}
    if not images.is_dir():
        raise DataMissingError(
            f"Expected an image or a folder of images at '{images}'; received nothing."
        )
    there = find_images(images)
    for note in there.notes:
        say(f"note: {note}")
    found = {file.relative_to(images).as_posix(): file for file in there.files}
    results = out.resolve()
    if images.resolve() in results.parents:
        # The sheet of an earlier prediction is none of the images.
        found = {n: f for n, f in found.items() if results not in f.resolve().parents}
    if not found:
        raise InputError(f"Expected images in '{images}'; received {inside(images)}. {FETCH}")
    return found


def _require_channels(run: Run, files: dict[str, Path], channels: int) -> None:
    """Refuse at once where no file fits; single ones that do not are left out later."""
    others = set()
    for file in files.values():
        # A damaged file is reported when its turn comes.
        with contextlib.suppress(InputError):
            found = Raster(file).channels
            if found == channels:
                return
            others.add(found)
    if others:
        raise InputError(
            f"Expected images of {channels} channels, as run {run.folder} was trained on; "
            f"received {' and '.join(map(str, sorted(others)))}."
        )


def _own(run: Run, say: Callable[[str], None]) -> _Images:
    source = run.config()["source"]
    found = source_from_dict(_as_then(source)).load()
    for note in found.notes:
        say(f"note: {note}")
    names = found.files or tuple(f"number {index}" for index in range(len(found)))
    return _Images(list(names), found.images)


def _as_then(source: dict[str, Any]) -> dict[str, Any]:
    """A source as it was read in training: before 0.2 alpha was passed over."""
    return {"background": "stored", **source} if source.get("dataset") == "images" else source


def _read(
    files: dict[str, Path],
    served: ServedClusterer,
    background: Background,
    say: Callable[[str], None],
) -> _Images:
    channels = served.model.channels
    pixels = np.empty((len(files), served.side, served.side, channels), np.uint8)
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
            pixels[len(names)] = read_square(raster, served.side, background)
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


def _probabilities(served: ServedClusterer, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Probabilities `[n, k]`."""
    spec = tf.TensorSpec((None, served.side, served.side, served.model.channels), tf.float32)
    graph = tf.function(served.probabilities, input_signature=[spec])
    parts = []
    with progress("labelling", len(pixels)) as bar:
        for first in range(0, len(pixels), BATCH):
            raw = pixels[first : first + BATCH].astype(np.float32)
            parts.append(np.asarray(graph(tf.constant(raw))))
            bar.advance(len(raw))
    return np.concatenate(parts)


def _write_table(
    path: Path, files: Sequence[str], probabilities: NDArray[np.float32], answer: Answer
) -> None:
    # A file's name may hold bytes that are no text: they are written as they are.
    with (
        replacing(path) as temporary,
        temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
    ):
        writer = csv.writer(file)
        named = answer.meaning is not None
        kind = "class" if named else "cluster"
        columns = [f"{kind}_{number}" for number in answer.numbers]
        writer.writerow(["file", "label", "confidence", *columns, *(["name"] * named)])
        for name, row in zip(files, probabilities, strict=True):
            best = int(row.argmax())
            own = [answer.names[best]] * named
            shares = (f"{p:.6f}" for p in row)
            writer.writerow([name, answer.numbers[best], f"{row[best]:.6f}", *shares, *own])
