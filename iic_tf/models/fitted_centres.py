"""Clusters that k-means finds in the features of plain views: scale and centres are weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Batch, Layer, Tensor, Tensors
from iic_tf.errors import InputError, expected
from iic_tf.graphs import as_graph
from iic_tf.metrics.distance_meter import DistanceMeter
from iic_tf.models.centroids import Centroids
from iic_tf.models.dictionary_fitting import fit_dictionaries
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.scaled_features import ScaledFeatures
from iic_tf.models.sums import SumsModel
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.turns import MAIN
from iic_tf.views.draws import generator
from iic_tf.views.inputs import input_channels

if TYPE_CHECKING:
    from iic_tf.views.numbered_batches import NumberedBatches

Views = Iterator[tuple[tf.Tensor, tf.Tensor | None]]
"""Plain views beside their valid pixels, as `NumberedBatches.plain_views`."""


def unwatched(views: Views, total: int) -> Views:
    """The views as they are."""
    return views


class FittedCentres(SumsModel):
    """A model whose answers are the nearest of centres, found by k-means.

    A model sets `trunk`, `channels`, `inputs`, `sample` and `starts`, then calls `add_fitted`, and
    says when centres are found (`find_centres`). Where these are not of the trunk's features as
    they are, it says of what: `embedded` and `build_embedding`.
    """

    channels: int
    inputs: str
    sample: int
    starts: int
    heads: dict[str, Layer]

    def add_fitted(
        self,
        clusters: Mapping[str, int],
        components: int = 0,
        whiten: bool = False,
        alike: bool = True,
    ) -> None:
        """Make scale, centres and meters.

        Args:
            clusters: how many, by answer, `main` first.
            components: as those of `ScaledFeatures`, like the next two.
            whiten: see there.
            alike: see there.
        """
        self._graph: Callable[..., Tensor] | None = None
        self.clusters = dict(clusters)
        self.scaled = ScaledFeatures(components, whiten, alike, name="scaled")
        self.heads = {name: Centroids(k, name=name) for name, k in self.clusters.items()}
        self.fitted = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="fitted"
        )
        self.add_meters(
            {name: DistanceMeter(k, name=f"{name}_distance") for name, k in self.clusters.items()}
        )

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        shape = self.build_embedding(self.trunk.compute_output_shape(inside))
        self.scaled.build(shape)
        for head in self.heads.values():
            head.build(self.scaled.compute_output_shape(shape))
        self.built = True

    def build_embedding(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Build what lies between features of this shape and the scale; the shape there."""
        return shape

    def embedded(self, features: Tensor) -> Tensor:
        """What of features clusters are found in."""
        return features

    def bound(self, name: str) -> float:
        """The lowest that a mean squared distance can be: 0."""
        return 0.0

    # --- what is fitted

    def looked_at(self, pairs: NumberedBatches) -> tuple[Views, int]:
        """The plain views that features are sampled from, and how many these are."""
        raise NotImplementedError

    def find_centres(
        self,
        pairs: NumberedBatches,
        number: int,
        watched: Callable[[Views, int], Views] = unwatched,
    ) -> None:
        """Find scale and centres in what the features are now.

        Args:
            pairs: whose plain views are looked at; their seed draws all there is to draw.
            number: of this fit; another one draws anew.
            watched: gets these views, and how many there are, and hands them on.

        Raises:
            InputError: fewer than 2 features of valid pixels.
        """
        if isinstance(self.trunk, KerasTrunk):
            fit_dictionaries(self.trunk, pairs)
        rng = generator(pairs.seed, number, 0, "fit")
        rows = drawn_rows(self._rows(watched(*self.looked_at(pairs))), self.sample, rng)
        if len(rows) < 2:
            raise InputError(
                "Expected at least 2 cells of valid pixels to find clusters in; received "
                f"{len(rows)}."
            )
        scaled = self.scaled.fit(self._in_scale_of_trunk(rows))
        seed = int(rng.integers(2**31))
        for head in self.heads.values():
            head.fit(scaled, seed, starts=self.starts)
        self.fitted.assign(1)

    @property
    def has_centres(self) -> bool:
        """Whether they have been found."""
        return bool(int(ops.convert_to_numpy(self.fitted)))

    def _rows(self, views: Views) -> Iterator[NDArray[np.float32]]:
        """Features `[n, features]` of what is valid, view by view."""
        if self._graph is None:
            self._graph = as_graph(
                lambda x: tf.cast(self.embedded(self.features(x)), tf.float32),
            )
        for x, valid in views:
            features = np.asarray(self._graph(x))
            yield features[np.asarray(self.shares_of_cells(x, valid)) > 0.5]

    def _in_scale_of_trunk(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same as a trunk makes them that standardises from now on, as `fit_trunk` has it."""
        trunk = self.trunk
        if not isinstance(trunk, KerasTrunk) or trunk.scaled:
            return rows
        squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
        trunk.fit(rows.sum(0, dtype=np.float64), squares, len(rows))
        return np.asarray((rows - trunk.mean) / trunk.deviation)

    # --- the distances

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Of each head float64 `[1 + k]`: Σ squared distances of what is valid, then counts."""
        # Never as in training: statistics of BatchNormalization stay, too.
        features = self.scaled(self.embedded(self.features(data["x"])))
        shares = self.shares_of_cells(data["x"], data.get("valid"))
        counted = ops.cast(shares > 0.5, "float64")
        return {name: self.heads[name].sums(features, counted) for name in names}

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """A sum by how many it is of: the first number by all others, a float32 scalar."""
        return ops.cast(sums[0] / ops.maximum(ops.sum(sums[1:]), 1e-30), "float32")


class OfImages:
    """What fitted centres of whole images are: of all of them, and of vectors."""

    heads: dict[str, Layer]
    scaled: Layer
    embedded: Callable[[Tensor], Tensor]

    def looked_at(self, pairs: NumberedBatches) -> tuple[Views, int]:
        """All of them."""
        return pairs.plain_views(0), len(pairs.images)

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        """Probabilities of the clusters of features `[batch, features]`."""
        found: list[Tensor] = self.heads[head](self.scaled(self.embedded(features)))
        return found


class OfCells:
    """What fitted centres of pixels are: of the cells of crops from all over, and of maps."""

    heads: dict[str, Layer]
    scaled: Layer
    embedded: Callable[[Tensor], Tensor]

    def look_at(self, crops: int) -> None:
        """Set how many crops are looked at.

        Args:
            crops: about how many, spread over scenes by their area; of each scene one, at least.

        Raises:
            InputError: fewer than one.
        """
        if crops < 1:
            raise expected("at least 1 crop", crops, "crops")
        self.crops = crops

    def looked_at(self, pairs: NumberedBatches) -> tuple[Views, int]:
        """Those crops."""
        places = pairs.spread_places(self.crops)
        return pairs.views_at(places), len(places)

    def small_maps(self, features: Tensor, head: str, training: bool) -> list[Tensor]:
        """Probabilities of the clusters of features `[batch, rows, columns, features]`."""
        found: list[Tensor] = self.heads[head](self.scaled(self.embedded(features)))
        return found
