"""One model made of several of the same kind, whose clusters were matched to one another's.

Of members m with probabilities p_m and π_m(c), the cluster of member m that is matched to cluster c
of the first one in charge: p(c) = 1/M Σ_m p_m(π_m(c)). It has no loss and takes no steps.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from iic_tf.annotations import Config, Layer, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.models.clusterer import Clusterer
from iic_tf.models.segmenter import Segmenter
from iic_tf.models.self_supervised import SelfSupervised
from iic_tf.models.shared_trunk import scales_of_trunk, with_trunk
from iic_tf.turns import MAIN
from iic_tf.views.inputs import input_channels

Orders = Mapping[str, Sequence[Sequence[int]]]


@dataclass(frozen=True)
class Trunks:
    """What is asked of a trunk, of those of all members together.

    Attributes:
        stride: of their maps, the same in all; 1 of vectors.
        features: of all of them side by side.
        learns: none of them does here.
    """

    stride: int
    features: int
    learns: bool = False


class Consensus(SelfSupervised):
    """What both kinds of data have in common.

    Features are those of all members side by side; the trunk is gone through once where members
    share it (`sharing_trunk`).

    Args:
        members: two models or more, alike but for their weights, or their configurations.
        orders: by head, of each member its clusters in the order of those that they are matched to,
            `[members, clusters]`: permutations of 0 to clusters − 1.
        counting: by head other than `main`, which sub-head of each member counts;
            None: the first.
        shared: whether all members have the first one's trunk.

    Raises:
        InputError: fewer than two members, members that are not alike, or no permutations.
    """

    arguments: ClassVar[tuple[str, ...]] = ()
    sub_heads = 1

    def __init__(
        self,
        members: Sequence[Any],
        orders: Orders,
        counting: Mapping[str, Sequence[int]] | None = None,
        shared: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**{**kwargs, "dtype": "float32"})
        if len(members) < 2:
            raise expected("at least 2 members", len(members), "members")
        self.shared = shared
        self.members = _made(members, shared)
        first = self.members[0]
        check_alike(self.members)
        self.channels: int = first.channels
        self.inputs: str = getattr(first, "inputs", "bands")
        self.clusters = {head: first.clusters[head] for head in orders}
        self.classes = self.clusters[MAIN]
        self.orders = {h: [[int(c) for c in order] for order in own] for h, own in orders.items()}
        given = counting or {}
        self.counting = {
            head: [int(i) for i in given.get(head, [0] * len(members))]
            for head in orders
            if head != MAIN
        }
        self._check_orders()
        self.sizes = [_feature_count(one) for one in self.members]
        self.heads: dict[str, Layer] = {}
        self.trunk = Trunks(int(getattr(first.trunk, "stride", 1)), sum(self.sizes))
        self.scale, self.shift = (
            self.add_weight(
                shape=(len(members) - 1 if shared else 0, self.sizes[0]),
                initializer=kind,
                trainable=False,
                dtype="float32",
                name=name,
            )
            for name, kind in (("scale", "ones"), ("shift", "zeros"))
        )
        self.built = True

    def _check_orders(self) -> None:
        for head, own in self.orders.items():
            wanted = list(range(self.clusters[head]))
            if len(own) != len(self.members) or any(sorted(order) != wanted for order in own):
                raise expected(
                    f"for each of {len(self.members)} members an order of {len(wanted)} clusters",
                    own,
                    f"orders[{head!r}]",
                )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Members are built as they are made."""

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """Those of all members side by side, float32 `[..., features]`."""
        first = ops.cast(self.members[0].features(x), "float32")
        if not self.shared:
            others = [ops.cast(one.features(x), "float32") for one in self.members[1:]]
        else:
            others = [first * self.scale[i] + self.shift[i] for i in range(len(self.members) - 1)]
        return ops.concatenate([first, *others], -1)

    def _parts(self, features: Tensor) -> list[Tensor]:
        """The features of each member."""
        found: list[Tensor] = ops.split(features, np.cumsum(self.sizes)[:-1].tolist(), axis=-1)
        return found

    def _mean(self, of_members: Sequence[Sequence[Tensor]], head: str) -> list[Tensor]:
        """Of the probabilities of all sub-heads of each member the mean, in a list of one."""
        found = []
        for i, (one, own) in enumerate(zip(self.members, of_members, strict=True)):
            p = one.answer(own) if head == MAIN else own[self.counting[head][i]]
            order = self.orders[head][i]
            found.append(p if order == sorted(order) else ops.take(p, order, axis=-1))
        return [sum(found[1:], found[0]) / len(found)]

    def get_config(self) -> Config:
        base = super(SelfSupervised, self).get_config()
        return {
            **base,
            "members": [keras.saving.serialize_keras_object(one) for one in self.members],
            "orders": self.orders,
            "counting": self.counting,
            "shared": self.shared,
        }


