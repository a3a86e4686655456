"""What all models have in common: they learn from batches of views, and say how it goes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import (
    Batch,
    Config,
    Layer,
    Meter,
    Optimizer,
    Parts,
    Tensor,
    Tensors,
    Trunk,
    Variable,
)
from iic_tf.errors import InputError, expected
from iic_tf.models.adam import Adam
from iic_tf.models.course import Epochs
from iic_tf.models.keras_arguments import check_compiled
from iic_tf.models.keras_ways import KerasWays
from iic_tf.models.phases import EVERYTHING, PartOptimizers
from iic_tf.models.soundness import Soundness
from iic_tf.models.trunk_fitting import fit_trunk, require_fitted
from iic_tf.networks.keras_trunk import BATCH, KEPT, KerasTrunk
from iic_tf.networks.trunks import trunk_config, trunk_of
from iic_tf.views.inputs import BANDS
from iic_tf.views.numbered_batches import NumberedBatches

OPTIONS = ("run_eagerly", "steps_per_execution", "auto_scale_loss")
"""Of `compile`, kept in files beside the optimiser."""


@dataclass(frozen=True)
class Monitor:
    """What an evaluation says of one of a model's answers.

    Attributes:
        losses: the unsupervised loss of each of its sub-heads, one or more.
        bound: the lowest that a loss can be; −∞ where there is none.
        shares: of each sub-head, each cluster's share of everything, `[clusters]`.
        crops: of each sub-head I(z; crop) in nats (`losses.crop_information`); empty where nothing
            lies in crops, or it is not measured.
    """

    losses: list[float]
    bound: float
    shares: list[list[float]]
    crops: Sequence[float] = ()

    @property
    def chosen(self) -> int:
        """The sub-head with the lowest loss."""
        return min(range(len(self.losses)), key=self.losses.__getitem__)


class SelfSupervised(KerasWays):
    """A trunk and what learns on its features, without labels.

    A model sets the attributes below, provides `features`, `call`, `parts`, `train_phase`,
    `test_step` and `monitors`, and may have phases: what is trained in an epoch. A batch carries
    its epoch, so that the phase follows from the data alone: no callback, no counter to save, and
    resuming needs nothing. Each phase is traced once, with the gradients of its own parts only.

    Attributes:
        trunk: the network whose features all the rest goes by.
        meters: what adds up an evaluation, by the names of the monitors, the decisive one first.
        clusters: how many there are, by the names of the answers that the model can give.
        micro_batches: parts that a replica's batch goes through the network in; see `compile`.
    """

    arguments: ClassVar[tuple[str, ...]]
    """Names of the constructor's arguments, all of them attributes."""
    batch_source: ClassVar[str] = "iic_tf.ImagePairs"
    """Whose batches it takes, for messages."""
    keys: ClassVar[tuple[str, ...]] = ("x", "gx", "epoch")
    """What a batch must hold."""
    geometries: ClassVar[tuple[str, ...]] = ()
    """Keys of which a batch must have at least one, beside those."""
    channels: int
    classes: int
    trunk: Layer
    meters: dict[str, Meter]
    clusters: dict[str, int]
    micro_batches: int = 1
    trunk_name: str = ""
    trunk_from: int = 0
    numbers: NDArray[np.int32] | None = None
    """What stands for each class in labels; None: 0, 1, 2, ... (`models.class_map`)."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        policy = self.dtype_policy
        if policy.variable_dtype not in ("float32", "float64"):
            raise InputError(
                f"Expected the precision mixed_{policy.variable_dtype} (dtype=, or "
                "keras.config.set_dtype_policy), which computes so and keeps weights in float32: "
                f"steps vanish in the rounding of others; received {policy.name}."
            )

    def set_trunk(
        self, trunk: Trunk, width: float, vector: bool = False, trunk_from: int = 0
    ) -> None:
        """Give the model its trunk, see `networks.trunks.trunk_of`.

        Args:
            trunk: as a model's argument.
            width: factor of the channel counts of those by name.
            vector: whether it is to make one vector of an image.
            trunk_from: the first epoch in which it is trained; before it stays as it is.

        Raises:
            InputError: an unknown trunk, one of the other kind, or epochs of a frozen one.
        """
        self.trunk_name = trunk if isinstance(trunk, str) else ""
        self.trunk = trunk_of(trunk, width, vector, self.dtype_policy)
        if isinstance(trunk_from, bool) or not isinstance(trunk_from, int) or trunk_from < 0:
            raise expected("trunk_from, an epoch from 0", trunk_from, "trunk_from")
        if trunk_from and self.frozen_trunk:
            raise expected("trunk_from=0 of a frozen trunk, which no epoch trains", trunk_from)
        self.trunk_from = trunk_from
        inputs = getattr(self, "inputs", BANDS)
        if isinstance(self.trunk, KerasTrunk) and inputs != BANDS:
            raise expected(f"inputs {BANDS} of a trunk that is a Keras model", inputs, "inputs")

    def before_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """Fit what is fitted beside the steps, see `models.fitting.Fit`: a trunk's scale, once."""
        fit_trunk(self, pairs)

    def after_epoch(self, pairs: NumberedBatches, epoch: int) -> None:
        """The same behind an epoch; an untrained model's features have a scale, too."""
        fit_trunk(self, pairs)

    @property
    def frozen_trunk(self) -> bool:
        """Whether the trunk is never trained."""
        if isinstance(self.trunk, KerasTrunk):
            return bool(self.trunk.frozen)
        return not getattr(self.trunk, "learns", True)

    @property
    def rests(self) -> bool:
        """Whether there are epochs in which the trunk is not trained."""
        return self.frozen_trunk or self.trunk_from > 0

    @property
    def sub_head(self) -> int:
        """Which of the sub-heads of the main answer counts."""
        return 0

    # --- what a model provides

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """What the trunk makes of images."""
        raise NotImplementedError

    def shares_of_cells(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """The share of each feature's cell of images that is valid; 1 where all is."""
        raise NotImplementedError

    def parts(self) -> Parts:
        """The trained variables by part; the first part is trained in every phase."""
        raise NotImplementedError

    def phase_of(self, epoch: int) -> str:
        """What is trained in an epoch."""
        return EVERYTHING

    def check_turns_taken(self, epochs: int) -> None:
        """What a model wants of the batches of so many of Keras' epochs; nothing, as a rule."""

    def train_phase(self, data: Batch, phase: str) -> Tensors:
        """Take a step on what a phase trains; the logs."""
        raise NotImplementedError

    def monitors(self) -> dict[str, Monitor]:
        """What the last evaluation says, by name; the first one decides."""
        raise NotImplementedError

    def settle(self, monitors: Mapping[str, Monitor]) -> None:
        """Choose by an evaluation what the model answers with; nothing where there is no choice."""

    def beside_weights(self) -> dict[str, NDArray[np.generic]]:
        """What a training that is resumed must have again beside weights: arrays by name."""
        return {}

    def go_on_with(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take what `beside_weights` returned, among other arrays."""

    # --- compiling and saving

    def compile(
        self,
        optimizer: Optimizer | Mapping[Any, Optimizer] | None = None,
        micro_batches: int = 1,
        **kwargs: Any,
    ) -> None:
        """Compile with Adam at 1e-4 (epsilon 1e-8, as in the published runs) unless told else.

        Args:
            optimizer: a Keras optimiser, of which each part of the model gets one of its own
                (`models.phases`), which clip gradients by part, if at all; or one for each part by
                name; or None.
            micro_batches: parts that a batch goes through the network in, one after another, so
                that large batches fit into small memory. What the loss is made of is summed over
                all parts first: the gradient is that of the whole batch, but for
                BatchNormalization, which sees a part at a time and moves its statistics once by
                the mean of the parts'. Costs a second forward pass. The batch, on several devices
                each one's share of it, must be a multiple.
            kwargs: `run_eagerly`, `steps_per_execution`, `jit_compile` and `auto_scale_loss` of
                `keras.Model.compile`.

        Raises:
            InputError: fewer than one micro-batch, optimisers of other parts, or losses and
                metrics: the objective is the model's own.
        """
        check_compiled(micro_batches, kwargs)
        if micro_batches > 1 and isinstance(self.trunk, KerasTrunk) and self.trunk.moves_statistics:
            raise expected(
                f"1 micro-batch with a Keras model whose BatchNormalization takes statistics "
                f"'{BATCH}', which each part would move; or statistics='{KEPT}'",
                micro_batches,
                "micro_batches",
            )
        self.micro_batches = micro_batches
        others: Mapping[str, Optimizer] | None = None
        if optimizer is None:
            optimizer = Adam(1e-4, epsilon=1e-8)
        if isinstance(optimizer, Mapping):
            first = next(iter(self.parts()), None)
            if first not in optimizer:
                names = ", ".join(self.parts()) or "no parts: nothing is trained"
                wanted = f"an optimiser for each of {names}"
                raise expected(wanted, sorted(optimizer))
            others = {name: one for name, one in optimizer.items() if name != first}
            optimizer = optimizer[first]
        super().compile(optimizer=optimizer, **kwargs)
        self._options = {name: kwargs[name] for name in OPTIONS if name in kwargs}
        self.soundness = Soundness(self.distribute_strategy)
        self.epochs = Epochs()
        self._by_part = PartOptimizers(self.optimizer, self.parts(), others)
        self._others_given = others is not None
        # Where Keras looks for what to save.
        self.other_optimizers = self._by_part.others

    def get_compile_config(self) -> Config | None:
        if not self.compiled:
            return None
        serialize = keras.saving.serialize_keras_object
        config = {
            "optimizer": serialize(self.optimizer),
            "jit_compile": self.jit_compile,
            "micro_batches": self.micro_batches,
            **self._options,
        }
        if self._others_given:
            config["other_optimizers"] = {n: serialize(o) for n, o in self._by_part.others.items()}
        return config

    def compile_from_config(self, config: Config) -> None:
        load = keras.saving.deserialize_keras_object
        optimizer = load(config["optimizer"])
        if "other_optimizers" in config:
            others = {name: load(one) for name, one in config["other_optimizers"].items()}
            optimizer = {next(iter(self.parts())): optimizer, **others}
        self.compile(
            optimizer=optimizer,
            jit_compile=config["jit_compile"],
            micro_batches=config.get("micro_batches", 1),
            **{name: config[name] for name in OPTIONS if name in config},
        )

    def get_config(self) -> Config:
        own = {name: getattr(self, name) for name in self.arguments}
        # A clusterer of network A or B has it by `network`.
        if own.get("network") != self.trunk_name:
            own["trunk"] = self.trunk_name or trunk_config(self.trunk)
        return {**super().get_config(), **own}

    def image_shape(self) -> tuple[int | None, ...]:
        """Of the images that `call` takes, `(batch, height, width, channels)`; None for any."""
        return (None, None, None, self.channels)

    # --- steps

    def step_on(
        self,
        gradients: Mapping[str, Sequence[Tensor]],
        loss: Tensor | None = None,
        data: Mapping[str, Tensor] = MappingProxyType({}),
        resting: Sequence[tuple[Variable, Tensor]] = (),
    ) -> Tensor:
        """Let each part's optimiser take a step, if it is sound (`models.soundness`).

        Args:
            gradients: of the scaled loss, by part.
            loss: the loss itself.
            data: the batch.
            resting: what `resting` returned; put back where the step is not sound.

        Returns:
            Whether it was, a bool tensor.
        """
        every = [g for own in gradients.values() for g in own]
        sound = self.soundness.judge(data, loss, every, self._by_part.loose)

        def put_back(values: Sequence[Tensor]) -> None:
            for (variable, _), value in zip(resting, values, strict=True):
                variable.assign(value)

        before = [value for _, value in resting]
        self._by_part.apply(gradients, self.parts(), sound, put_back, before)
        return sound

    def resting(self) -> list[tuple[Variable, Tensor]]:
        """The weights that no optimiser moves, and their values."""
        still = self.trunk.still if isinstance(self.trunk, KerasTrunk) else frozenset()
        return [(v, tf.identity(v)) for v in self.non_trainable_weights if id(v) not in still]

    def check_batch(self, data: Any) -> None:
        """A batch must be a dict as `batch_source` yields it."""
        require_fitted(self)
        fits = isinstance(data, dict) and set(self.keys) <= set(data)
        if fits and (not self.geometries or set(self.geometries) & set(data)):
            return
        came = sorted(data) if isinstance(data, dict) else type(data).__name__
        keys = [*self.keys, " or ".join(self.geometries)] if self.geometries else [*self.keys]
        raise InputError(
            f"Expected batches of pairs, dicts with {', '.join(keys[:-1])} and {keys[-1]} "
            f"(see {self.batch_source}); received {came}."
        )
