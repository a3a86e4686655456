"""Learn to segment and cluster images without labels, by mutual information of paired views."""

import os

# TensorFlow reads this when it is loaded; its start-up notes mean nothing to a user.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from iic_tf import losses
from iic_tf.errors import DataMissingError, InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.views.geometry import Geometry
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

__version__ = "0.1.0"

__all__ = [
    "DataMissingError",
    "Geometry",
    "IICSegmenter",
    "InputError",
    "Pairs",
    "Photometry",
    "ServedSegmenter",
    "losses",
]
