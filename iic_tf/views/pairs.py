"""Pairs of views: crops x, their transformed copies gx, and what it takes to undo g."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Batch
from iic_tf.data.crops import Crops
from iic_tf.data.scene import SceneSet
from iic_tf.errors import expected
from iic_tf.views.draws import distinct, generator
from iic_tf.views.geometry import Geometry, apply
from iic_tf.views.numbered_batches import WHOLE, NumberedBatches, Part, rows_of
from iic_tf.views.photometry import Photometry, jitter


def check_batch_scenes(batch_scenes: int, batch: int, steps: int | None) -> None:
    """Refuse what no batch can have.

    Raises:
        InputError: a number below 0 or above the batch's, or an epoch that is a grid.
    """
    if not 0 <= batch_scenes <= batch:
        raise expected(f"batch_scenes of 0 to {batch}, the batch's", batch_scenes, "batch_scenes")
    if batch_scenes and not steps:
        raise expected("steps above 0 with batch_scenes", "a grid of crops", "batch_scenes")


class Pairs(NumberedBatches):
    """Batches of paired views for `model.fit`; every draw comes from (seed, epoch, index).

    `pairs[i]` is batch i of the current epoch, a dict of

    - `x`: crops, float32 `[batch, size, size, channels]` in 0 to 1;
    - `gx`: their transformed copies, of the same shape;
    - `flip` or, where more than flips is drawn, `affine`: the geometry of each g, float32
      `[batch, 2, 2]` (see `views.geometry`);
    - `valid`: valid pixels of x, float32 `[batch, size, size]`, 0 to 1; only there with
      `masks=True`, where a scene is smaller than a crop, or where scenes may hold no data in parts;
    - `epoch`: int32 `[batch]`, the epoch, by which heads are trained in turns;
    - `scene`: int32 `[batch]`, the number of the scene that each pair was cut from;
    - `number`: int32 `[batch]`, the number of each pair within its epoch.

    Args:
        scenes: the data set.
        crop: side of the crops in pixels, after scaling down.
        batch: pairs in a batch.
        steps: batches in an epoch. None: each crop of a grid laid over the scenes once an epoch
            (the papers' way), in an order drawn for the epoch; the last batch may be smaller.
            A number: that many batches of crops at random places. Set the length of an epoch
            here, not by `fit(steps_per_epoch=...)`.
        seed: 0 or more.
        downscale: whole factor by which scenes are scaled down first.
        geometry, photometry: what g is drawn from.
        jitter_x: also give x a colour draw of its own (the published runs leave x as it is).
        batch_scenes: crops of a batch come from so many scenes, as many of each, which are drawn
            anew for each batch; 0: each from any. A cluster that tells scenes apart is worth less
            the fewer a batch has. Of small scenes more: on the mean a scene gives at most twice as
            many crops as fit into it edge to edge. Not with a grid.
        masks: leave pixels without a class out of training (COCO-Stuff in the papers). This
            looks at where labels are, never at what they say.
        epoch: number of the first epoch.
        cache_bytes: see `Crops`.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> from iic_tf.data import from_arrays
        >>> scenes = from_arrays([np.zeros((40, 60, 3), "uint8")])
        >>> pairs = Pairs(scenes, crop=16, batch=4, steps=10, seed=0)
        >>> len(pairs), tuple(pairs[0]["x"].shape)
        (10, (4, 16, 16, 3))
    """

    def __init__(
        self,
        scenes: SceneSet,
        crop: int = 200,
        batch: int = 75,
        steps: int | None = None,
        seed: int = 0,
        downscale: int = 1,
        geometry: Geometry | None = None,
        photometry: Photometry | None = None,
        jitter_x: bool = False,
        masks: bool = False,
        batch_scenes: int = 0,
        epoch: int = 0,
        cache_bytes: int = 1 << 30,
    ):
        super().__init__(epoch)
        if batch < 1:
            raise expected("a batch of at least 1 pair", batch, "batch")
        if steps is not None and steps < 1:
            raise expected("at least 1 step in an epoch", steps, "steps")
        if seed < 0:
            raise expected("seed >= 0", seed, "seed")
        check_batch_scenes(batch_scenes, batch, steps)
        self.crops = Crops(scenes, crop, downscale, masks, cache_bytes)
        self.batch_scenes = self._as_many_scenes_as_needed(batch_scenes, batch)
        self.batch = batch
        self.seed = seed
        self.geometry = geometry or Geometry()
        self.photometry = photometry or Photometry()
        self.jitter_x = jitter_x
        self.grid = None if steps else list(self.crops.grid())
        self.steps = steps or math.ceil(len(self.grid or ()) / batch)
        self.has_valid = self.crops.has_valid

    def plain_views(self, epoch: int) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
        """The crops of an epoch as they are, without any draw of colours."""
        for step in range(self.steps):
            drawn = self.drawn(epoch, step)
            valid = tf.convert_to_tensor(drawn["valid"]) if self.has_valid else None
            yield tf.convert_to_tensor(drawn["image"]), valid

    def spread_places(self, count: int) -> list[tuple[int, int, int]]:
        """About `count` places of crops (scene, top, left) that show all scenes; by the seed."""
        return self.crops.spread(count, generator(self.seed, 0, 0, "spread"))

    def views_at(
        self, places: Sequence[tuple[int, int, int]]
    ) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
        """The crops at these places, in batches, as `plain_views` has those of an epoch."""
        for first in range(0, len(places), self.batch):
            read = [self.crops.read(*place) for place in places[first : first + self.batch]]
            valid = np.stack([own for _, own in read]) if self.has_valid else None
            yield (
                tf.convert_to_tensor(np.stack([image for image, _ in read])),
                None if valid is None else tf.convert_to_tensor(valid),
            )

    def drawn(self, epoch: int, step: int, part: Part = WHOLE) -> Batch:
        """Crops of one batch as NumPy arrays beside the draws of their views, not yet applied."""
        count = self.steps * self.batch if self.grid is None else len(self.grid)
        indices = range(step * self.batch, min((step + 1) * self.batch, count))
        indices = indices[rows_of(part, len(indices))]
        if not indices:
            return self._nothing()
        if self.grid is None:
            scenes = self._scenes(epoch, step)
            crops = [generator(self.seed, epoch, i, "crop") for i in indices]
            found = [
                self.crops.drawn(rng, scenes[i % len(scenes)])
                for i, rng in zip(indices, crops, strict=True)
            ]
        else:
            order = self._order(epoch)
            found = [(self.grid[order[i]], self.crops.read(*self.grid[order[i]])) for i in indices]
        places, read = [place for place, _ in found], [crop for _, crop in found]
        g = [self.geometry.draw(generator(self.seed, epoch, i, "geometry")) for i in indices]
        photometry = [generator(self.seed, epoch, i, "photometry") for i in indices]
        drawn = {
            "image": np.stack([image for image, _ in read]),
            "g": np.stack(g),
            "colour": np.stack([self.photometry.draw(rng) for rng in photometry]),
            "epoch": np.full(len(read), epoch, np.int32),
            "scene": np.asarray([place[0] for place in places], np.int32),
            "number": np.asarray(indices, np.int32),
        }
        if self.jitter_x:
            drawn["colour_x"] = np.stack([self.photometry.draw(rng) for rng in photometry])
        if self.has_valid:
            drawn["valid"] = np.stack([valid for _, valid in read])
        return drawn

    def _as_many_scenes_as_needed(self, wanted: int, batch: int) -> int:
        """So many scenes to a batch that few of its crops show the same."""
        fit = float(np.maximum(self.crops.shapes // self.crops.size, 1).prod(axis=1).mean())
        return max(wanted, math.ceil(batch / (2 * fit))) if wanted else 0

    def _scenes(self, epoch: int, step: int) -> list[int | None]:
        """Which scenes the crops of a batch come from in turn; None: from any."""
        if not self.batch_scenes:
            return [None]
        rng = generator(self.seed, epoch, step, "scenes")
        return [int(i) for i in distinct(rng, self.crops.weights, self.batch_scenes)]

    def _nothing(self) -> Batch:
        """What a part of a last batch of few crops may hold."""
        return {
            name: np.zeros((0, *spec.shape[1:]), spec.dtype.as_numpy_dtype)
            for name, spec in self._signature().items()
        }

    @functools.lru_cache(maxsize=2)  # noqa: B019 (lives as long as the few Pairs of a run)
    def _order(self, epoch: int) -> NDArray[np.int64]:
        return generator(self.seed, epoch, 0, "order").permutation(len(self.grid or ()))

    def _views(self, drawn: Batch) -> Batch:
        x = drawn["image"]
        gx = jitter(apply(x, drawn["g"], self.geometry.affine), drawn["colour"])
        if self.jitter_x:
            x = jitter(x, drawn["colour_x"])
        batch = {"x": x, "gx": gx} | {key: drawn[key] for key in ("epoch", "scene", "number")}
        batch["affine" if self.geometry.affine else "flip"] = drawn["g"]
        if self.has_valid:
            batch["valid"] = drawn["valid"]
        return batch

    def _signature(self) -> dict[str, tf.TensorSpec]:
        size, channels = self.crops.size, self.crops.set.channels
        specs = {
            "image": tf.TensorSpec((None, size, size, channels), tf.float32),
            "g": tf.TensorSpec((None, 2, 2), tf.float32),
            "colour": tf.TensorSpec((None, 4), tf.float32),
            "epoch": tf.TensorSpec((None,), tf.int32),
            "scene": tf.TensorSpec((None,), tf.int32),
            "number": tf.TensorSpec((None,), tf.int32),
        }
        if self.jitter_x:
            specs["colour_x"] = specs["colour"]
        if self.has_valid:
            specs["valid"] = tf.TensorSpec((None, size, size), tf.float32)
        return specs
