"""k-means on the features of a trunk that nobody trains."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field, model_validator

from iic_tf.annotations import Callback, Config, Logs
from iic_tf.errors import InputError, expected
from iic_tf.models.fitted_centres import Views
from iic_tf.models.fitting import Fit
from iic_tf.models.kmeans import KMeansClusterer, KMeansSegmenter
from iic_tf.models.plain_trunks import PLAIN, TRUNK
from iic_tf.networks.shown_bands import LEARNED
from iic_tf.training.methods.registry import method
from iic_tf.training.progress import progress
from iic_tf.training.recipe import LAST
from iic_tf.training.tasks.clustering import ClusteringRecipe
from iic_tf.training.tasks.segmentation import SegmentationRecipe
from iic_tf.training.values import Flag, Values, Whole
from iic_tf.turns import MAIN, OVERCLUSTERING
from iic_tf.views.inputs import BANDS
from iic_tf.views.numbered_batches import NumberedBatches

ABOUT = "k-means on features of a network as it is: one learned elsewhere, or an untrained one"
PAPER = "Lloyd: Least squares quantization in PCM, 1982"


class FitUnderBar(Fit):
    """`Fit` that shows how far the reading has come."""

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.fit_centres(self.pairs, _watched)


def _watched(views: Views, total: int) -> Iterator[Any]:
    with progress("looking at features", total) as bar:
        for view in views:
            yield view
            bar.advance(int(view[0].shape[0]))


class _KMeans(Values):
    """What both kinds of data have in common."""

    keep: ClassVar[str] = LAST
    trains: ClassVar[bool] = False
    loss_label: ClassVar[str] = "share of the variance within clusters"

    if TYPE_CHECKING:
        classes: int
        width: float
        precision: Literal["float32", "mixed_bfloat16", "mixed_float16"]
        trunk_bands: str
        fine_tune_trunk: bool

        @property
        def seen(self) -> str: ...

    steps: Whole = Field(1, ge=0, description="steps in an epoch, which change nothing")
    epochs: Whole = Field(1, ge=1, description="epochs; the first one finds all there is to find")
    overclusters_per_class: Whole = Field(
        5, ge=1, description="centres of the overclustering head for each class"
    )
    components: Whole = Field(
        0, ge=0, description="principal components of the standardised features; 0: themselves"
    )
    whiten: Flag = Field(False, description="components count alike")
    sample: Whole = Field(50_000, ge=2, description="features that k-means is fitted to")
    starts: Whole = Field(10, ge=1, description="starts of k-means, of which the best stays")

    @model_validator(mode="after")
    def _check_untrained(self) -> _KMeans:
        if self.fine_tune_trunk:
            raise InputError(
                "Expected a trunk that stays as it is, for k-means trains nothing; received "
                "--fine-tune-trunk."
            )
        if self.trunk_bands == LEARNED:
            wanted = "numbers of bands, for k-means learns no map of them"
            raise expected(wanted, self.trunk_bands, "trunk_bands")
        if self.whiten and not self.components:
            raise expected("components of at least 1 with whiten", self.components, "components")
        return self

    @property
    def clusters(self) -> dict[str, int]:
        return {MAIN: self.classes, OVERCLUSTERING: self.overclusters_per_class * self.classes}

    @property
    def own_weights(self) -> float:
        return 512.0 * self.width * self.components

    @property
    def losses(self) -> str:
        return (
            "mean squared distances of features to the nearest centre, as a share of their "
            "variance, from 1 down to 0; nothing is trained"
        )

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        return [FitUnderBar(pairs)]

    def _common(self, channels: int) -> Config:
        return {
            "classes": self.classes,
            "overclusters": self.clusters[OVERCLUSTERING],
            "channels": channels,
            "width": self.width,
            "inputs": self.seen,
            "components": self.components,
            "whiten": self.whiten,
            "sample": self.sample,
            "starts": self.starts,
            "dtype": self.precision,
        }

    def _told(self) -> str:
        of = f"{self.components} components of " if self.components else ""
        return (
            f"{self.clusters[OVERCLUSTERING]} overclusters, k-means on {of}{self.sample} features"
        )


@method("kmeans", ABOUT, PAPER)
class KMeansSegmentation(_KMeans, SegmentationRecipe):
    """k-means of the pixels of scenes."""

    model_class = KMeansSegmenter

    crops: Whole = Field(
        2000, ge=1, description="crops that features are drawn from; of each scene one, at least"
    )

    features: Literal["trunk", "untrained", "pixels", "statistics", "sift"] = Field(
        "trunk",
        description="what is clustered: features of the trunk, of network C as it begins "
        "(untrained), or of no network: pixels, local statistics or dense sift",
    )
    sift_cell: Whole = Field(
        4, ge=1, description="pixels between two SIFT descriptors, and of each of their 4x4 bins"
    )

    @model_validator(mode="after")
    def _check_features(self) -> KMeansSegmentation:
        if self.features != TRUNK and self.trunk:
            raise expected(f"no --trunk with features {self.features}", self.trunk, "trunk")
        return self

    @property
    def seen(self) -> str:
        return BANDS if self.features in PLAIN else super().seen

    def build(self, channels: int) -> KMeansSegmenter:
        trunk = self.trunk_arguments(channels, self.crop)
        kind = self.features if self.features in PLAIN else TRUNK
        own: Config = {"crops": self.crops, "kind": kind, "sift_cell": self.sift_cell}
        return KMeansSegmenter(**own, **self._common(channels), **trunk)

    def describe_model(self) -> str:
        if self.features in PLAIN:
            return f"{self._told()} of {self.features}"
        return f"{self._told()} of {self.describe_trunk() or 'network C, untrained'}"


@method("kmeans", ABOUT, PAPER)
class KMeansClustering(_KMeans, ClusteringRecipe):
    """k-means of whole images."""

    model_class = KMeansClusterer

    def build(self, channels: int) -> KMeansClusterer:
        trunk = self.trunk_arguments(channels, vector=True)
        return KMeansClusterer(
            size=self.x.size, network=self.network, **self._common(channels), **trunk
        )

    def describe_model(self) -> str:
        of = self.describe_trunk() or f"network {self.network}, untrained"
        return f"{self.classes} classes, {self._told()} of {of}"
