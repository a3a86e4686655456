"""Features learned by a pretext, a task that images set themselves; classes by k-means on them.

What a model learns is given away behind the training; centres are fitted to what the features have
become after each epoch, and are what is answered, served and exported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from keras import ops

from iic_tf.annotations import Batch, Layer, Parts, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.models.fitted_centres import FittedCentres, OfCells
from iic_tf.models.segmenter import Segmenter
from iic_tf.networks.pair_head import PairHead
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.inputs import check_inputs
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.numbered_draws import uniform
from iic_tf.views.place_pairs import DRAWS, PlacePairs

PRETEXT, TRUNK = "pretext", "trunk"


class Pretext(OfCells, FittedCentres, Segmenter):
    """What all models of segmentation that learn by a pretext have in common; see the module.

    A model calls `set_trunk`, sets `pretext`, a layer, and calls `add_centres`; it builds that
    layer in `build_pretext` and says in `pretext_sums` what a batch gives.

    Args:
        classes: centres of the main head, 2 or more.
        overclusters: centres of the other one.
        channels: bands of the images.
        width: factor of the channel counts of a trunk by name.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        components: of k-means, as `KMeansSegmenter`'s, like the next three.
        sample: see there.
        starts: see there.
        crops: see there.
    """

    keys = ("x", "gx", "epoch", "number")
    own_arguments: ClassVar[tuple[str, ...]] = (
        *("classes", "overclusters", "channels", "width", "inputs"),
        *("components", "sample", "starts", "crops"),
    )
    pretext: Layer

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float = 1.0,
        inputs: str = "bands",
        components: int = 0,
        sample: int = 50_000,
        starts: int = 3,
        crops: int = 500,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        for name, value, least in (
            ("channels", channels, 1),
            ("sample", sample, 2),
            ("starts", starts, 1),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        check_inputs(inputs)
        self.classes = classes
        self.overclusters = overclusters
        self.channels = channels
        self.width = width
        self.inputs = inputs
        self.components = components
        self.sample = sample
        self.starts = starts
        self.look_at(crops)

    def add_centres(self) -> None:
        """Make scale and centres, and build all.

        Raises:
            InputError: a frozen trunk.
        """
        if self.frozen_trunk:
            raise expected(
                "a trunk that is trained, for its features are all that is learned "
                "(--fine-tune-trunk, or a KerasTrunk of frozen=False)",
                "a frozen one",
            )
        clusters = {MAIN: self.classes, OVERCLUSTERING: self.overclusters}
        self.add_fitted(clusters, self.components)
        self.build((None, None, None, self.channels))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        FittedCentres.build(self, input_shape)

    def build_embedding(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        self.build_pretext(shape)
        return shape

    def build_pretext(self, shape: tuple[int | None, ...]) -> None:
        """Build the layer of the pretext for features of this shape."""
        raise NotImplementedError

    def parts(self) -> Parts:
        return {
            TRUNK: self.trunk.trainable_variables,
            PRETEXT: self.pretext.trainable_variables,
        }

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        return (PRETEXT,)

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find the centres of what the features have become."""
        super().after_epoch(pairs, epoch)
        self.find_centres(pairs, epoch + 1)

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Of the pretext float64 (Σ loss, count); of centres Σ distances, then counts `[k]`."""
        if tuple(names) == (PRETEXT,):
            return {PRETEXT: self.pretext_sums(data, training)}
        return super().sums(data, names, training)

    def pretext_sums(self, data: Batch, training: bool) -> Tensor:
        """Σ of the pretext's losses in a batch, and how many there are, float64 `[2]`."""
        raise NotImplementedError


PLACES_DRAW = 101
"""Purpose of the draws of pairs of places; views of `kept_channels` are 0 and 1."""


class PairPretext(Pretext):
    """A pretext about pairs of patches of one view: what they are to each other, by their features.

    The features of a patch are averaged. Pairs are drawn from gx, anew in each epoch, by their
    number alone. A pair counts where more than half of both patches is valid.

    Args:
        arguments: those of `Pretext`.
        patch: side of a patch, in pixels; to whole cells.
        margin: pixels at the view's border that no patch has; cells there see the padding.
        pairs: of patches, of each view.
        hidden: units of the dense layers that tell what a pair is.
        kwargs: those of `Pretext`.
    """

    own_arguments = (*Pretext.own_arguments, "patch", "margin", "pairs", "hidden")

    def __init__(
        self,
        *arguments: Any,
        patch: int = 11,
        margin: int = 0,
        pairs: int = 64,
        hidden: int = 1024,
        **kwargs: Any,
    ):
        super().__init__(*arguments, **kwargs)
        for name, value, least in (
            *(("patch", patch, 1), ("margin", margin, 0)),
            *(("pairs", pairs, 1), ("hidden", hidden, 1)),
        ):
            if value < least:
                raise expected(f"{name} of at least {least}", value, name)
        self.patch, self.margin, self.pairs, self.hidden = patch, margin, pairs, hidden

    def add_pretext(self, labels: int) -> None:
        """Make the head of so many logits, and build all."""
        self.pretext = PairHead(labels, self.hidden, name=PRETEXT, dtype=self.dtype_policy)
        self.add_centres()

    def build_pretext(self, shape: tuple[int | None, ...]) -> None:
        self.pretext.build((None, shape[-1]))

    def to_cells(self, pixels: float) -> int:
        """A distance in pixels, to whole cells."""
        return int(pixels / self.trunk.stride + 0.5)

    @property
    def patch_cells(self) -> int:
        """Side of a patch in cells."""
        return max(1, self.to_cells(self.patch))

    def place_pairs(self, rows: int, columns: int) -> PlacePairs:
        """The pairs of patches' corners on a map of so many places for these.

        Raises:
            InputError: there is no room for them.
        """
        raise NotImplementedError

    def check_crop(self, height: int, width: int) -> None:
        """Raise `InputError` where crops are too small for the pairs that are asked for."""
        self._places(-(-height // self.trunk.stride), -(-width // self.trunk.stride))

    def _places(self, rows: int, columns: int) -> PlacePairs:
        lost = self.patch_cells - 1 + 2 * self.to_cells(self.margin)
        return self.place_pairs(max(rows - lost, 0), max(columns - lost, 0))

    def drawn_pairs(self, data: Batch, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
        """Labels `[batch, pairs]`, and corners of both patches `[batch, pairs, 2]`, in cells."""
        draws = uniform(data["epoch"], data["number"], DRAWS * self.pairs, PLACES_DRAW)
        draws = ops.reshape(draws, (-1, self.pairs, DRAWS))
        label, first, second = self._places(rows, columns).drawn(draws)
        return label, first + self.to_cells(self.margin), second + self.to_cells(self.margin)

    def shown(self, data: Batch) -> Tensor:
        """The views that pairs are taken from."""
        return data["gx"]

    def patches(self, data: Batch, training: bool) -> tuple[Tensor, Tensor]:
        """Mean features of all patches by their corners, and the share of each that is valid."""
        shares = self.shares_of_gx(data)
        features = self.features(self.shown(data), training)

        def mean(maps: Tensor) -> Tensor:
            return ops.average_pool(maps, self.patch_cells, strides=1, padding="valid")

        return mean(features), mean(ops.expand_dims(ops.cast(shares, features.dtype), -1))[..., 0]
