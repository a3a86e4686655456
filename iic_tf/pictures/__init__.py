"""Pictures of images, label maps, scores and trainings; they are returned, never written."""

import contextlib

from iic_tf.pictures.circle_projection import animation, circle_projection
from iic_tf.pictures.colours import palette
from iic_tf.pictures.confident_sheet import confident_sheet
from iic_tf.pictures.labels import confidence_image, label_image, overlay
from iic_tf.pictures.probability_bars import probability_bars
from iic_tf.pictures.rgb import to_rgb
from iic_tf.pictures.triplets import TripletRow, triplet_sheet

# Charts need Matplotlib, which label maps do without, where predictions by ONNX alone are wanted.
with contextlib.suppress(ModuleNotFoundError):
    from iic_tf.pictures.confusion_chart import confusion_picture
    from iic_tf.pictures.curves import loss_curves, share_curves
    from iic_tf.pictures.joint_picture import joint_picture

__all__ = [
    "TripletRow",
    "animation",
    "circle_projection",
    "confidence_image",
    "confident_sheet",
    "confusion_picture",
    "joint_picture",
    "label_image",
    "loss_curves",
    "overlay",
    "palette",
    "probability_bars",
    "share_curves",
    "to_rgb",
    "triplet_sheet",
]
