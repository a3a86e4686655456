"""Pictures of images, label maps, scores and trainings; they are returned, never written."""

from iic_tf.pictures.colours import palette
from iic_tf.pictures.confusion_chart import confusion_picture
from iic_tf.pictures.curves import loss_curves, share_curves
from iic_tf.pictures.labels import confidence_image, label_image, overlay
from iic_tf.pictures.rgb import to_rgb
from iic_tf.pictures.triplets import TripletRow, triplet_sheet

__all__ = [
    "TripletRow",
    "confidence_image",
    "confusion_picture",
    "label_image",
    "loss_curves",
    "overlay",
    "palette",
    "share_curves",
    "to_rgb",
    "triplet_sheet",
]
