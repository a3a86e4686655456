"""Your own small images: a folder of PNG, JPEG or TIFF files, each one thing to be clustered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.converted import Channels, alike
from iic_tf.data.finding import Found, composed, find
from iic_tf.data.image_set import NO_LABEL, ImageSet
from iic_tf.data.list_file import is_list, read_list
from iic_tf.data.original_files import existing_folder, inside
from iic_tf.data.raster import Raster
from iic_tf.data.reading import SUFFIXES
from iic_tf.data.registry import IMAGES, FileSource, dataset, option
from iic_tf.errors import InputError, expected

FETCH = (
    "Lay out your images as FOLDER/*.png, or as FOLDER/CLASS/*.png where classes are known for "
    "scoring."
)
"""The layout expected."""


Background = Literal["white", "black", "stored"]
"""What shows behind transparent pixels; `stored` passes over alpha, as versions before 0.2 did."""


def load_image_folder(
    folder: str | Path,
    side: int = 96,
    convert: Channels = "auto",
    background: Background = "white",
) -> ImageSet:
    """All images in a folder and the folders within it, in order of their paths.

    Where there are at least two folders with images in it, these are classes, for scoring only;
    images beside them have none. Files that start with a dot, or lie in a folder that does, are
    left out, and so is what this program wrote, see `iic_tf.data.outputs`; the set's notes say what
    was. Each image is scaled so that its shorter side has `side` pixels (each new pixel a
    weighted mean of all the old ones it covers), and its middle square is kept. What is
    transparent is laid on a background, palettes are looked up, and 16 bits become 8 by their full
    range (65535 becomes 255), as `iic_tf.data.raster` says; 1 to 16 channels, but the same number
    in all images.

    All images together are held in memory, n · side² · channels bytes.

    Args:
        folder: the folder, or a list of images, see `iic_tf.data.list_file`.
        side: of the images, in pixels; at least 2.
        convert: how many bands grey and colour images become, see `iic_tf.data.converted`.
        background: what shows behind transparent pixels.

    Raises:
        DataMissingError: the folder does not exist.
        InputError: fewer than 2 images, one that cannot be read, or unlike numbers of channels.
    """
    if side < 2:
        raise expected("images of at least 2 pixels a side", side, "side")
    named = Path(folder).expanduser()
    place = named if is_list(named) else existing_folder(folder, FETCH)
    found = find_images(place)
    folder = found.root
    files = [file.relative_to(folder) for file in found.files]
    if not files:
        raise InputError(
            f"Expected images ({', '.join(sorted(SUFFIXES))}) in '{folder}'; received "
            f"{inside(folder)}. {FETCH}"
        )
    rasters, converted = alike([Raster(folder / file) for file in files], convert)
    channels = rasters[0].channels
    images = np.empty((len(files), side, side, channels), np.uint8)
    for number, raster in enumerate(rasters):
        if raster.channels != channels:
            raise InputError(
                f"Expected {channels} channels as in '{rasters[0].path}'; received "
                f"{raster.channels} in '{raster.path}'. Grey and colour images can be made alike "
                "(--channels 1 or 3)."
            )
        images[number] = read_square(raster, side, background)
    labels, names = _classes(files)
    # A folder given as "." has a name, too.
    whole = Path(os.path.abspath(place))
    name = whole.stem if is_list(place) else whole.name
    paths = tuple(file.as_posix() for file in files)
    notes = (*found.notes, *converted, *_empty_notes(rasters, background))
    return ImageSet(name, images, labels, names, files=paths, notes=notes)


def _empty_notes(rasters: Sequence[Raster], background: Background) -> list[str]:
    """A line on images that hold no data in parts, or are transparent there."""
    empty = [raster for raster in rasters if raster.has_nodata]
    if not empty:
        return []
    how = "comes as it is stored" if background == "stored" else f"is laid on {background}"
    return [
        f"{len(empty)} of {len(rasters)} images may be transparent or hold no data in parts, such "
        f"as '{empty[0].path.name}': what is transparent {how} (--background), other no data comes "
        "as it is stored, and is part of the image"
    ]


def find_images(place: Path) -> Found:
    """The images in a folder and the folders within it, sorted, or those of a list.

    Beside them: the folder by which they are named, and what was left out.
    """
    return read_list(place, SUFFIXES) if is_list(place) else find(place, SUFFIXES)


def _classes(files: list[Path]) -> tuple[NDArray[np.int32] | None, tuple[str, ...] | None]:
    above = [composed(file.parts[0]) if len(file.parts) > 1 else None for file in files]
    names = sorted({name for name in above if name is not None})
    if len(names) < 2:
        return None, None
    number = {name: i for i, name in enumerate(names)}
    labels = [NO_LABEL if name is None else number[name] for name in above]
    return np.asarray(labels, np.int32), tuple(names)


def read_square(raster: Raster, side: int, background: Background = "white") -> NDArray[np.uint8]:
    """The middle square of an image, scaled: uint8 `[side, side, channels]`.

    Args:
        raster: the image, uint8 or uint16.
        side: wanted, in pixels.
        background: what shows where the image is transparent; see `Background`.

    Raises:
        InputError: the file cannot be read, or holds numbers of another type.
    """
    if raster.dtype not in (np.uint8, np.uint16):
        raise InputError(
            "Expected images of uint8 or uint16, whose range is known, to be clustered as wholes; "
            f"received {raster.dtype} in '{raster.path}'. Store them as one of the two."
        )
    everything = 0, 0, raster.height, raster.width
    if background == "stored":
        pixels = raster.read(*everything)
    else:
        pixels = raster.read_on(*everything, background={"white": 255, "black": 0}[background])
    height, width, channels = pixels.shape
    short = min(height, width)
    left, top = (width - short) / 2, (height - short) / 2
    box = (left, top, left + short, top + short)
    wide = pixels.dtype == np.uint16
    out = np.empty((side, side, channels), np.uint8)
    for band in range(channels):
        plane = np.ascontiguousarray(pixels[..., band])
        # Pillow scales 8-bit and float images, but not 16-bit ones.
        image = Image.fromarray(plane.astype(np.float32) / 257 if wide else plane)
        # BILINEAR covers all the old pixels under a new one, also when scaling down.
        scaled = np.asarray(image.resize((side, side), Image.Resampling.BILINEAR, box))
        out[..., band] = np.rint(scaled) if wide else scaled
    return out


@dataset(
    "images",
    IMAGES,
    "your own images (PNG, JPEG, TIFF, ...), 1 to 16 channels, 8 or 16 bits, each clustered as a "
    "whole; "
    "sub-folders, where there are any, are classes for scoring only",
)
@dataclass(frozen=True, kw_only=True)
class Images(FileSource):
    """Your own small images; see `load_image_folder`."""

    side: int = 96
    background: Background = option(
        "white", help="behind transparent pixels: white, black, or stored (alpha is passed over)"
    )
    channels: Channels = option(
        "auto", help="bands of grey and colour images: 1, 3, or as most have (auto)"
    )

    def load(self) -> ImageSet:
        if self.data is None:
            raise InputError(
                f"Expected --data with the folder of your images; received none. {FETCH}"
            )
        return load_image_folder(self.data, self.side, self.channels, self.background)
