"""k-means on the features of a trunk that nobody trains: learned elsewhere, or not at all.

Lloyd: Least squares quantization in PCM, IEEE Trans. IT 28, 1982: min over centres C of Σ_i min_y
‖z_i − C y‖², here of features z, standardised. It is found once, before the first step, on a sample
of the plain views; no step changes anything.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from iic_tf.annotations import Parts, Trunk
from iic_tf.errors import InputError, expected
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.fitted_centres import FittedCentres, OfCells, OfImages, Views, unwatched
from iic_tf.models.plain_trunks import PIXELS, SIFT, TRUNK, PlainTrunk
from iic_tf.models.segmenter import Segmenter
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.inputs import BANDS, check_inputs
from iic_tf.views.numbered_batches import NumberedBatches


class KMeans(FittedCentres):
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

    def add_centres(self, shape: tuple[int | None, ...], alike: bool = True) -> None:
        """Make scale and centres for batches of images of this shape, and build all.

        Args:
            shape: of a batch.
            alike: whether features count alike, see `ScaledFeatures`.
        """
        clusters = {MAIN: self.classes, OVERCLUSTERING: self.overclusters}
        self.add_fitted(clusters, self.components, self.whiten, alike)
        self.build(shape)

    def parts(self) -> Parts:
        """None: no step trains anything."""
        return {}

    # --- what is fitted

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Find the centres, where they have not been."""
        self.fit_centres(pairs)

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """As `before_epoch`."""
        self.fit_centres(pairs)

    def fit_centres(
        self, pairs: NumberedBatches, watched: Callable[[Views, int], Views] = unwatched
    ) -> None:
        """Find scale and centres, once.

        Args:
            pairs: whose plain views are looked at; their seed draws all there is to draw.
            watched: gets these views, and how many there are, and hands them on.

        Raises:
            InputError: fewer than 2 features of valid pixels.
        """
        if not self.has_centres:
            self.find_centres(pairs, 0, watched)

    # --- the loss

    def check_batch(self, data: Any) -> None:
        """A batch of pairs, once there are centres."""
        if tf.executing_eagerly() and not self.has_centres:
            raise InputError(
                "Expected centres, which are found before an epoch: "
                "fit(..., callbacks=[iic_tf.models.fitting.Fit(pairs)]); received none."
            )
        super().check_batch(data)


@keras.saving.register_keras_serializable("iic_tf")
class KMeansSegmenter(OfCells, KMeans, Segmenter):
    """k-means of the pixels of scenes: of the cells of a trunk's map.

    Args:
        classes: centres of the main head, 2 or more.
        overclusters: centres of the other one.
        channels: bands of the images.
        width: factor of the channel counts of a trunk by name.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        components: principal components of the standardised features; 0: the features themselves.
        whiten: whether components count alike.
        sample: features that scale and centres are fitted to, drawn evenly from those of `crops`.
        starts: of k-means++; the one of the lowest sum of squares stays.
        crops: how many crops are looked at, spread over scenes by their area; of each scene one,
            at least.
        kind: of features: those of the `trunk`, or of no network, with inputs `bands`: `pixels`,
            `statistics` (`models.local_statistics`) or `sift` (`models.dense_sift`). Pixels and
            SIFT keep their proportions, as in IIC's baselines; others are standardised.
        sift_cell: pixels between two descriptors, and the side of each of their 4×4 bins.
        trunk: as `IICSegmenter`'s; not trained, whatever it says.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = KMeansSegmenter(classes=3, overclusters=15, channels=4, kind="statistics")
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    keys = ("x", "gx", "epoch")
    arguments = (
        *("classes", "overclusters", "channels", "width", "inputs"),
        *("components", "whiten", "sample", "starts", "crops", "kind", "sift_cell"),
    )

    def __init__(
        self,
        classes: int,
        overclusters: int,
        channels: int,
        width: float = 1.0,
        inputs: str = "bands",
        components: int = 0,
        whiten: bool = False,
        sample: int = 50_000,
        starts: int = 10,
        crops: int = 2000,
        kind: str = TRUNK,
        sift_cell: int = 4,
        trunk: Trunk = "c",
        **kwargs: Any,
    ):
        super().__init__(
            *(classes, overclusters, channels, width, inputs),
            *(components, whiten, sample, starts),
            **kwargs,
        )
        self.look_at(crops)
        self.kind = kind
        self.sift_cell = sift_cell
        self.set_trunk(trunk, width)
        if kind != TRUNK:
            if inputs != BANDS:
                raise expected(f"inputs {BANDS} of features {kind}", inputs, "inputs")
            self.trunk = PlainTrunk(kind, sift_cell)
        self.add_centres((None, None, None, channels), alike=kind not in (PIXELS, SIFT))


@keras.saving.register_keras_serializable("iic_tf")
class KMeansClusterer(OfImages, KMeans, Clusterer):
    """k-means of whole images: of the vectors that a trunk makes of their central views.

    Args:
        classes, overclusters, channels, width, inputs, components, whiten, sample, starts: as
            `KMeansSegmenter`'s; all images are looked at.
        size: height and width of the images, in pixels, 8 or more.
        network: `A` or `B`, see `IICClusterer`; left as it begins.
        trunk: in place of `network`, see `IICClusterer`; not trained, whatever it says.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = KMeansClusterer(3, 15, channels=3, size=16, network="B", width=0.1)
        >>> tuple(model(np.zeros((2, 16, 16, 3), "float32")).shape)  # probabilities of each image
        (2, 3)
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
        trunk: Trunk | None = None,
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
