"""Versions of a part of a scene: colours and mirroring drawn once, and their features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.data.crops import Crops, box_mean
from iic_tf.data.tiles import Tile
from iic_tf.views.draws import generator
from iic_tf.views.geometry import Geometry
from iic_tf.views.photometry import Photometry, jitter

LARGEST = float(np.finfo(np.float16).max)
"""What a float16 holds."""


@dataclass(frozen=True)
class TileVersions:
    """What a frozen network makes of tiles that are seen in several versions.

    Version v of a tile follows from the seed, its number and v alone. A network sees the version
    with what is around the tile, as far as the margin and the scene go; maps are brought back onto
    the tile, exactly, so that cells of all versions lie on one another.

    Attributes:
        crops: of the set; its size counts for nothing.
        geometry: what versions are mirrored and turned by; flips and quarter turns alone.
        photometry: what their colours are drawn from.
        plain_first: whether version 0 is the tile as it is.
        seed: of the draws, 0 or more.
        stride: pixels to a cell.
        align: tiles and margin are multiples of it, as the network's windows are.
        margin: pixels around a tile that the network sees, too.
    """

    crops: Crops
    geometry: Geometry
    photometry: Photometry
    plain_first: bool
    seed: int
    stride: int
    align: int
    margin: int

    def draw(self, tile: Tile, version: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The colours, float32 `[4]`, and the geometry, `[2, 2]`, of a version."""
        if version == 0 and self.plain_first:
            return np.asarray([1, 1, 1, 0], np.float32), np.eye(2, dtype=np.float32)
        colours = generator(self.seed, version, tile.number, "version photometry")
        geometry = generator(self.seed, version, tile.number, "version geometry")
        return self.photometry.draw(colours), self.geometry.draw(geometry)

    def cells(self, tile: Tile) -> tuple[int, int]:
        """Rows and columns of a tile's map: of whole cells, one at least."""
        return max(1, tile.height // self.stride), max(1, tile.width // self.stride)

    def shares(self, tile: Tile) -> NDArray[np.float32] | None:
        """The valid share of each cell, `[rows, columns]`; None where all are valid."""
        if not self.crops.has_valid:
            return None
        where = tile.top, tile.left, tile.bottom, tile.right
        valid = self.crops.window(tile.scene, *where)[1]
        if valid is None:
            return None
        rows, columns = self.cells(tile)
        return box_mean(valid, self.stride)[:rows, :columns]

    def features(
        self, tile: Tile, versions: int, network: Callable[[Tensor], Tensor]
    ) -> NDArray[np.float16]:
        """Features of all versions of a tile.

        Args:
            tile: which.
            versions: how many.
            network: images `[n, height, width, channels]` of sides that are multiples of `align` →
                `[n, height / stride, width / stride, features]`.

        Returns:
            `[versions, rows, columns, features]`.
        """
        height, width = (int(side) for side in self.crops.shapes[tile.scene])
        top, left = max(0, tile.top - self.margin), max(0, tile.left - self.margin)
        bottom, right = min(height, tile.bottom + self.margin), min(width, tile.right + self.margin)
        image, _ = self.crops.window(tile.scene, top, left, bottom, right)
        colours, matrices = zip(*(self.draw(tile, v) for v in range(versions)), strict=True)
        shown = jitter(np.repeat(image[None], versions, axis=0), np.stack(colours)).numpy()
        # Mirrored to whole cells first: then turned ones lie on cells, too.
        below, beside = (-side % self.align for side in image.shape[:2])
        shown = np.pad(shown, ((0, 0), (0, below), (0, beside), (0, 0)), mode="reflect")
        (rows, columns), first = self.cells(tile), (tile.top - top, tile.left - left)
        row, column = (begin // self.stride for begin in first)
        found: dict[int, NDArray[np.float16]] = {}
        for swapped in (False, True):
            # Those of one shape go through the network together.
            own = [v for v, matrix in enumerate(matrices) if _swaps(matrix) == swapped]
            if not own:
                continue
            maps = network(np.stack([turned(shown[v], matrices[v]) for v in own]))
            for v, values in zip(own, np.asarray(maps, np.float32), strict=True):
                back = turned_back(values, matrices[v])[row : row + rows, column : column + columns]
                found[v] = np.clip(back, -LARGEST, LARGEST).astype(np.float16)
        return np.stack([found[v] for v in range(versions)])


def turned(image: NDArray[Any], matrix: NDArray[np.float32]) -> NDArray[Any]:
    """An image `[height, width, c]` of any sides under flips and quarter turns, as `geometry.flip`.

    Args:
        image: the image.
        matrix: `[2, 2]` of `Geometry.draw`.
    """
    image = _mirrored(image, matrix)
    return image.swapaxes(0, 1) if _swaps(matrix) else image


def turned_back(image: NDArray[Any], matrix: NDArray[np.float32]) -> NDArray[Any]:
    """Undo `turned`."""
    return _mirrored(image.swapaxes(0, 1) if _swaps(matrix) else image, matrix)


def _mirrored(image: NDArray[Any], matrix: NDArray[np.float32]) -> NDArray[Any]:
    sideways, down = matrix.sum(axis=-1) < 0
    image = image[:, ::-1] if sideways else image
    return image[::-1] if down else image


def _swaps(matrix: NDArray[np.float32]) -> bool:
    return bool(abs(matrix[0, 0]) < 0.5)
