"""What all recipes have in common: the values of a run, and what a method makes of them."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

import keras
from pydantic import Field, field_validator, model_validator

from iic_tf.annotations import Callback, Json, Optimizers, Rate
from iic_tf.errors import InputError, expected
from iic_tf.models.adam import Adam
from iic_tf.models.fitting import Fit
from iic_tf.models.self_supervised import SelfSupervised
from iic_tf.pictures.curves import LOSS
from iic_tf.training.memory_estimate import Estimate
from iic_tf.training.run import Run
from iic_tf.training.trunk_choice import TrunkChoice
from iic_tf.training.values import MOST, Flag, Real, Text, Whole
from iic_tf.views.inputs import check_inputs
from iic_tf.views.numbered_batches import NumberedBatches

LOWEST, LAST = "lowest", "last"
"""Which epoch's model is kept: that of the lowest unsupervised loss, or the last one."""


MOST_CLUSTERS = 256


class Recipe(TrunkChoice):
    """Values of a run, and how its method goes. The files in `recipes/` set the values.

    A task adds the values of its kind of data, a method its own; what a method does is said in the
    methods below, of which `build`, `losses` and `describe_model` must be there.
    """

    method: ClassVar[str]
    """Its method's name; given by the registry."""
    task: ClassVar[str]
    """What kind of data it is for."""
    model_class: ClassVar[type[SelfSupervised]]
    """What `build` makes."""
    keep: ClassVar[str] = LOWEST
    """Which epoch is kept; where targets change each epoch the lowest loss tells nothing."""

    trains: ClassVar[bool] = True
    """Whether steps move weights; where not, all there is is fitted, and no untrained model is
    another one."""

    loss_label: ClassVar[str] = LOSS
    """What stands beside the curves of the losses."""
    most_clusters: ClassVar[int] = MOST_CLUSTERS
    """In a head; label images and their legends have no more numbers and colours."""
    staged: ClassVar[tuple[str, ...]] = ()
    """Names of values that count epochs, of stages that together must leave one epoch at least."""
    replicas_differ: ClassVar[str] = ""
    """Why several replicas do not equal one device; empty where they do."""

    name: Text = Field("unnamed", description="the recipe's name, that of its file")
    about: Text = Field("", description="its card: paper, command, time, memory, expected score")
    dataset: Text = Field("folder", description="data set it was made for; folder or images: any")
    classes: Whole = Field(3, ge=2, description="classes to find")
    batch: Whole = Field(75, ge=1, description="images or crops in a step")
    steps: Whole = Field(0, ge=0, description="steps in an epoch; 0: everything once")
    epochs: Whole = Field(30, ge=1, description="epochs")
    rate: Real = Field(
        1e-4, gt=0, allow_inf_nan=False, description="learning rate, at the beginning"
    )
    schedule: Text = Field(
        "constant", description="of the rate: constant (the papers'), or cosine, falling to zero"
    )
    width: Real = Field(
        1.0, gt=0, allow_inf_nan=False, description="factor of the network's channel counts"
    )
    inputs: Text = Field("bands", description="what the network sees: bands, bands+sobel, sobel")
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = Field(
        "float32", description="float32, bfloat16 or float16 (weights and losses stay float32)"
    )
    jit: Flag = Field(False, description="compile steps with XLA")
    micro_batches: Whole = Field(
        1, ge=1, description="parts that a batch goes through the network in: less memory"
    )
    evaluation_steps: Whole = Field(
        8, ge=1, description="batches of fixed pairs on which each epoch's loss is taken"
    )

    @field_validator("schedule")
    @classmethod
    def _check_schedule(cls, value: str) -> str:
        if value not in ("constant", "cosine"):
            raise expected("schedule constant or cosine", value, "schedule")
        return value

    @field_validator("inputs")
    @classmethod
    def _check_inputs(cls, value: str) -> str:
        check_inputs(value)
        return value

    @model_validator(mode="after")
    def _check_parts(self) -> Recipe:
        if self.batch % self.micro_batches:
            raise expected(
                f"a batch that is a multiple of {self.micro_batches} micro-batches",
                self.batch,
                "batch",
            )
        if self.batch * self.steps > MOST:
            raise expected(
                f"steps of a batch with at most {MOST} images or crops in all",
                f"{self.steps} of {self.batch}",
            )
        for name, count in self.clusters.items():
            if count > self.most_clusters:
                raise InputError(
                    f"Expected at most {self.most_clusters} clusters in a head, which label files "
                    f"and pictures have numbers and colours for; received {count} of the {name} "
                    "head."
                )
        return self

    def to_dict(self) -> Json:
        """Plain values, ready for JSON or YAML, with method and task."""
        return {"method": self.method, "task": self.task, **super().to_dict()}

    # --- what a method says

    def build(self, channels: int) -> SelfSupervised:
        """The model, not yet trained, with initial weights of the seed that is set."""
        raise NotImplementedError

    @property
    def stages(self) -> dict[str, int]:
        """The values of `staged` that are not 0, and how long a trunk rests at first."""
        found = {name: int(getattr(self, name)) for name in self.staged}
        found |= {"frozen_epochs": self.trunk_from}
        return {name: epochs for name, epochs in found.items() if epochs}

    @property
    def least_epochs(self) -> int:
        """The fewest epochs in which every stage has one."""
        return 1 + len(self.stages)

    def of_epochs(self, epochs: int) -> Self:
        """The same schedule in fewer epochs, `least_epochs` or more: stages are in proportion.

        Example:
            DEC's 50 epochs, of which 30 are pre-training, become 10 and 6.
        """
        if epochs == self.epochs:
            return self
        share = epochs / self.epochs
        own = {name: max(1, round(share * count)) for name, count in self.stages.items()}
        while sum(own.values()) > epochs - 1:
            own[max(own, key=lambda name: own[name])] -= 1
        return self.replaced(epochs=epochs, **own)

    @property
    def losses(self) -> str:
        """What the shown losses are, and their range."""
        raise NotImplementedError

    def describe_model(self) -> str:
        """What the model is, in a few words, behind the number of classes."""
        raise NotImplementedError

    @property
    def clusters(self) -> dict[str, int]:
        """How many clusters there are, by the model's answers; `main` first."""
        return {"main": self.classes}

    @property
    def one_to_one(self) -> bool:
        """Whether the main head has a cluster for each class, as to be matched one to one."""
        return self.clusters["main"] == self.classes

    @property
    def answers(self) -> int:
        """Clusters of all heads and sub-heads together."""
        return sum(self.clusters.values()) * int(getattr(self, "sub_heads", 1))

    @property
    def own_weights(self) -> float:
        """About how many weights the method adds to network and heads."""
        return 0.0

    def estimate_weights(self, channels: int) -> Estimate:
        """About how many bytes the weights of a model for so many bands take."""
        raise NotImplementedError

    def estimate(self, channels: int) -> Estimate:
        """About how many bytes a training on images of so many bands takes."""
        raise NotImplementedError

    def optimizer(self, steps: int) -> Optimizers:
        """What takes the steps, of which an epoch has so many; or one for each part by name."""
        if self.trunk_from:
            return self.part_optimizers(steps)
        # Epsilon as in the published runs.
        return Adam(self.scheduled_rate(steps), epsilon=1e-8)

    def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate:
        """The rate, or its course over all steps of the epochs from a first one on.

        Args:
            steps: in an epoch.
            factor: of the rate.
            first: that epoch.
        """
        rate = factor * self.rate
        if self.schedule == "constant":
            return rate
        return keras.optimizers.schedules.CosineDecay(rate, steps * (self.epochs - first))

    def fitting(self, pairs: NumberedBatches) -> list[Callback]:
        """Keras callbacks that fit something before or after epochs, ahead of the evaluation."""
        return [Fit(pairs)] if self.foreign else []

    @property
    def fits(self) -> bool:
        """Whether there is anything that `fitting` fits."""
        return self.foreign or type(self).fitting is not Recipe.fitting

    @property
    def kept(self) -> tuple[int, int]:
        """Versions of all scenes whose features are kept, and the bytes they may take; 0: none."""
        return 0, 0

    def check_pairs(self, pairs: NumberedBatches) -> None:
        """Raise `InputError` where the pairs of training do not fit the method."""

    def draw_results(self, run: Run, model: SelfSupervised, fixed: NumberedBatches) -> list[str]:
        """Draw what this method alone has to show of a finished run; names of the pictures."""
        return []
