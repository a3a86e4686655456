"""The Potsdam tiles of the ISPRS 2D semantic labelling benchmark.

38 aerial tiles of 6000 x 6000 pixels at 5 cm with red, green, blue and infrared, and labels of six
classes. Files, as the benchmark hands them out::

    Potsdam/
      2_Ortho_RGB/top_potsdam_2_10_RGB.tif
      3_Ortho_IRRG/top_potsdam_2_10_IRRG.tif
      4_Ortho_RGBIR/top_potsdam_2_10_RGBIR.tif
      5_Labels_all/top_potsdam_2_10_label.tif
      5_Labels_all_noBoundary/top_potsdam_2_10_label_noBoundary.tif

Only the folder of the bands that are used is needed, and labels where there are any. The files are
told by their names: they are found in the folder given, and in folders up to two levels below it.

Label colours: impervious surface white, building blue, low vegetation cyan, tree green, car yellow,
clutter red. Black, which marks the borders between classes in the labels without boundary, is
ignored, and so is any other colour.

- 6 classes: road (all impervious surface), building, low vegetation, tree, car, clutter.
- 3 classes (Potsdam-3): road and car; building and clutter; low vegetation and tree.

Licence: the data may be used for research under the terms of the benchmark, after registration;
they are not part of this package. Citation: ISPRS Commission II (then WG III/4), "2D Semantic
Labeling Contest - Potsdam"; the images are by BSF Swissphoto.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from iic_tf.data.file_scene import FileScene, build_set
from iic_tf.data.mask_code import ClassCode, MaskCode, make_mask_code
from iic_tf.data.raster import Raster
from iic_tf.data.registry import SCENES, FileSource, dataset, option
from iic_tf.data.scene import SceneSet
from iic_tf.errors import DataMissingError, expected

Bands = Literal["RGBIR", "RGB", "IRRG"]

_FOLDERS = {"RGB": "2_Ortho_RGB", "IRRG": "3_Ortho_IRRG", "RGBIR": "4_Ortho_RGBIR"}
_CHANNELS = {"RGB": 3, "IRRG": 3, "RGBIR": 4}
_NAME = re.compile(r"top_potsdam_(\d+)_(\d+)_(RGB|IRRG|RGBIR|label|label_noBoundary)\.tiff?")

_WHITE, _BLUE, _CYAN = (255, 255, 255), (0, 0, 255), (0, 255, 255)
_GREEN, _YELLOW, _RED, _BLACK = (0, 255, 0), (255, 255, 0), (255, 0, 0), (0, 0, 0)
_CLASSES = {
    6: (
        ClassCode("road", (_WHITE,)),
        ClassCode("building", (_BLUE,)),
        ClassCode("low vegetation", (_CYAN,)),
        ClassCode("tree", (_GREEN,)),
        ClassCode("car", (_YELLOW,)),
        ClassCode("clutter", (_RED,)),
    ),
    3: (
        ClassCode("road and car", (_WHITE, _YELLOW)),
        ClassCode("building and clutter", (_BLUE, _RED)),
        ClassCode("low vegetation and tree", (_CYAN, _GREEN), show=_GREEN),
    ),
}

Tiles = dict[str, dict[tuple[int, int], Path]]


def load_potsdam(
    folder: str | Path, classes: int = 3, bands: Bands = "RGBIR", eroded: bool = True
) -> SceneSet:
    """All tiles of the bands asked for, labelled or not, in order of their numbers.

    Scenes are called "potsdam_2_10" and so on. Values 0 to 255 become 0 to 1. Pictures show the
    first three bands: true colour for RGBIR and RGB, false colour for IRRG.

    Args:
        folder: the folder `Potsdam` above, one above it, or one in which the files lie flat.
        classes: 3 or 6.
        bands: "RGBIR", "RGB" or "IRRG".
        eroded: take labels without boundary, where both kinds are there; each tile falls back to
            the kind that is there.

    Raises:
        DataMissingError: the folder or the tiles of these bands are not there.
        InputError: `classes` or `bands` is none of the above, or a file cannot be read.
    """
    if classes not in _CLASSES:
        raise expected("3 or 6 classes", classes, "classes")
    if bands not in get_args(Bands):
        raise expected(f"one of {', '.join(get_args(Bands))}", bands, "bands")
    folder = Path(folder)
    found = _find(folder)
    if not found[bands]:
        raise _missing(folder, bands, found)
    code = make_mask_code(_CLASSES[classes], ClassCode("ignore", (_BLACK,)))
    plain, eroded_labels = found["label"], found["label_noBoundary"]
    labels = {**plain, **eroded_labels} if eroded else {**eroded_labels, **plain}
    scenes = [
        _scene(tile, image, labels.get(tile), code) for tile, image in sorted(found[bands].items())
    ]
    name = f"potsdam{classes}"
    return build_set(name, scenes, code if labels else None, channels=_CHANNELS[bands])


def _scene(tile: tuple[int, int], image: Path, label: Path | None, code: MaskCode) -> FileScene:
    name = f"potsdam_{tile[0]}_{tile[1]}"
    if label is None:
        return FileScene(name, Raster(image))
    return FileScene(name, Raster(image), Raster(label, code.palette), code)


def _find(folder: Path) -> Tiles:
    """Files by kind and tile; of copies the one nearest to the folder counts."""
    found: Tiles = {kind: {} for kind in (*_FOLDERS, "label", "label_noBoundary")}
    for path in _candidates(folder):
        match = _NAME.fullmatch(path.name)
        if match:
            row, column, kind = match.groups()
            found[kind].setdefault((int(row), int(column)), path)
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    for pattern in ("", "*/", "*/*/"):
        yield from sorted(folder.glob(f"{pattern}top_potsdam_*"))


def _missing(folder: Path, bands: str, found: Tiles) -> DataMissingError:
    if not folder.is_dir():
        came = "no such folder"
    else:
        kinds = [f"{len(tiles)} of {kind}" for kind, tiles in found.items() if tiles]
        inside = sorted(p.name for p in folder.iterdir())[:8]
        came = f"files {', '.join(kinds)}" if kinds else f"a folder with {inside or 'nothing'}"
    other = next((b for b in _FOLDERS if found[b]), None)
    hint = f" Or use bands='{other}', which is there." if other else ""
    return DataMissingError(
        f"Expected Potsdam tiles such as '{_FOLDERS[bands]}/top_potsdam_2_10_{bands}.tif' in "
        f"'{folder}'; received {came}. Fetch the 2D semantic labelling benchmark Potsdam from "
        f"ISPRS Commission II (registration needed): {_FOLDERS[bands]} and, for scoring, "
        f"5_Labels_all or 5_Labels_all_noBoundary; unpack them into that folder.{hint}"
    )


@dataset(
    "potsdam",
    SCENES,
    "ISPRS Potsdam, RGBIR, RGB or IRRG tiles in their own folders and names; 3 or 6 classes",
)
@dataclass(frozen=True, kw_only=True)
class Potsdam(FileSource):
    """Potsdam-3 or Potsdam-6; see `load_potsdam`."""

    classes: int = 3
    bands: Bands = option("RGBIR", help="bands of the tiles")

    def load(self) -> SceneSet:
        if self.classes not in _CLASSES:
            raise expected("3 or 6 classes for data set 'potsdam'", self.classes, "classes")
        return load_potsdam(self.folder, self.classes, self.bands)