@keras.saving.register_keras_serializable("iic_tf")
class ConsensusSegmenter(Consensus, Segmenter):
    """The mean of several segmenters' probabilities; see `Consensus` for its arguments.

    Examples:
        >>> from iic_tf import IICSegmenter
        >>> two = [IICSegmenter(2, 0, channels=3, width=0.1) for _ in range(2)]
        >>> model = ConsensusSegmenter(two, {"main": [[0, 1], [1, 0]]})
        >>> x = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
        >>> wanted = (np.asarray(two[0](x)) + np.asarray(two[1](x))[..., ::-1]) / 2
        >>> bool(np.allclose(model(x), wanted, atol=1e-6))
        True
    """

    @property
    def scene_features(self) -> int:
        return sum(int(one.scene_features) for one in self.members)

    @property
    def window_align(self) -> int:
        return math.lcm(*(one.window_align for one in self.members))

    @property
    def window_radius(self) -> int:
        return max(int(one.window_radius) for one in self.members)

    @property
    def mirror(self) -> int:
        return int(self.members[0].mirror)

    @property
    def tolerance(self) -> float:  # type: ignore[override]
        return max(float(one.tolerance) for one in self.members)

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        parts = zip(self.members, self._parts(features), strict=True)
        return self._mean([one.small_maps(part, head, False) for one, part in parts], head)

    def maps_of_images(self, x: Tensor, head: str = MAIN) -> list[Tensor]:
        if self.scene_features:
            return self.of_scene(x, head=head)[0]
        return super().maps_of_images(x, head)

    def of_scene(
        self,
        x: Tensor,
        sums: Tensor | None = None,
        valid: Tensor | None = None,
        core: Tensor | None = None,
        head: str = MAIN,
    ) -> tuple[list[Tensor], Tensor]:
        """As `InfoSeg.of_scene`; a scene's sums are those of all members side by side."""
        ends = np.cumsum([one.scene_features for one in self.members])[:-1].tolist()
        own = [None] * len(self.members) if sums is None else ops.split(sums, ends, axis=-1)
        found = [
            one.of_scene(x, part, valid, core, head)
            for one, part in zip(self.members, own, strict=True)
        ]
        return self._mean([maps for maps, _ in found], head), ops.concatenate(
            [sums for _, sums in found], -1
        )


@keras.saving.register_keras_serializable("iic_tf")
class ConsensusClusterer(Consensus, Clusterer):
    """The mean of several clusterers' probabilities of whole images; see `Consensus`."""

    @property
    def size(self) -> int:  # type: ignore[override]
        return int(self.members[0].size)

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        parts = zip(self.members, self._parts(features), strict=True)
        return self._mean([one.answers(part, head) for one, part in parts], head)


def consensus_of(
    members: Sequence[Any], orders: Orders, counting: Mapping[str, Sequence[int]]
) -> ConsensusSegmenter | ConsensusClusterer:
    """The model of several, with one trunk where they have an equal one that nobody trains.

    Args:
        members: the models.
        orders: by head, see `Consensus`.
        counting: by head, likewise.
    """
    kind = ConsensusSegmenter if isinstance(members[0], Segmenter) else ConsensusClusterer
    scales = scales_of_trunk(members)
    if scales is None:
        return kind(members, orders, counting)
    trunk = members[0].trunk
    model = kind([with_trunk(one, trunk) for one in members], orders, counting, shared=True)
    model.scale.assign(scales[0])
    model.shift.assign(scales[1])
    return model


def _made(members: Sequence[Any], shared: bool) -> list[Any]:
    """Models, of configurations too; of a shared trunk the others get the first one's."""
    found: list[Any] = []
    for one in members:
        if not isinstance(one, Mapping):
            found.append(one)
        elif found and shared:
            kind = keras.saving.get_registered_object(one["registered_name"])
            if not isinstance(kind, type) or not issubclass(kind, SelfSupervised):
                raise expected("a model of this package as member", one["registered_name"])
            found.append(kind(**{**one["config"], "trunk": found[0].trunk}))
        else:
            found.append(keras.saving.deserialize_keras_object(one))
    return found


def _feature_count(model: Any) -> int:
    shape = model.image_shape()
    inside = (*shape[:-1], input_channels(model.channels, getattr(model, "inputs", "bands")))
    return int(model.trunk.compute_output_shape(inside)[-1])


_ALIKE = ("channels", "clusters", "inputs", "size", "mirror", "window_align", "window_radius")


def check_alike(members: Sequence[Any]) -> None:
    """All members must take the same images and have as many clusters.

    Raises:
        InputError: they do not.
    """
    first = members[0]
    for other in members[1:]:
        if type(other) is not type(first):
            what = type(other).__name__
            raise InputError(
                f"Expected members of one kind, {type(first).__name__}; received {what}."
            )
        for name in _ALIKE:
            a, b = getattr(first, name, None), getattr(other, name, None)
            if a != b:
                raise expected(f"members of the same {name}, {a}", b, name)
        strides = [getattr(one.trunk, "stride", 1) for one in (first, other)]
        if strides[0] != strides[1]:
            raise expected(f"members of the same stride, {strides[0]}", strides[1], "stride")
