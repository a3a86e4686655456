"""The trunk that a recipe asks for, and when it is trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field, field_validator, model_validator

from iic_tf.annotations import Config, Optimizers, Rate
from iic_tf.errors import InputError, expected
from iic_tf.models.adam import Adam
from iic_tf.networks.applications import NONE
from iic_tf.networks.hub_trunk import preset_config
from iic_tf.networks.keras_trunk import KerasTrunk
from iic_tf.networks.named_trunks import FILE, HUB, UNTRAINED, is_named, parts_of, trunk_named
from iic_tf.networks.shown_bands import LEARNED
from iic_tf.networks.trunks import learns
from iic_tf.training.memory_estimate import check_memory
from iic_tf.training.model_file import check_model_file, network_estimate
from iic_tf.training.values import Flag, Real, Text, Values, Whole, Wholes
from iic_tf.views.inputs import BANDS

TRUNK = "trunk"


class TrunkChoice(Values):
    """Which network the features come from."""

    if TYPE_CHECKING:
        inputs: str
        rate: float
        epochs: int

        @property
        def clusters(self) -> dict[str, int]: ...

        def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate: ...

    trunk: Text = Field(
        "",
        description="what makes features: keras:NAME, hub:PRESET, a .keras file, textures, "
        "dictionary, others (docs/trunks.md), several with commas; empty: the method's own",
    )
    trunk_weights: Text = Field(
        "imagenet", description="of keras: and hub: trunks: imagenet, none, or a file"
    )
    trunk_strides: Wholes = Field(
        (), description="which of its feature maps, by stride; empty: 4, 8, 16"
    )
    trunk_stride: Whole = Field(
        0, ge=0, description="pixels to a cell of what it makes; 0: 8 of several maps. 4 is finer"
    )
    trunk_bands: Text = Field(
        "",
        description="which bands a trunk of another number of channels sees: their numbers from 0 "
        "with commas between them, or learned, a linear map of all",
    )
    fine_tune_trunk: Flag = Field(
        False, description="train it on behind frozen_epochs; else its weights stay"
    )
    frozen_epochs: Whole = Field(
        2, ge=1, description="of --fine-tune-trunk: epochs in which the heads learn alone"
    )
    trunk_rate: Real = Field(
        0.1, gt=0, allow_inf_nan=False, description="of --fine-tune-trunk: the trunk's rate / rate"
    )

    @field_validator("trunk_bands")
    @classmethod
    def _check_bands(cls, value: str) -> str:
        _bands(value)
        return value

    @model_validator(mode="after")
    def _check_epochs(self) -> TrunkChoice:
        if self.fine_tune_trunk and not self.foreign:
            raise InputError(
                "Expected --fine-tune-trunk of a trunk that is learned already (keras:, hub: or a "
                f".keras file); received the trunk {self.trunk or 'of the method'}, which is "
                f"{'never' if self.trunk_rests else 'always'} trained."
            )
        if self.trunk_from >= self.epochs:
            raise expected(
                f"frozen_epochs below the {self.epochs} epochs", self.frozen_epochs, "frozen_epochs"
            )
        return self

    @property
    def foreign(self) -> bool:
        """Whether the trunk is none of this package's own by name."""
        return bool(self.trunk) and not is_named(self.trunk)

    @property
    def seen(self) -> str:
        """What the network sees: `inputs`, but of a Keras model always the bands."""
        return BANDS if self.foreign else self.inputs

    @property
    def trunk_rests(self) -> bool:
        """Whether there are epochs in which the trunk is not trained."""
        if not self.foreign:
            return bool(self.trunk) and not learns(self.trunk)
        return self.trunk_weights != NONE or all(
            one.lower() in UNTRAINED or one.endswith(FILE) for one in parts_of(self.trunk)
        )

    @property
    def trunk_from(self) -> int:
        """The first epoch in which the trunk is trained; 0 also where none is."""
        return self.frozen_epochs if self.fine_tune_trunk and self.trunk_rests else 0

    def trunk_arguments(self, channels: int, window: int = 0, vector: bool = False) -> Config:
        """The `trunk` of a model's constructor, if it is not the method's own.

        Args:
            channels: bands of the images.
            window: side of the windows of a trunk that sees all of them; 0: as it likes.
            vector: whether one vector of an image is wanted.

        Raises:
            InputError: a trunk that cannot be had, or does not fit.
        """
        if not self.trunk:
            return {}
        self._check_size()
        trunk = trunk_named(
            self.trunk,
            self.trunk_weights,
            self.trunk_strides,
            _bands(self.trunk_bands),
            frozen=not self.fine_tune_trunk,
            window=window or None,
            vector=vector,
            stride=self.trunk_stride or None,
            channels=channels,
        )
        if isinstance(trunk, KerasTrunk):
            _check_bands_of(trunk, channels)
        return {"trunk": trunk}

    def _check_size(self) -> None:
        """Refuse what a stranger's file says of absurd sizes, before anything is built."""
        for one in parts_of(self.trunk):
            if one.endswith(FILE) and Path(one).is_file():
                check_model_file(Path(one))
            elif one.startswith(HUB):
                config = preset_config(one.removeprefix(HUB))
                check_memory(network_estimate(config), "a network")

    def estimated_trunk(self, own: str) -> str:
        """The name in `memory_estimate.TRUNKS` of the trunk, or of the method's own."""
        if self.foreign:
            return "keras"
        return self.trunk.lower() if self.trunk else own.lower()

    def describe_trunk(self) -> str:
        """What it is, in a few words."""
        if not self.foreign:
            fixed = ", which learns nothing" if self.trunk_rests else ""
            return f"trunk {self.trunk}{fixed}" if self.trunk else ""
        how = "frozen"
        if not self.trunk_rests:
            how = "from nothing"
        elif self.fine_tune_trunk:
            waits = f"frozen for {self.trunk_from} epochs, then " if self.trunk_from else ""
            how = f"{waits}trained at {self.trunk_rate:g} × the rate"
        bands = "a linear map of all" if self.trunk_bands == LEARNED else self.trunk_bands
        seen = f", seeing {bands} of the bands" if bands else ""
        return f"trunk {self.trunk}, {how}{seen}"

    @property
    def trained_parts(self) -> tuple[str, ...]:
        """The parts of a model beside its trunk."""
        return tuple(self.clusters)

    def part_optimizers(self, steps: int) -> Optimizers:
        """An optimiser for each head and one of a lower rate for the trunk; of fine-tuning."""
        slow = self.scheduled_rate(steps, self.trunk_rate, self.trunk_from)
        heads = {n: Adam(self.scheduled_rate(steps), epsilon=1e-8) for n in self.trained_parts}
        return {**heads, TRUNK: Adam(slow, epsilon=1e-8)}


def _bands(text: str) -> str | tuple[int, ...] | None:
    if not text or text == LEARNED:
        return text or None
    numbers = [part.strip() for part in text.split(",")]
    if not all(number.isdigit() for number in numbers):
        raise expected(
            f"{LEARNED}, or numbers of bands from 0 with commas between them", text, "trunk_bands"
        )
    return tuple(map(int, numbers))


def _check_bands_of(trunk: KerasTrunk, channels: int) -> None:
    """Where images have another number of bands, somebody must say which are shown."""
    wanted = int(trunk.network.input_shape[-1])
    if trunk.bands is None and wanted != channels:
        first = ",".join(str(i % channels) for i in range(wanted))
        raise InputError(
            f"Expected a choice of what a trunk of {wanted} channels sees of images of {channels} "
            f"bands: --trunk-bands {first} for the first ones, --trunk-bands {LEARNED} for a "
            "linear map of all; received neither."
        )
