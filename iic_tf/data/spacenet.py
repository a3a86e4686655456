"""The tiles of SpaceNet 2 over Las Vegas, with the footprints of buildings.

Satellite tiles of 650 x 650 pixels at 0.3 m (WorldView-3), of 16 bits. Files, as SpaceNet hands
them out::

    AOI_2_Vegas_Train/
      RGB-PanSharpen/RGB-PanSharpen_AOI_2_Vegas_img1.tif
      MUL-PanSharpen/MUL-PanSharpen_AOI_2_Vegas_img1.tif
      geojson/buildings/buildings_AOI_2_Vegas_img1.geojson

Only the folder of the bands that are used is needed, and footprints where there are any. The files
are told by their names: they are found in the folder given, and in folders up to three levels below
it. The other areas of SpaceNet 2 (AOI_3_Paris and so on) have names of the same form, and are taken
as well.

The eight bands of MUL-PanSharpen are coastal, blue, green, yellow, red, red edge and two infrared
ones; RGBIR takes red, green, blue and the first infrared one (0-based 4, 2, 1, 6).

Two classes: a pixel is `building` where its centre lies in a footprint, else `not building`. A tile
whose footprints are an empty collection has none; a tile without such a file is unlabelled.

One range of values holds for all tiles, so that a dark tile stays darker than another.

Licence: CC BY-SA 4.0 (imagery by Maxar, formerly DigitalGlobe); the data are not part of this
package. Citation: Van Etten, Lindenbaum and Bacastow 2018, "SpaceNet: A Remote Sensing Dataset and
Challenge Series".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.file_scene import build_set
from iic_tf.data.grid import grid_of
from iic_tf.data.marks import MarkedFileScene, ShapeMarks
from iic_tf.data.raster import Raster
from iic_tf.data.registry import SCENES, FileSource, dataset, option
from iic_tf.data.scene import ClassTable, SceneSet
from iic_tf.data.vector_files import read_geojson
from iic_tf.data.vector_labels import on_pixels
from iic_tf.errors import DataMissingError, InputError, expected

Bands = Literal["RGBIR", "RGB"]

STRETCH = (2.0, 98.0)
"""The percentiles of each band, over all tiles, that become black and white."""

CLASSES = ClassTable(
    ("not building", "building"), np.array([(60, 60, 60), (235, 120, 50)], np.uint8)
)

_PRODUCT = {"RGBIR": "MUL-PanSharpen", "RGB": "RGB-PanSharpen"}
_NUMBERS = {"RGBIR": (5, 3, 2, 7), "RGB": (1, 2, 3)}
_NAME = re.compile(
    r"(MUL-PanSharpen|RGB-PanSharpen|buildings)_(AOI_\d+_[A-Za-z]+)_img(\d+)\.(tiff?|geojson)"
)

Tiles = dict[str, dict[tuple[str, int], Path]]


@dataclass(frozen=True, eq=False)
class Footprints:
    """Buildings as labels of a tile, read when they are first asked for.

    Attributes:
        file: GeoJSON whose polygons are buildings, whatever their attributes.
        image: the tile.
    """

    file: Path
    image: Raster

    @cached_property
    def _marks(self) -> ShapeMarks:
        image = self.image
        grid = grid_of(image.path, image.height, image.width)
        if grid is None:
            raise InputError(
                f"Expected a tile that lies on the map, for the buildings in '{self.file}'; "
                f"received none in '{image.path}'."
            )
        layer = read_geojson(self.file)
        every = [shape for shapes, _ in layer.features for shape in shapes]
        shapes = on_pixels([s for s in every if s.kind == "Polygon"], layer.crs, grid)
        return ShapeMarks(tuple(shapes), (1,) * len(shapes), rest=0)

    def read(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        """1 `[height, width]` where there is a building, else 0.

        Raises:
            InputError: the file is no GeoJSON, or the tile does not lie on the map.
        """
        return self._marks.read(top, left, height, width)


def load_spacenet(
    folder: str | Path, bands: Bands = "RGBIR", stretch: tuple[float, float] | None = None
) -> SceneSet:
    """All tiles of the bands asked for, labelled or not, in order of their areas and numbers.

    Scenes are called "AOI_2_Vegas_img1" and so on. Pictures show true colour.

    Args:
        folder: the folder `AOI_2_Vegas_Train` above, one or two above it, or one in which the
            files lie flat.
        bands: "RGBIR" or "RGB".
        stretch: percentiles of each band, over all tiles, that become black and white; None for
            `STRETCH`.

    Raises:
        DataMissingError: the folder or the tiles of these bands are not there.
        InputError: `bands` is none of the above, or a file cannot be read.
    """
    if bands not in get_args(Bands):
        raise expected(f"one of {', '.join(get_args(Bands))}", bands, "bands")
    folder = Path(folder)
    found = _find(folder)
    tiles, footprints = found[_PRODUCT[bands]], found["buildings"]
    if not tiles:
        raise _missing(folder, bands, found)
    scenes = []
    for (area, number), path in sorted(tiles.items()):
        raster = Raster(path, bands=_NUMBERS[bands])
        file = footprints.get((area, number))
        marks = None if file is None else Footprints(file, raster)
        scenes.append(MarkedFileScene(f"{area}_img{number}", raster, marks=marks))
    labelled = sum(scene.has_mask for scene in scenes)
    built = build_set("spacenet", scenes, None, stretch or STRETCH, len(_NUMBERS[bands]))
    if not labelled:
        return built
    notes = built.notes
    if labelled < len(scenes):
        bare = next(scene.name for scene in scenes if not scene.has_mask)
        notes += (f"{labelled} of {len(scenes)} tiles have footprints: there are none of '{bare}'",)
    return replace(built, classes=CLASSES, notes=notes)


def _find(folder: Path) -> Tiles:
    """Files by kind and tile; of copies the one nearest to the folder counts."""
    found: Tiles = {kind: {} for kind in (*_PRODUCT.values(), "buildings")}
    for path in _candidates(folder):
        match = _NAME.fullmatch(path.name)
        if match:
            kind, area, number, suffix = match.groups()
            if (kind == "buildings") == (suffix == "geojson"):
                found[kind].setdefault((area, int(number)), path)
    return found


def _candidates(folder: Path) -> Iterator[Path]:
    for depth in range(4):
        yield from sorted(folder.glob("*/" * depth + "*_AOI_*_img*"))


def _missing(folder: Path, bands: str, found: Tiles) -> DataMissingError:
    if not folder.is_dir():
        came = "no such folder"
    else:
        kinds = [f"{len(tiles)} of {kind}" for kind, tiles in found.items() if tiles]
        inside = sorted(p.name for p in folder.iterdir())[:8]
        came = f"files {', '.join(kinds)}" if kinds else f"a folder with {inside or 'nothing'}"
    other = next((b for b, product in _PRODUCT.items() if found[product]), None)
    hint = f" Or use bands='{other}', which is there." if other else ""
    product = _PRODUCT[bands]
    return DataMissingError(
        f"Expected SpaceNet tiles such as '{product}/{product}_AOI_2_Vegas_img1.tif' in "
        f"'{folder}'; received {came}. Fetch SpaceNet 2, AOI_2_Vegas, training part, from the "
        f"bucket spacenet-dataset of AWS: {product} and, for scoring, geojson/buildings; unpack "
        f"them into that folder.{hint}"
    )


@dataset(
    "spacenet",
    SCENES,
    "SpaceNet 2 Las Vegas, RGBIR or RGB tiles in their own folders and names; building or not",
)
@dataclass(frozen=True, kw_only=True)
class SpaceNet(FileSource):
    """Las Vegas' tiles and buildings; see `load_spacenet`."""

    bands: Bands = option("RGBIR", help="bands of the tiles")
    stretch: tuple[float, float] | None = option(
        None,
        help="percentiles of each band that become black and white, as 2 98",
        metavar=("LOW", "HIGH"),
    )

    def load(self) -> SceneSet:
        return load_spacenet(self.folder, self.bands, self.stretch)
