"""Pairs of views of small images: x, and r transformed copies gx of each."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Batch
from iic_tf.data.image_set import ImageSet
from iic_tf.errors import expected
from iic_tf.turns import MAIN, OVERCLUSTERING, check_turns
from iic_tf.views.central_views import central_views
from iic_tf.views.draws import generator
from iic_tf.views.image_view import ImageView
from iic_tf.views.numbered_batches import WHOLE, NumberedBatches, Part, rows_of


class ImagePairs(NumberedBatches):
    """Batches of paired views for `model.fit`; every draw comes from (seed, epoch, step).

    `pairs[i]` is batch i of the current epoch, a dict of

    - `x`: one view of each of m images, float32 `[m, s, s, channels]` in 0 to 1;
    - `gx`: r views of each, its copies, float32 `[m, r, s, s, channels]`;
    - `epoch`: int32 `[m]`, the epoch, by which heads are trained in turns;
    - `image`: int32 `[m]`, the number of each image; those of extra images begin at the number of
      ordinary ones.

    The images of a seed come in one long sequence, in which each is had once, in an order drawn
    anew, before any comes again; an epoch is its next `steps` batches. So all batches and epochs
    are of one length, none is smaller at the end, and no image is left out. Draws are made for a
    whole batch at once: those of another batch size or r are others.

    Epochs in which only the overclustering head is trained draw from the ordinary and the extra
    images together, in a sequence of their own that goes on from one such epoch to the next; all
    others from the ordinary ones (STL10: the overclustering head learns from the unlabelled part,
    the main head does not).

    Args:
        images: the data set.
        batch: images in a batch, m; a batch has r·m pairs.
        repeats: copies of each image, r.
        x, gx: what the views are drawn from; of the same `size`.
        seed: 0 or more.
        steps: batches in an epoch, of whichever turn. None: as many as it takes to see each
            ordinary image at least once.
        turns: heads trained in epoch 0, 1, ..., repeated; the model's own. `("overclustering",)`
            draws from the extra images in every epoch, as for IIC*'s one head.
        extra: draw from the extra images at all.
        epoch: number of the first epoch.
        only: how many of the ordinary images are drawn from, chosen by the seed; None: all.

    Raises:
        InputError: a value outside its range, or views that do not fit the images or one another.
    """

    def __init__(
        self,
        images: ImageSet,
        batch: int,
        repeats: int,
        x: ImageView,
        gx: ImageView,
        seed: int = 0,
        steps: int | None = None,
        turns: Sequence[str] = (MAIN,),
        extra: bool = True,
        epoch: int = 0,
        only: int | None = None,
    ):
        super().__init__(epoch)
        if batch < 1:
            raise expected("a batch of at least 1 image", batch, "batch")
        if repeats < 1:
            raise expected("at least 1 copy of each image", repeats, "repeats")
        if steps is not None and steps < 1:
            raise expected("at least 1 step in an epoch", steps, "steps")
        if only is not None and only < 1:
            raise expected("at least 1 image to draw from", only, "only")
        if seed < 0:
            raise expected("seed >= 0", seed, "seed")
        for view in (x, gx):
            view.check_fits(images.height, images.width, images.name)
        if x.size != gx.size:
            raise expected(f"views of one size, x's {x.size} pixels", gx.size, "gx.size")
        self.images = images
        self.batch = batch
        self.repeats = repeats
        self.x = x
        self.gx = gx
        self.seed = seed
        alone = tuple(turns) == (OVERCLUSTERING,)
        self.turns = (OVERCLUSTERING,) if alone else check_turns(turns)
        self.extra = extra and images.extra is not None
        self.only = only
        self.steps = steps or math.ceil(len(self.chosen) / batch)

    def indices(self, epoch: int, step: int) -> NDArray[np.int32]:
        """The numbers of the images of one batch, int32 `[m]`."""
        widely = self._widely(epoch)
        cycles, rest = divmod(epoch, len(self.turns))
        before = cycles * sum(map(self._widely, range(len(self.turns))))
        before += sum(map(self._widely, range(rest)))
        epochs = before if widely else epoch - before
        pool = self.images.pool(extra=True) if widely else len(self.chosen)
        place = (epochs * self.steps + step) * self.batch + np.arange(self.batch)
        rounds, within = np.divmod(place, pool)
        # A batch may reach into the next round of the images, or if there are few, into several.
        orders = {number: self._order(widely, number) for number in np.unique(rounds).tolist()}
        chosen = [orders[r][w] for r, w in zip(rounds.tolist(), within.tolist(), strict=True)]
        return np.asarray(chosen, np.int32)

    @functools.cached_property
    def chosen(self) -> NDArray[np.int64]:
        """The numbers of the ordinary images that are drawn from, in ascending order."""
        count = len(self.images)
        if self.only is None or self.only >= count:
            return np.arange(count)
        rng = generator(self.seed, 0, 0, "chosen")
        return np.sort(rng.choice(count, self.only, replace=False))

    def plain_views(self, epoch: int) -> Iterator[tuple[tf.Tensor, tf.Tensor | None]]:
        """The central view x of every ordinary image, in the order of their numbers."""
        return ((views, None) for views in central_views(self.images, self.x))

    def drawn(self, epoch: int, step: int, part: Part = WHOLE) -> Batch:
        """The images of one batch as stored, beside the draws of their views, not yet applied."""
        rows = rows_of(part, self.batch)
        indices = self.indices(epoch, step)[rows]
        drawn: Batch = {
            "raw": self.images.read(indices),
            "epoch": np.full(len(indices), epoch, np.int32),
            "image": indices,
        }
        for kind, (view, shape) in self._kinds().items():
            count = math.prod(shape)
            # Numbers 2·step and 2·step + 1 keep the draws of x and of gx apart.
            number = 2 * step + (kind == "gx")
            crop = generator(self.seed, epoch, number, "crop")
            matrices = view.draw(crop, self.images.height, self.images.width, count)
            drawn[kind] = matrices.reshape(*shape, 2, 3)[rows]
            colours = view.draw_colours(generator(self.seed, epoch, number, "photometry"), count)
            drawn[f"colour_{kind}"] = colours.reshape(*shape, 4)[rows]
        return drawn

    def _kinds(self) -> dict[str, tuple[ImageView, tuple[int, ...]]]:
        return {"x": (self.x, (self.batch,)), "gx": (self.gx, (self.batch, self.repeats))}

    def _widely(self, epoch: int) -> bool:
        """Whether an epoch draws from the extra images, too."""
        return self.extra and self.turns[epoch % len(self.turns)] == OVERCLUSTERING

    @functools.lru_cache(maxsize=4)  # noqa: B019 (lives as long as the few pairs of a run)
    def _order(self, widely: bool, number: int) -> NDArray[np.int64]:
        rng = generator(self.seed, number, int(widely), "order")
        if widely:
            return rng.permutation(self.images.pool(extra=True))
        return self.chosen[rng.permutation(len(self.chosen))]

    def _views(self, drawn: Batch) -> Batch:
        raw = drawn["raw"]
        copies = tf.repeat(raw, self.repeats, axis=0)
        matrices = tf.reshape(drawn["gx"], (-1, 2, 3))
        gx = self.gx.apply(copies, matrices, tf.reshape(drawn["colour_gx"], (-1, 4)))
        return {
            "x": self.x.apply(raw, drawn["x"], drawn["colour_x"]),
            "gx": tf.reshape(gx, (-1, self.repeats, *gx.shape[1:])),
            "epoch": drawn["epoch"],
            "image": drawn["image"],
        }

    def _signature(self) -> dict[str, tf.TensorSpec]:
        shape = (self.batch, self.images.height, self.images.width, self.images.channels)
        specs = {
            "raw": tf.TensorSpec(shape, tf.uint8),
            "epoch": tf.TensorSpec((self.batch,), tf.int32),
            "image": tf.TensorSpec((self.batch,), tf.int32),
        }
        for kind, (_, draws) in self._kinds().items():
            specs[kind] = tf.TensorSpec((*draws, 2, 3), tf.float32)
            specs[f"colour_{kind}"] = tf.TensorSpec((*draws, 4), tf.float32)
        return specs
