"""The data sets by name: how each is loaded, and what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from iic_tf.data.folder import load_folder
from iic_tf.data.potsdam import Bands, load_potsdam
from iic_tf.data.scene import SceneSet
from iic_tf.data.scenes import load_scenes
from iic_tf.errors import InputError, expected


@dataclass(frozen=True)
class Source:
    """Where a data set comes from: everything needed to load it again.

    Attributes:
        dataset: `scenes`, `folder` or `potsdam`.
        data: its folder; not used by `scenes`.
        classes: clusters wanted; chooses between Potsdam-3 and Potsdam-6, for instance.
        masks, class_file, image_glob, mask_glob, stretch: of `folder`, see `load_folder`.
        bands: of `potsdam`, see `load_potsdam`.
        count, size, data_seed: of `scenes`, see `load_scenes`.
    """

    dataset: str
    data: str | None = None
    classes: int = 3
    masks: str | None = None
    class_file: str | None = None
    image_glob: str | None = None
    mask_glob: str | None = None
    stretch: tuple[float, float] | None = None
    bands: Bands = "RGBIR"
    count: int = 24
    size: int = 256
    data_seed: int = 0


ABOUT = {
    "folder": (
        "your own PNG, JPEG or TIFF images, 1 to 16 channels, 8 or 16 bits; with or without masks. "
        "--data FOLDER [--masks FOLDER --class-file classes.yaml --image-glob '*/images/*.jpg' "
        "--mask-glob '*/masks/*.png' --stretch 2 98]"
    ),
    "potsdam": (
        "ISPRS Potsdam, RGBIR, RGB or IRRG tiles in their own folders and names. "
        "--data FOLDER [--bands RGBIR], 3 or 6 classes"
    ),
    "scenes": (
        "made on the spot from a seed: aerial scenes of red, green, blue and infrared in which "
        "texture matters; 3 or 6 classes. Needs no files"
    ),
}


def load_source(source: Source) -> SceneSet:
    """Load a data set.

    Raises:
        InputError: an unknown name, or something missing or unfit in the files.
    """
    if source.dataset not in ABOUT:
        raise expected(f"a data set among {', '.join(sorted(ABOUT))}", source.dataset, "dataset")
    if source.dataset == "scenes":
        if source.classes not in (3, 6):
            raise expected("3 or 6 classes for data set 'scenes'", source.classes, "classes")
        return load_scenes(source.count, source.size, source.data_seed, source.classes)
    if source.data is None:
        raise InputError(
            f"Expected --data with the folder of data set '{source.dataset}'; received none."
        )
    if source.dataset == "potsdam":
        if source.classes not in (3, 6):
            raise expected("3 or 6 classes for data set 'potsdam'", source.classes, "classes")
        return load_potsdam(source.data, source.classes, source.bands)
    return load_folder(
        source.data,
        masks=source.masks,
        classes=source.class_file,
        stretch=source.stretch,
        image_glob=source.image_glob,
        mask_glob=source.mask_glob,
    )


def located(source: dict[str, Any]) -> Source:
    """A source from its plain values as a run keeps them."""
    values = dict(source)
    if values.get("stretch") is not None:
        values["stretch"] = tuple(values["stretch"])
    return Source(**values)


def absolute(path: str | None) -> str | None:
    """An absolute path, so that a run finds its data from any folder."""
    return None if path is None else str(Path(path).expanduser().resolve())
