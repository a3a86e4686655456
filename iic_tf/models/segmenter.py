"""What the models for segmentation have in common: maps of probabilities of images of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from keras import ops

from iic_tf.annotations import Batch, Layer, Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.losses.segmentation import segmentation_joints
from iic_tf.models.self_supervised import SelfSupervised
from iic_tf.models.served import shrink
from iic_tf.networks.channel_dropout import kept_channels
from iic_tf.networks.empty_batch import of_any_batch
from iic_tf.networks.mirror import mirrored
from iic_tf.networks.resize import enlarge
from iic_tf.turns import MAIN
from iic_tf.views.feature_pairs import FEATURES, holds_features
from iic_tf.views.geometry import apply, undo
from iic_tf.views.inputs import BANDS, input_channels, network_input


class Segmenter(SelfSupervised):
    """A trunk that makes a smaller map of an image, with heads whose answers are enlarged.

    A model sets `channels`, `inputs` and `heads`, and provides `small_maps`; its trunk has a
    `stride` and a `receptive_radius`, how far, in pixels, a place of the enlarged map sees.
    """

    batch_source: ClassVar[str] = "iic_tf.Pairs"
    geometries: ClassVar[tuple[str, ...]] = ("flip", "affine")
    channels: int
    inputs: str
    heads: dict[str, Layer]
    cells: bool = False
    """Whether pairs are compared cell by cell of the trunk's map, not enlarged to pixels."""
    dropout: float = 0.0
    """The share of features that are left out of a view in training, the same in all its cells."""
    tolerance: ClassVar[float] = 5e-5
    """Of probabilities in another runtime. Float32 sums in another order differ by about 1e-6,
    where weights are noise and logits large by up to 3e-5."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if input_shape[-1] != self.channels:
            raise expected(f"images of {self.channels} channels", input_shape[-1], "channels")
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        for head in self.heads.values():
            head.build(self.trunk.compute_output_shape(inside))
        self.built = True

    @property
    def scene_features(self) -> int:
        """How many numbers sum up a scene as a whole, where labels depend on it (`InfoSeg`)."""
        return 0

    @property
    def window_align(self) -> int:
        """Windows that begin at multiples of so many pixels have the cells of the whole image."""
        return int(getattr(self.trunk, "align", self.trunk.stride))

    @property
    def window_radius(self) -> int:
        """How far, in pixels, what is made of a window's pixel depends on others around it."""
        return int(self.trunk.receptive_radius)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Probabilities of the classes at the input's size.

        Args:
            x: images `[batch, height, width, channels]` in 0 to 1, any height and width from 1,
                any number of images from 0.
            training: whether BatchNormalization uses the batch's own statistics.

        Returns:
            float32 `[batch, height, width, classes]`.
        """
        if training:
            return self.answer(self.maps(x, MAIN, training))
        return of_any_batch(lambda x: self.answer(self.maps_of_images(x)), x)

    @property
    def mirror(self) -> int:
        """How many pixels of an image are mirrored at its border, for the network to see there."""
        # A network that was made for its own pads needs to see little beyond the border.
        radius = getattr(self.trunk, "border", self.window_radius + (self.inputs != BANDS))
        return -(-radius // self.window_align) * self.window_align

    def maps_of_images(self, x: Tensor, head: str = MAIN) -> list[Tensor]:
        """Probabilities of every sub-head of a head, each `[batch, height, width, k]`.

        Unlike in training, images are mirrored at their borders, for otherwise what stands there is
        the padding of the convolutions, which says nothing but that a border is near.
        """
        wide, margin = mirrored(ops.convert_to_tensor(x), self.mirror), self.mirror
        height, width = ops.shape(x)[1], ops.shape(x)[2]
        rows, columns = slice(margin, margin + height), slice(margin, margin + width)
        return [m[:, rows, columns] for m in self.maps(wide, head)]

    def answer(self, maps: Sequence[Tensor]) -> Tensor:
        """Of the maps of all sub-heads of the main head the one that counts."""
        return maps[0]

    def maps(self, x: Tensor, head: str = MAIN, training: bool = False) -> list[Tensor]:
        """Probabilities of every sub-head of a head, each `[batch, height, width, k]`."""
        return self.enlarged(self.features(x, training), head, x, training)

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        """Probabilities of every sub-head of a head at the size of the trunk's features."""
        raise NotImplementedError

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """The trunk's features, `[batch, ⌈h/stride⌉, ⌈w/stride⌉, features]`."""
        if x.shape[-1] != self.channels:
            raise expected(f"images of {self.channels} channels", x.shape[-1], "channels")
        x = ops.cast(self.whitened(x), self.compute_dtype)
        return self.trunk(network_input(x, self.inputs), training=training)

    def shares_of_cells(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """The share of each feature's cell that is valid, `[batch, rows, columns]`.

        Args:
            x: images.
            valid: their valid pixels, `[batch, height, width]`; None: all are.
        """
        valid = ops.ones_like(x[..., 0]) if valid is None else valid
        return shrink(ops.expand_dims(valid, -1), self.trunk.stride)[..., 0]

    def shares_of_places(self, data: Batch) -> Tensor:
        """The share of x's places, pixels or cells, that is valid; None: all are."""
        valid = data.get("valid")
        if valid is None or holds_features(data) or not self.cells:
            return valid
        return self.shares_of_cells(data["x"], valid)

    def shares_of_gx(self, data: Batch) -> Tensor:
        """Of a batch of pairs the share of each cell of gx that shows what is valid in x.

        Returns:
            `[batch, rows, columns]`.
        """
        gx = data["gx"]
        valid = data["valid"] if "valid" in data else ops.ones_like(gx[..., 0])
        # Where g left the crop there is nothing to see.
        g = data.get("affine", data.get("flip"))
        valid = apply(ops.expand_dims(valid, -1), g, "affine" in data)
        return self.shares_of_cells(gx, valid[..., 0])

    def whitened(self, x: Tensor) -> Tensor:
        """What the network is shown of images in 0 to 1: themselves, as a rule."""
        return x

    def enlarged(self, features: Tensor, head: str, x: Tensor, training: bool) -> list[Tensor]:
        """What a head makes of features, at the size of images `x`."""
        # Softmax first, then resizing, as in the published networks.
        height, width = ops.shape(x)[1], ops.shape(x)[2]
        small = self.small_maps(features, head, training)
        return [enlarge(m, self.trunk.stride, height, width) for m in small]


def joints_of_pairs(
    model: Segmenter,
    data: Batch,
    heads: Sequence[str],
    radius: int,
    training: bool,
) -> Tensors:
    """Joints of a batch of pairs by head, float32 `[sub_heads, (2 radius + 1)², k, k]`.

    Both views go through the network as one batch.
    """
    maps = maps_of_pairs(model, data, heads, training)
    return {head: joints_of_maps(model, maps[head], data, radius) for head in heads}


def maps_of_pairs(
    model: Segmenter, data: Batch, heads: Sequence[str], training: bool
) -> dict[str, list[tuple[Tensor, Tensor]]]:
    """Probabilities of x, and of gx as they come, by head and sub-head.

    Features that were computed before (`views.feature_pairs`) are taken as they are.
    """
    if holds_features(data):
        both = ops.concatenate([data[name] for name in FEATURES])
        features = ops.cast(both, model.compute_dtype)
    else:
        features = model.features(ops.concatenate([data["x"], data["gx"]]), training)
    if training and model.dropout:
        kept = ops.concatenate(
            [
                kept_channels(
                    data["epoch"], data["number"], view, features.shape[-1], model.dropout
                )
                for view in (0, 1)
            ]
        )
        features = features * ops.cast(kept[:, None, None], features.dtype)

    def maps_of(head: str) -> list[Tensor]:
        if model.cells:
            return model.small_maps(features, head, training)
        return model.enlarged(features, head, data["x"], training)

    return {head: [tuple(ops.split(maps, 2)) for maps in maps_of(head)] for head in heads}


def joints_of_maps(
    model: Segmenter, maps: Sequence[tuple[Tensor, Tensor]], data: Batch, radius: int
) -> Tensor:
    """Joints of a head's maps of a batch of pairs, `[sub_heads, (2 radius + 1)², k, k]`.

    The radius is one of cells where the model compares cells.
    """
    valid = model.shares_of_places(data)
    if holds_features(data):
        # Cells of both views lie on one another.
        return ops.stack([segmentation_joints(p, q, radius, valid) for p, q in maps])
    return ops.stack([segmentation_joints(p, undo(q, data), radius, valid) for p, q in maps])
