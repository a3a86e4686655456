"""Learn to segment and cluster images without labels, by mutual information of paired views."""

from iic_tf.backend import end_or_raise, load_keras
from iic_tf.errors import InputError

try:
    load_keras()
except InputError as error:
    end_or_raise(error)

from iic_tf import losses
from iic_tf.errors import DataMissingError
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.infoseg import InfoSeg
from iic_tf.models.served import ServedSegmenter
from iic_tf.models.served_clusterer import ServedClusterer
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.named_trunks import trunk_named
from iic_tf.version import __version__
from iic_tf.views.geometry import Geometry
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

__all__ = [
    "DataMissingError",
    "Geometry",
    "IICClusterer",
    "IICSegmenter",
    "ImagePairs",
    "ImageView",
    "InfoSeg",
    "InputError",
    "KerasTrunk",
    "Pairs",
    "Photometry",
    "ServedClusterer",
    "ServedSegmenter",
    "__version__",
    "losses",
    "trunk_named",
]
