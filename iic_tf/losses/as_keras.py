"""The objectives of IIC as Keras losses, for models of one's own under `compile` and `fit`."""

from __future__ import annotations

from typing import Any

import keras

from iic_tf.annotations import Config, Tensor
from iic_tf.losses.arguments import check_lamb
from iic_tf.losses.clustering import iic_clustering_loss
from iic_tf.losses.segmentation import iic_segmentation_loss

PACKAGE = "iic_tf"


class _OfViews(keras.losses.Loss):  # type: ignore[misc]
    """−I_λ of probabilities of two views; `y_true` holds those of one, `y_pred` of the other.

    One number for the batch as a whole, which Keras' reductions leave as it is: an information is
    no mean over images. So weights of samples have no meaning, and are refused by Keras' shapes.
    """

    def __init__(self, lamb: float, name: str, **options: Any):
        check_lamb(lamb)
        super().__init__(name=name, **options)
        self.lamb = lamb

    def get_config(self) -> Config:
        return {**super().get_config(), "lamb": self.lamb}


@keras.saving.register_keras_serializable(PACKAGE)
class IICClusteringLoss(_OfViews):
    """`iic_clustering_loss` as a Keras loss (IID preprint 2018, eq. 3 to 6).

    Args:
        lamb: λ ≥ 0; above 1 the clusters are pushed towards equal shares.
        name: as Keras shows it.

    Raises:
        InputError: a negative λ; when called, what `iic_clustering_loss` raises.

    >>> import numpy as np
    >>> from iic_tf.losses import IICClusteringLoss
    >>> views = np.eye(4, dtype="float32")  # certain, balanced and equal in both views
    >>> print(f"{float(IICClusteringLoss()(views, views)):.4f}")  # −ln 4
    -1.3863
    """

    def __init__(self, lamb: float = 1.0, name: str = "iic_clustering", **options: Any):
        super().__init__(lamb, name, **options)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """−I_λ of `[batch, clusters]` of two views, a scalar."""
        return iic_clustering_loss(y_true, y_pred, self.lamb)


@keras.saving.register_keras_serializable(PACKAGE)
class IICSegmentationLoss(_OfViews):
    """`iic_segmentation_loss` as a Keras loss (IID preprint 2018, eq. 8 to 10).

    Args:
        radius: T ≥ 0 in pixels, half the side of the window of displacements.
        lamb: λ ≥ 0, likewise.
        collapsed: sum the joints of all displacements first.
        name: as Keras shows it.

    Raises:
        InputError: a negative λ; when called, what `iic_segmentation_loss` raises.

    >>> import numpy as np
    >>> from iic_tf.losses import IICSegmentationLoss
    >>> halves = np.zeros((1, 4, 4, 2), "float32")
    >>> halves[:, :2, :, 0] = halves[:, 2:, :, 1] = 1
    >>> print(f"{float(IICSegmentationLoss(radius=0)(halves, halves)):.4f}")  # −ln 2
    -0.6931
    """

    def __init__(
        self,
        radius: int = 10,
        lamb: float = 1.0,
        collapsed: bool = False,
        name: str = "iic_segmentation",
        **options: Any,
    ):
        super().__init__(lamb, name, **options)
        self.radius, self.collapsed = radius, collapsed

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """−I_λ of `[batch, height, width, clusters]` of two views, a scalar."""
        return iic_segmentation_loss(
            y_true, y_pred, self.radius, self.lamb, collapsed=self.collapsed
        )

    def get_config(self) -> Config:
        return {**super().get_config(), "radius": self.radius, "collapsed": self.collapsed}
