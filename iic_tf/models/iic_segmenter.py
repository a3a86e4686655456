"""Invariant Information Clustering for segmentation, as a Keras model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Parts, Tensor, Tensors, Trunk
from iic_tf.errors import InputError, expected
from iic_tf.losses.crop_information import crop_information
from iic_tf.models import crop_measure
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.further_losses import FurtherLosses, head_of, name_of
from iic_tf.models.infoseg_arguments import cells_within
from iic_tf.models.kept_features import check_features
from iic_tf.models.segmenter import Segmenter, joints_of_maps, maps_of_pairs
from iic_tf.models.two_heads import TwoHeads, default_turns
from iic_tf.networks.decoder import Decoder
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.pixel_head import PixelHead
from iic_tf.replicas import local_shape
from iic_tf.turns import HEADS, MAIN
from iic_tf.views.draws import generator
from iic_tf.views.feature_pairs import holds_features
from iic_tf.views.inputs import BANDS, check_inputs
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.whitening import NONE, Whitening, check_whitening, patches

PLACES = 512
"""Patches that are drawn of a crop, at most."""
SAMPLE = 200_000
"""Patches that whitening is fitted to, at most."""


@keras.saving.register_keras_serializable("iic_tf")
class IICSegmenter(TwoHeads, Segmenter):
    """Network C with a main and perhaps an overclustering head, trained by mutual information.

    Xu Ji, João Henriques, Andrea Vedaldi: Invariant Information Clustering for Unsupervised Image
    Classification and Segmentation, 2019; the objective is eq. 10 of the IID preprint (2018).

    `model.compile()` has the paper's defaults, `model.fit(pairs)` trains on `iic_tf.Pairs`,
    `model(x)` gives the main head's class probabilities at the input's size.

    Args:
        classes: clusters of the main head, 2 or more.
        overclusters: clusters of the auxiliary overclustering head, 2 or more (the papers take 3
            to 8 times as many as classes); 0 or None for a model without that head.
        channels: bands of the images.
        width: factor of the network's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands` (the image's own), `bands+sobel` (and the gradients
            dx and dy of its brightness), or `sobel` (those alone: no colour, no brightness).
        radius: T, half the side of the window of displacements, in pixels.
        lamb: λ of the main head.
        overclustering_lamb: λ of the overclustering head.
        collapsed: take one information of the joints summed over displacements.
        turns: which heads are trained in epoch 0, 1, …, over and over: `overclustering`, `main`,
            or `both` at once. None means the papers' epoch of each, or `main` alone where there is
            no other head; `both` where the trunk is frozen.
        trunk: what makes features: `c` (network C) or another one by name
            (`networks.trunks.MAPS`), any `keras.Model` of maps, which is then frozen, or a
            `KerasTrunk`, which says what it is shown and whether it is trained.
        trunk_from: the first epoch in which the trunk is trained.
        cells: compare cells of the trunk's map, not pixels of the enlarged one: much less to
            compute where a stride is large. `radius` stays in pixels, rounded up to whole cells.
            Crops must be multiples of the stride, and more cells wide than are compared.
        dropout: share of the features that are left out of each view in training, the same in all
            its places; drawn by epoch and number, so that replicas and resumed runs agree.
        ncut: weight of the soft normalised cut of x (`losses.soft_ncut`, divided by the clusters
            less one) in the loss of each head that is trained in the turn; 0: none.
        smooth: weight of `losses.neighbour_difference`, likewise.
        reconstruction: weight of the mean squared error of x painted from its class map, likewise;
            each sub-head has a decoder for it, which nothing else needs.
        crop_weight: β, weight of I(z; crop) of the main head's clusters
            (`losses.crop_information`), what they tell of the crop and not of the place in it,
            a mean over its sub-heads; 0: it is only measured.
        whitening: `none`, or what is taken out of images before the network sees them: the
            correlations between `channels`, or also those between neighbours (`patches`). It is
            fitted to the pairs before the first epoch: `fit(pairs, callbacks=[Fit(pairs)])`, Fit
            being that of `iic_tf.models.fitting`. Of inputs `bands`.

    What decides about epochs and sub-heads, `evaluate` and the monitors, is the information alone;
    the `loss` of `fit` has the further losses in it.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = IICSegmenter(classes=3, overclusters=15, channels=4, width=0.1, radius=3)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (
        *("classes", "overclusters", "channels", "width", "sub_heads", "inputs", "radius"),
        *("lamb", "overclustering_lamb", "collapsed", "turns", "trunk_from"),
        *("cells", "dropout", "ncut", "smooth", "reconstruction", "whitening", "crop_weight"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int | None,
        channels: int,
        width: float = 1.0,
        sub_heads: int = 1,
        inputs: str = "bands",
        radius: int = 10,
        lamb: float = 1.0,
        overclustering_lamb: float = 1.0,
        collapsed: bool = False,
        turns: Sequence[str] | None = None,
        trunk: Trunk = "c",
        trunk_from: int = 0,
        cells: bool = False,
        dropout: float = 0.0,
        ncut: float = 0.0,
        smooth: float = 0.0,
        reconstruction: float = 0.0,
        whitening: str = NONE,
        crop_weight: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_inputs(inputs)
        check_whitened_inputs(inputs, whitening)
        if radius < 0:
            raise expected("radius >= 0", radius, "radius")
        self.classes = classes
        self.overclusters = overclusters or 0
        self.channels = channels
        self.width = width
        self.sub_heads = sub_heads
        self.inputs = inputs
        self.radius = radius
        self.lamb = lamb
        self.overclustering_lamb = overclustering_lamb
        self.collapsed = collapsed
        self.set_trunk(trunk, width, trunk_from=trunk_from)
        if whitening != NONE and isinstance(self.trunk, KerasTrunk):
            raise expected(f"whitening {NONE} of a Keras model's images", whitening, "whitening")
        # The overclustering head comes first in the papers' epochs.
        heads = HEADS if self.overclusters else (MAIN,)
        turns = default_turns(self.rests, heads[::-1]) if turns is None else turns
        self.cells = cells
        self.dropout = dropout
        check_cells(cells, dropout, ncut or smooth or reconstruction)
        self.add_heads(PixelHead, heads, turns, displacements=(2 * self.reach + 1) ** 2)
        if not 0 <= crop_weight < float("inf"):
            raise expected("crop_weight >= 0 and finite", crop_weight, "crop_weight")
        self.crop_weight = crop_weight
        self.measured = crop_measure.CropMeasure(self.clusters, sub_heads)
        self.ncut = ncut
        self.smooth = smooth
        self.reconstruction = reconstruction
        self.whitening = whitening
        self.further = FurtherLosses(ncut, smooth, reconstruction)
        self.decoders = self._decoders()
        self.whitener: Whitening | None = None
        self._whitened = False
        if whitening != NONE:
            self.whitener = Whitening(whitening, channels, name="whitening")
        self.build((None, None, None, channels))

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        """Probabilities of every sub-head of a head, each `[batch, ⌈h/2⌉, ⌈w/2⌉, k]`."""
        maps: list[Tensor] = self.heads[head](features)
        return maps

    def answer(self, maps: Sequence[Tensor]) -> Tensor:
        return self.of_chosen(maps)

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """The joints of a batch of `iic_tf.Pairs`, by head, and the sums of further losses."""
        heads = [name for name in names if name in self.heads]
        maps = maps_of_pairs(self, data, heads, training)
        found = {head: joints_of_maps(self, maps[head], data, self.reach) for head in heads}
        for head in filter(None, map(crop_measure.head_of, names)):
            found[crop_measure.sums_of(head)] = crop_measure.sums_of_maps(
                maps[head], self.shares_of_places(data)
            )
        for head in filter(None, map(head_of, names)):
            of_x = [p for p, _ in maps[head]]
            found[name_of(head)] = self.further.sums(
                *(of_x, data["x"], data.get("valid"), self.decoders.get(head, ()))
            )
        return found

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        if name in self.heads:
            return super().loss_of(sums, name)
        if crop_measure.head_of(name):
            return self.crop_weight * ops.mean(crop_information(sums))
        return self.further.loss_of(sums)

    def further_in(self, phase: str) -> tuple[str, ...]:
        heads = self.monitors_in(phase)
        further = map(name_of, heads) if self.further.any else ()
        crops = (MAIN,) if self.crop_weight and MAIN in heads else ()
        return (*further, *map(crop_measure.sums_of, crops))

    @property
    def reach(self) -> int:
        """The largest displacement, in pixels or, where these are compared, in cells."""
        return cells_within(self.radius, self.trunk.stride) if self.cells else self.radius

    # --- decoders

    def _decoders(self) -> dict[str, list[Decoder]]:
        """One for each sub-head, by head: each has classes of its own."""
        if not self.reconstruction:
            return {}
        return {
            head: [
                Decoder(self.channels, self.width, name=f"{head}_decoder", dtype=self.dtype_policy)
                for _ in range(self.sub_heads)
            ]
            for head in self.heads
        }

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        super().build(input_shape)
        for head, decoders in self.decoders.items():
            for decoder in decoders:
                decoder.build((*input_shape[:-1], self.clusters[head]))

    def parts(self) -> Parts:
        own = {
            f"{head}_decoder": [v for one in decoders for v in one.trainable_variables]
            for head, decoders in self.decoders.items()
        }
        return {**super().parts(), **own}

    def parts_in(self, phase: str) -> tuple[str, ...]:
        decoders = [f"{head}_decoder" for head in self.monitors_in(phase) if self.decoders]
        return (*super().parts_in(phase), *decoders)

    # --- whitening

    @property
    def window_radius(self) -> int:
        return super().window_radius + (self.whitener.radius if self.whitener else 0)

    def whitened(self, x: Tensor) -> Tensor:
        return x if self.whitener is None else self.whitener(ops.cast(x, "float32"))

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Fit the whitening to the crops of the pairs' first epoch, unless it has been; see `Fit`.

        Raises:
            InputError: there is no patch that holds data.
        """
        super().before_epoch(pairs, epoch)
        if self.whitener is None or self.whitener.fitted:
            return
        side = self.whitener.side
        rng = generator(getattr(pairs, "seed", 0), 0, 0, "whitening")
        rows = drawn_rows(
            (
                patches(image, side, None if valid is None else valid.numpy()[i], PLACES, rng)
                for images, valid in pairs.plain_views(0)
                for i, image in enumerate(images.numpy())
            ),
            *(SAMPLE, rng),
        )
        if not len(rows):
            wanted = f"crops with patches of {side}×{side} valid pixels, to fit the whitening to"
            raise expected(wanted, "none")
        self.whitener.fit(rows)

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """As `before_epoch`: an untrained network's images are whitened, too."""
        self.before_epoch(pairs, epoch)

    def check_crop(self, sides: Sequence[int | None]) -> None:
        """Where cells are compared crops must be of whole ones, and of more than are compared.

        Args:
            sides: height and width of crops, in pixels.

        Raises:
            InputError: they are not.
        """
        stride = self.trunk.stride
        known = [side for side in sides if side is not None]
        if self.cells and any(s % stride or s <= self.reach * stride for s in known):
            raise expected(
                f"crops of a multiple of {stride} pixels, and of more than {self.reach} cells of "
                "these, which are compared",
                tuple(sides),
                "crop",
            )

    def check_batch(self, data: Any) -> None:
        if holds_features(data):
            check_features(self, data)
            return
        super().check_batch(data)
        self.check_crop(local_shape(data["x"])[1:3])
        if self.dropout and "number" not in data:
            raise expected("a batch with number, by which dropout is drawn", sorted(data))
        if self.whitener is None or self._whitened or not tf.executing_eagerly():
            return
        if not self.whitener.fitted:
            raise InputError(
                "Expected a whitening that was fitted, as fit(pairs, callbacks=[Fit(pairs)]) does "
                "before the first epoch; received a model whose whitening was not."
            )
        # Asked for once: on a GPU each look at a weight waits for all steps before.
        self._whitened = True


def check_cells(cells: bool, dropout: float, further: float) -> None:
    """Further losses look at pixels; the share of features left out is below 1.

    Raises:
        InputError: they would look at cells, or it is not.
    """
    if cells and further:
        raise InputError("Expected no ncut, smooth or reconstruction with cells; received some.")
    if not 0 <= dropout < 1:
        raise expected("a dropout from 0 to below 1", dropout, "dropout")


def check_whitened_inputs(inputs: str, whitening: str) -> None:
    """Whitening must be known, and none where gradients are seen.

    Raises:
        InputError: it is not.
    """
    check_whitening(whitening)
    if whitening != NONE and inputs != BANDS:
        raise expected(f"inputs {BANDS} with whitening", inputs, "inputs")
