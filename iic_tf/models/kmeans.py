"""k-means on the features of a trunk that nobody trains: learned elsewhere, or not at all.

Lloyd: Least squares quantization in PCM, IEEE Trans. IT 28, 1982: min over centres C of Σ_i min_y
‖z_i − C y‖², here of features z, standardised. It is found once, before the first step, on a sample
of the plain views; no step changes anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.errors import InputError, expected
from iic_tf.metrics.distance_meter import DistanceMeter
from iic_tf.models.centroids import Centroids
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.fitting import drawn_rows
from iic_tf.models.scaled_features import ScaledFeatures
from iic_tf.models.sums import SumsModel
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.draws import generator
from iic_tf.views.inputs import check_inputs, input_channels
from iic_tf.views.numbered_batches import NumberedBatches

Views = Iterator[tuple[tf.Tensor, tf.Tensor | None]]
"""Plain views beside their valid pixels, as `NumberedBatches.plain_views`."""


def _unwatched(views: Views, total: int) -> Views:
    return views


class KMeans(SumsModel):
    """What both kinds of data have in common; see the module.

    A model sets `trunk`, then calls `add_centres`.
    """

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float,
        inputs: str,
        components: int,
        whiten: bool,
        sample: int,
        starts: int,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        if sample < 2:
            raise expected("a sample of at least 2 features", sample, "sample")
        if starts < 1:
            raise expected("at least 1 start", starts, "starts")
        check_inputs(inputs)
        self.classes = classes
        self.overclusters = overclusters
        self.channels = channels
        self.width = width
        self.inputs = inputs
        self.components = components
        self.whiten = whiten
        self.sample = sample
        self.starts = starts

    def add_centres(self, shape: tuple[int | None, ...]) -> None:
        """Make scale and centres for batches of images of this shape, and build all."""
        self.clusters = {MAIN: self.classes, OVERCLUSTERING: self.overclusters}
        self.scaled = ScaledFeatures(self.components, self.whiten, name="scaled")
        self.heads = {name: Centroids(k, name=name) for name, k in self.clusters.items()}
        self.fitted = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="fitted"
        )
        self.add_meters(
            {name: DistanceMeter(k, name=f"{name}_distance") for name, k in self.clusters.items()}
        )
        self._graph: Any = None
        self.build(shape)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        shape = self.trunk.compute_output_shape(inside)
        self.scaled.build(shape)
        for head in self.heads.values():
            head.build(self.scaled.compute_output_shape(shape))
        self.built = True

    def parts(self) -> dict[str, list[Any]]:
        """None: no step trains anything."""
        return {}

    def bound(self, name: str) -> float:
        """The lowest that a mean squared distance can be: 0."""
        return 0.0

    # --- what is fitted

    def looked_at(self, pairs: Any) -> tuple[Views, int]:
        """The plain views that features are sampled from, and how many these are."""
        raise NotImplementedError

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find the centres, where they have not been."""
        self.fit_centres(pairs)

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """As `before_epoch`."""
        self.fit_centres(pairs)

    def fit_centres(self, pairs: Any, watched: Callable[[Views, int], Views] = _unwatched) -> None:
        """Find scale and centres, once.

        Args:
            pairs: whose plain views are looked at; their seed draws all there is to draw.
            watched: gets these views, and how many there are, and hands them on.

        Raises:
            InputError: fewer than 2 features of valid pixels.
        """
        if not self.has_centres:
            self.find_centres(pairs, 0, watched)

    def find_centres(
        self, pairs: Any, draw: int, watched: Callable[[Views, int], Views] = _unwatched
    ) -> None:
        """Find scale and centres of what the features are now.

        Args:
            pairs: as `fit_centres`'.
            draw: number of the draw.
            watched: as `fit_centres`'.

        Raises:
            InputError: fewer than 2 features of valid pixels.
        """
        rng = generator(pairs.seed, draw, 0, "fit")
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
            self._graph = tf.function(
                lambda x: tf.cast(self.features(x), tf.float32), reduce_retracing=True
            )
        for x, valid in views:
            features = np.asarray(self._graph(x))
            yield features[np.asarray(self.shares_of_cells(x, valid)) > 0.5]

    def _in_scale_of_trunk(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same as a trunk makes them that standardises from now on, as `fit_trunk` has it."""
        trunk = self.trunk
        if not isinstance(trunk, KerasTrunk) or trunk.fitted:
            return rows
        squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64)
        trunk.fit(rows.sum(0, dtype=np.float64), squares, len(rows))
        return np.asarray((rows - trunk.mean) / trunk.deviation)

    # --- the loss

    def check_batch(self, data: Any) -> None:
        """A batch of pairs, once there are centres."""
        if tf.executing_eagerly() and not self.has_centres:
            raise InputError(
                "Expected centres, which are found before an epoch: "
                "fit(..., callbacks=[iic_tf.models.fitting.Fit(pairs)]); received none."
            )
        super().check_batch(data)

    def sums(self, data: dict[str, Any], names: Sequence[str], training: bool) -> dict[str, Any]:
        """Of each head float64 `[1 + k]`: Σ squared distances of what is valid, then counts."""
        # Never as in training: statistics of BatchNormalization stay, too.
        features = self.scaled(self.features(data["x"]))
        shares = self.shares_of_cells(data["x"], data.get("valid"))
        counted = ops.cast(shares > 0.5, "float64")
        return {name: self.heads[name].sums(features, counted) for name in names}

    def loss_of(self, sums: Any, name: str) -> Any:
        """The mean squared distance to the nearest centre, a float32 scalar."""
        return ops.cast(sums[0] / ops.maximum(ops.sum(sums[1:]), 1e-30), "float32")


@keras.saving.register_keras_serializable("iic_tf")
class KMeansClusterer(KMeans, Clusterer):
    """k-means of whole images: of the vectors that a trunk makes of their central views.

    Args:
        classes, overclusters, channels, width, inputs, components, whiten, sample, starts: as
            `KMeansSegmenter`'s; all images are looked at.
        size: height and width of the images, in pixels, 8 or more.
        network: `A` or `B`, see `IICClusterer`; left as it begins.
        trunk: in place of `network`, see `IICClusterer`; not trained, whatever it says.

    Raises:
        InputError: a value outside its range.
    """

    arguments = (
        *("classes", "overclusters", "channels", "size", "network", "width", "inputs"),
        *("components", "whiten", "sample", "starts"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        size: int,
        network: str = "A",
        width: float = 1.0,
        inputs: str = "sobel",
        components: int = 0,
        whiten: bool = False,
        sample: int = 50_000,
        starts: int = 10,
        trunk: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            *(classes, overclusters, channels, width, inputs),
            *(components, whiten, sample, starts),
            **kwargs,
        )
        check_network(network)
        self.size = size
        self.network = network
        self.set_trunk(network if trunk is None else trunk, width, vector=True)
        self.add_centres((None, size, size, channels))

    def looked_at(self, pairs: Any) -> tuple[Views, int]:
        return pairs.plain_views(0), len(pairs.images)

    def answers(self, features: Any, head: str = MAIN) -> list[Any]:
        found: list[Any] = self.heads[head](self.scaled(features))
        return found
