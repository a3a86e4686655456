"""What models of whole images have in common that train a trunk and some layers by a loss."""

from __future__ import annotations

from typing import Any, ClassVar

from keras import ops

from iic_tf.annotations import Batch, Tensor, Trunk
from iic_tf.errors import expected
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.learned_stages import LearnedStages
from iic_tf.models.learned_stages import mean_sums as mean_sums
from iic_tf.views.inputs import check_inputs, input_channels


class LearnedClusterer(LearnedStages, Clusterer):
    """A trunk and further parts of whole images, in one stage or several, of some epochs each.

    Args:
        classes: clusters, 2 or more.
        channels: bands of the images.
        size: height and width of the images, in pixels, 8 or more.
        network: `A` or `B`, see `IICClusterer`.
        width: factor of the network's channel counts.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        trunk: in place of `network`, see `IICClusterer`.
        trunk_from: the first epoch in which the trunk is trained.

    Raises:
        InputError: a value outside its range.
    """

    keys: ClassVar[tuple[str, ...]] = ("x", "gx", "epoch", "image")
    shared: ClassVar[tuple[str, ...]] = (
        *("classes", "channels", "size", "network", "width", "inputs", "trunk_from"),
    )
    """Names of the constructor's arguments that all such models have."""

    def __init__(
        self,
        classes: int,
        channels: int,
        size: int,
        network: str = "A",
        width: float = 1.0,
        inputs: str = "sobel",
        trunk: Trunk | None = None,
        trunk_from: int = 0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        if channels < 1:
            raise expected("at least 1 channel", channels, "channels")
        check_network(network)
        check_inputs(inputs)
        self.classes = classes
        self.channels = channels
        self.size = size
        self.network = network
        self.width = width
        self.inputs = inputs
        self.learning = {}
        self.set_trunk(network if trunk is None else trunk, width, True, trunk_from)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._check_shape(input_shape)
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        self.build_learning(self.trunk.compute_output_shape(inside))
        self.built = True


def copies_of(data: Batch) -> Tensor:
    """All transformed copies of a batch, `[images · copies, size, size, channels]`.

    Raises:
        InputError: no copies of each image in it.
    """
    shape = tuple(data["gx"].shape)
    if len(shape) != 5 or not shape[1]:
        wanted = "copies of each image: gx [images, copies, size, size, channels]"
        raise expected(wanted, shape, "shape")
    return ops.reshape(data["gx"], (-1, *shape[2:]))
