"""Label images by a model that TensorFlow Serving serves, in tiles with the overlap that it needs.

A copy of this folder goes into each serving kit: it needs Python 3.10, NumPy, and grpcio and
protobuf or requests, and nothing of the rest of this package. `python -m client --help`; in
programs:

    from client import grpc_model, label_scene

    labels = label_scene(grpc_model("localhost:8500", "segmentation"), card, pixels)
"""

from .grpc_model import grpc_model
from .rest_model import rest_model
from .scene import label_image, label_scene
from .serving_error import ServingError

__all__ = ["ServingError", "grpc_model", "label_image", "label_scene", "rest_model"]
