"""What models of whole images have in common that train a trunk and some layers by a loss."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from keras import ops

from iic_tf.errors import expected
from iic_tf.models.clusterer import Clusterer, check_network
from iic_tf.models.phases import EVERYTHING
from iic_tf.models.sums import SumsModel
from iic_tf.turns import RESTING
from iic_tf.views.inputs import check_inputs, input_channels

TRUNK = "trunk"


class LearnedClusterer(SumsModel, Clusterer):
    """A trunk and further parts of whole images, in one stage or several, of some epochs each.

    A model adds its layers to `learning`, by part, makes `heads` and meters, and then calls
    `build`; it says in `objective` what a batch gives for the loss of a stage, and in `judged` what
    it gives for the monitors.

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

    Attributes:
        learning: layers that are trained beside the trunk, by part.
    """

    keys: ClassVar[tuple[str, ...]] = ("x", "gx", "epoch", "image")
    shared: ClassVar[tuple[str, ...]] = (
        *("classes", "channels", "size", "network", "width", "inputs", "trunk_from"),
    )
    """Names of the constructor's arguments that all such models have."""
    learning: dict[str, list[Any]]

    def __init__(
        self,
        classes: int,
        channels: int,
        size: int,
        network: str = "A",
        width: float = 1.0,
        inputs: str = "sobel",
        trunk: Any = None,
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

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        """Build all layers behind features of this shape: those of `learning`, one on another."""
        for layers in self.learning.values():
            for layer in layers:
                layer.build(shape)

    # --- who is trained when

    def stage(self, epoch: int) -> str:
        """What a model does in an epoch; it is the name of the loss, too."""
        return EVERYTHING

    def trained_in(self, stage: str) -> tuple[str, ...]:
        """The parts beside the trunk that a stage trains."""
        return tuple(self.learning)

    def parts(self) -> dict[str, list[Any]]:
        own = {
            name: [variable for layer in layers for variable in layer.trainable_variables]
            for name, layers in self.learning.items()
        }
        trunk = self.trunk.trainable_variables
        if self.rests:
            # The first part is trained in every phase.
            return {**own, **({TRUNK: trunk} if trunk else {})}
        return {TRUNK: trunk, **own}

    def phase_of(self, epoch: int) -> str:
        return self.stage(epoch) + (RESTING if epoch < self.trunk_from else "")

    def parts_in(self, phase: str) -> tuple[str, ...]:
        own = self.trained_in(phase.removesuffix(RESTING))
        names = own if phase.endswith(RESTING) else (TRUNK, *own)
        return tuple(name for name in self.parts() if name in names)

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        return (phase.removesuffix(RESTING),)

    # --- the loss

    def sums(self, data: dict[str, Any], names: Sequence[str], training: bool) -> dict[str, Any]:
        """Of a stage what `objective` says, of the monitors what `judged` says."""
        if tuple(names) == tuple(self.meters):
            return self.judged(data)
        (stage,) = names
        return {stage: self.objective(data, stage, training)}

    def objective(self, data: dict[str, Any], stage: str, training: bool) -> Any:
        """The sums of a batch of which `loss_of` makes a stage's loss: Σ losses, and how many."""
        raise NotImplementedError

    def judged(self, data: dict[str, Any]) -> dict[str, Any]:
        """The sums of a batch, by monitor, as its meter adds them up."""
        raise NotImplementedError

    def loss_of(self, sums: Any, name: str) -> Any:
        """The mean of so many losses, `[2]` → a float32 scalar."""
        return ops.cast(sums[0] / ops.maximum(sums[1], 1e-30), "float32")


def copies_of(data: dict[str, Any]) -> Any:
    """All transformed copies of a batch, `[images · copies, size, size, channels]`.

    Raises:
        InputError: no copies of each image in it.
    """
    shape = tuple(data["gx"].shape)
    if len(shape) != 5 or not shape[1]:
        wanted = "copies of each image: gx [images, copies, size, size, channels]"
        raise expected(wanted, shape, "shape")
    return ops.reshape(data["gx"], (-1, *shape[2:]))


def mean_sums(losses: Any, counted: Any = None) -> Any:
    """(Σ losses, how many there are), float64 `[2]`, of losses of any shape.

    Args:
        losses: one of each thing.
        counted: what each counts, 0 or 1, of the same shape; None: 1.
    """
    losses = ops.cast(losses, "float64")
    counted = ops.ones_like(losses) if counted is None else ops.cast(counted, "float64")
    return ops.stack([ops.sum(losses * counted), ops.sum(counted)])
