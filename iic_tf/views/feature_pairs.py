"""Pairs of views of which features were computed before, once for all epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Batch
from iic_tf.data.crops import fullest
from iic_tf.errors import expected
from iic_tf.views.draws import distinct, generator
from iic_tf.views.numbered_batches import WHOLE, NumberedBatches, Part, rows_of

FEATURES = ("features", "features_g")
"""What a batch holds of both views in place of `x` and `gx`."""


def holds_features(data: object) -> bool:
    """Whether a batch is one of `FeaturePairs`."""
    return isinstance(data, Mapping) and FEATURES[0] in data


@dataclass(frozen=True)
class KeptTile:
    """Features of a part of a scene.

    Attributes:
        scene: the scene's number.
        features: float16 `[versions, rows, columns, features]`, memory-mapped or not, of several
            versions of it whose cells lie on one another.
        shares: float32 `[rows, columns]`, of each cell what is valid, 0 to 1; None where all is.
    """

    scene: int
    features: NDArray[np.float16]
    shares: NDArray[np.float32] | None = None


class _Tiles:
    """Numbers of tiles, drawn by their areas."""

    def __init__(self, numbers: NDArray[np.intp], areas: NDArray[np.float64]):
        self.numbers, self.areas = numbers, areas
        reached = areas.cumsum()
        self._reached = reached / reached[-1]

    def drawn(self, rng: np.random.Generator) -> int:
        return int(self.numbers[self._reached.searchsorted(rng.random(), side="right")])


class FeaturePairs(NumberedBatches):
    """Batches of crops of two versions' features; every draw comes from (seed, epoch, index).

    `pairs[i]` is batch i of the current epoch, a dict of

    - `features`: of one version, float16 `[batch, crop, crop, features]`;
    - `features_g`: of another version, of the same shape and the same cells: there is nothing to
      undo;
    - `valid`: the valid share of each cell, float32 `[batch, crop, crop]`; only there where some
      are not valid;
    - `epoch`, `scene` and `number` as in `Pairs`.

    Args:
        tiles: parts of scenes, two versions of each at least.
        crop: side of the crops in cells.
        batch: pairs in a batch.
        steps: batches in an epoch.
        seed: 0 or more.
        plain_x: whether the first version is always version 0, which is no other's partner then.
        holes: whether crops are drawn again where less than half of their cells is valid.
        batch_scenes: as of `Pairs`.
        epoch: number of the first epoch.

    Raises:
        InputError: no tiles, or one of fewer than two versions.
    """

    def __init__(
        self,
        tiles: Sequence[KeptTile],
        crop: int,
        batch: int,
        steps: int,
        seed: int = 0,
        plain_x: bool = False,
        holes: bool = False,
        batch_scenes: int = 0,
        epoch: int = 0,
    ):
        super().__init__(epoch)
        if not tiles or min(len(tile.features) for tile in tiles) < 2:
            raise expected("tiles of at least 2 versions", f"{len(tiles)} tiles", "tiles")
        self.tiles = tiles
        self.features = int(tiles[0].features.shape[-1])
        self.crop = crop
        self.batch = batch
        self.steps = steps
        self.seed = seed
        self.plain_x = plain_x
        self.holes = holes
        shapes = np.asarray([tile.features.shape[1:3] for tile in tiles])
        self.has_valid = bool((shapes < crop).any()) or any(t.shares is not None for t in tiles)
        # Weight by area, as of `Crops`.
        areas = shapes.prod(axis=1).astype(np.float64)
        self._every = _Tiles(np.arange(len(tiles)), areas)
        self.batch_scenes = batch_scenes
        of = np.asarray([tile.scene for tile in tiles])
        self._of_scenes: list[_Tiles] = []
        if batch_scenes:
            numbers = [np.flatnonzero(of == scene) for scene in np.unique(of)]
            self._of_scenes = [_Tiles(own, areas[own]) for own in numbers]

    def drawn(self, epoch: int, step: int, part: Part = WHOLE) -> Batch:
        indices = range(step * self.batch, (step + 1) * self.batch)[rows_of(part, self.batch)]
        parts = self._parts(epoch, step)
        found: list[Batch] = [self._pair(epoch, i, parts[i % len(parts)]) for i in indices]
        return {
            name: np.asarray([one[name] for one in found], spec.dtype.as_numpy_dtype).reshape(
                -1, *spec.shape[1:]
            )
            for name, spec in self._signature().items()
        }

    def _parts(self, epoch: int, step: int) -> list[_Tiles]:
        """What the crops of a batch come from, in turn."""
        if not self.batch_scenes:
            return [self._every]
        weights = np.asarray([one.areas.sum() for one in self._of_scenes])
        rng = generator(self.seed, epoch, step, "scenes")
        return [self._of_scenes[i] for i in distinct(rng, weights, self.batch_scenes)]

    def _pair(self, epoch: int, index: int, part: _Tiles) -> Batch:
        rng = generator(self.seed, epoch, index, "crop")

        def place() -> tuple[KeptTile, int, int]:
            tile = self.tiles[part.drawn(rng)]
            rows, columns = (max(1, side - self.crop + 1) for side in tile.features.shape[1:3])
            return tile, int(rng.integers(rows)), int(rng.integers(columns))

        drawn = fullest(place, lambda p: float(self._valid(*p).mean())) if self.holes else place()
        tile, top, left = drawn
        rng = generator(self.seed, epoch, index, "version")
        count = len(tile.features)
        first = 0 if self.plain_x else int(rng.integers(count))
        second = (first + 1 + int(rng.integers(count - 1))) % count
        views = (self._cut(tile.features[v], top, left) for v in (first, second))
        pair = dict(zip(FEATURES, views, strict=True))
        if self.has_valid:
            pair["valid"] = self._valid(tile, top, left)
        return {**pair, "epoch": epoch, "scene": tile.scene, "number": index}

    def _valid(self, tile: KeptTile, top: int, left: int) -> NDArray[np.float32]:
        shares = tile.shares
        if shares is None:
            shares = np.ones(tile.features.shape[1:3], np.float32)
        return self._cut(shares, top, left)

    def _cut(self, maps: NDArray[Any], top: int, left: int) -> NDArray[Any]:
        """A crop, with zeros beyond a map that is smaller."""
        cut = maps[top : top + self.crop, left : left + self.crop]
        short = [(0, self.crop - side) for side in cut.shape[:2]]
        if not any(after for _, after in short):
            return cut
        return np.pad(cut, short + [(0, 0)] * (cut.ndim - 2))

    def _views(self, drawn: Batch) -> Batch:
        return drawn

    def _signature(self) -> dict[str, tf.TensorSpec]:
        cells = (None, self.crop, self.crop)
        specs = {name: tf.TensorSpec((*cells, self.features), tf.float16) for name in FEATURES}
        specs |= {n: tf.TensorSpec((None,), tf.int32) for n in ("epoch", "scene", "number")}
        if self.has_valid:
            specs["valid"] = tf.TensorSpec(cells, tf.float32)
        return specs
