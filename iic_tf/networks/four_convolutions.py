"""Four convolutions with three pools between them: the preprint's network for clustering."""

from __future__ import annotations

from typing import Any, ClassVar

import keras

from iic_tf.networks.network_b import NetworkB


@keras.saving.register_keras_serializable("iic_tf")
class FourConvolutions(NetworkB):
    """3×3 convolutions 64, pool, 128, pool, 256, pool, 512; the map is flattened.

    IID preprint (Ji et al. 2018), section 4.2: "4 convolutional layers (with a maximum of 512
    features) separated by 3 max-pooling layers and followed by a single linear classification
    layer", for colour images. It tells no more. Channels, BatchNormalization, ReLU and the
    flattened map are network B's, which has the same layers with 5×5 kernels; 3×3 are those of
    VGG11, the preprint's other network. 1.6 million parameters at width 1.

    The heads see every cell of the map, so that a model serves images of the size that it was
    built for, 8 pixels at least: 73,728 features for 96×96 at width 1.

    Args:
        width: factor of all channel counts.
    """

    kernel_size: ClassVar[int] = 3
    called: ClassVar[str] = "four convolutions"

    stride = 8
    receptive_radius = 26
    """How far, in input pixels, a cell of the map enlarged to the image's size sees: 1 before the
    first pool, 2 + 4 + 8 after them, and 11 for the cell itself and for resizing by eight."""

    def __init__(self, width: float = 1.0, **kwargs: Any):
        super().__init__(width, **kwargs)
        self.features = self.convs[-1].filters
        """Of each cell of the map."""
