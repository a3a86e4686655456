"""Learn to segment and cluster images without labels, by mutual information of paired views."""

from typing import TYPE_CHECKING

from iic_tf.backend import end_or_raise, is_needed, load_keras
from iic_tf.errors import DataMissingError, InputError
from iic_tf.version import __version__

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

if TYPE_CHECKING or is_needed():
    try:
        load_keras()
    except InputError as error:
        end_or_raise(error)

    from iic_tf import losses
    from iic_tf.models.iic_clusterer import IICClusterer
    from iic_tf.models.iic_segmenter import IICSegmenter
    from iic_tf.models.infoseg import InfoSeg
    from iic_tf.models.served import ServedSegmenter
    from iic_tf.models.served_clusterer import ServedClusterer
    from iic_tf.networks.keras_trunk import KerasTrunk
    from iic_tf.networks.named_trunks import trunk_named
    from iic_tf.views.geometry import Geometry
    from iic_tf.views.image_pairs import ImagePairs
    from iic_tf.views.image_view import ImageView
    from iic_tf.views.pairs import Pairs
    from iic_tf.views.photometry import Photometry
else:

    def __getattr__(name: str) -> object:
        """Say why what needs Keras is not there."""
        if name in __all__:
            raise ModuleNotFoundError(
                f"Expected TensorFlow and Keras for iic_tf.{name}; received an installation "
                "without (pip install iic_tf brings them), in which only iic_tf.onnx_predict works."
            )
        raise AttributeError(f"module 'iic_tf' has no attribute '{name}'")
