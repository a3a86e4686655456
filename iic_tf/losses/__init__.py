"""The objectives, as plain functions of probabilities; IIC's also as Keras losses."""

from iic_tf.losses.as_keras import IICClusteringLoss, IICSegmentationLoss
from iic_tf.losses.clustering import iic_clustering_loss
from iic_tf.losses.information import information
from iic_tf.losses.infoseg import infoseg_loss
from iic_tf.losses.segmentation import iic_segmentation_loss

__all__ = [
    "IICClusteringLoss",
    "IICSegmentationLoss",
    "iic_clustering_loss",
    "iic_segmentation_loss",
    "information",
    "infoseg_loss",
]
