"""Centres of the cells of a trunk's map: k-means of the pixels of scenes."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.errors import expected
from iic_tf.models.kmeans import KMeans, Views
from iic_tf.models.segmenter import Segmenter


class CellCentres(KMeans, Segmenter):
    """What models with centres of cells have in common.

    A model calls `set_trunk`, then `add_centres`.
    """

    def __init__(self, *args: Any, crops: int, **kwargs: Any):
        super().__init__(*args, **kwargs)
        if crops < 1:
            raise expected("at least 1 crop", crops, "crops")
        self.crops = crops

    def looked_at(self, pairs: Any) -> tuple[Views, int]:
        places = pairs.spread_places(self.crops)
        return pairs.views_at(places), len(places)

    def small_maps(self, features: Any, head: str, training: bool) -> list[Any]:
        found: list[Any] = self.heads[head](self.scaled(features))
        return found


@keras.saving.register_keras_serializable("iic_tf")
class KMeansSegmenter(CellCentres):
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
        trunk: as `IICSegmenter`'s; not trained, whatever it says.

    Raises:
        InputError: a value outside its range.
    """

    keys = ("x", "gx", "epoch")
    arguments = (
        *("classes", "overclusters", "channels", "width", "inputs"),
        *("components", "whiten", "sample", "starts", "crops"),
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
        trunk: Any = "c",
        **kwargs: Any,
    ):
        super().__init__(
            *(classes, overclusters, channels, width, inputs),
            *(components, whiten, sample, starts),
            crops=crops,
            **kwargs,
        )
        self.set_trunk(trunk, width)
        self.add_centres((None, None, None, channels))
