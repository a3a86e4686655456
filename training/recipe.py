"""What all recipes have in common: values that say how a run is made, checked and cast."""

from __future__ import annotations

import dataclasses
import typing
from dataclasses import dataclass
from typing import Any, Self

from iic_tf.errors import expected
from iic_tf.models.turns import MAIN, OVERCLUSTERING, TurnTaking
from iic_tf.views.geometry import Geometry
from iic_tf.views.inputs import check_inputs
from iic_tf.views.photometry import Photometry

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclass(frozen=True)
class Recipe:
    """Values of a run. The files in `recipes/` set them; the command line overrides them.

    Each method has a subclass with values of its own.

    Attributes:
        name: the recipe's name, that of its file.
        about: its card: paper, command, time, memory and the score to expect.
        method: what is trained (`iic_tf.training.methods`).
        dataset: name of the data set it was made for, or `folder` or `images` for any.
        classes: clusters of the main head.
        overclusters: clusters of the overclustering head; 0: so many for each class.
        overclusters_per_class: how many.
        batch: images or crops in a step.
        steps: steps in an epoch; 0: as many as it takes to see everything once.
        epochs: how many.
        rate: Adam's learning rate, at the beginning.
        schedule: `constant` (the papers') or `cosine` (falls to zero over the run).
        width: factor of the network's channel counts.
        sub_heads: sub-heads of each head.
        inputs: what the network sees: `bands`, `bands+sobel` or `sobel`.
        lamb, overclustering_lamb: λ of the heads.
        turns: heads trained in epoch 0, 1, …, repeated.
        precision: `float32`, `mixed_bfloat16` or `mixed_float16`.
        jit: compile steps with XLA.
        micro_batches: parts that a replica's batch goes through the network in, one after another,
            for large batches on small memory; see `IICSegmenter.compile`.
        evaluation_steps: batches of fixed pairs on which each epoch's unsupervised loss is taken.
    """

    name: str = "unnamed"
    about: str = ""
    method: str = ""
    dataset: str = "folder"
    classes: int = 3
    overclusters: int = 0
    overclusters_per_class: int = 5
    batch: int = 75
    steps: int = 0
    epochs: int = 30
    rate: float = 1e-4
    schedule: str = "constant"
    width: float = 1.0
    sub_heads: int = 1
    inputs: str = "bands"
    lamb: float = 1.0
    overclustering_lamb: float = 1.0
    turns: tuple[str, ...] = (OVERCLUSTERING, MAIN)
    precision: str = "float32"
    jit: bool = False
    micro_batches: int = 1
    evaluation_steps: int = 8

    def __post_init__(self) -> None:
        least = {
            "classes": 2,
            "overclusters_per_class": 1,
            "batch": 1,
            "epochs": 1,
            "sub_heads": 1,
            "evaluation_steps": 1,
            "micro_batches": 1,
            "steps": 0,
        }
        self.check_least(least)
        for key in ("rate", "width"):
            if not getattr(self, key) > 0:
                raise expected(f"{key} > 0", getattr(self, key), key)
        for key in ("lamb", "overclustering_lamb"):
            if not 0 <= getattr(self, key) < float("inf"):
                raise expected(f"{key} >= 0 and finite", getattr(self, key), key)
        if self.overclusters and self.overclusters < 2:
            raise expected("at least 2 overclusters", self.overclusters, "overclusters")
        if self.schedule not in ("constant", "cosine"):
            raise expected("schedule constant or cosine", self.schedule, "schedule")
        if self.precision not in PRECISIONS:
            raise expected(f"one of {', '.join(PRECISIONS)}", self.precision, "precision")
        if self.batch % self.micro_batches:
            raise expected(
                f"a batch that is a multiple of {self.micro_batches} micro-batches",
                self.batch,
                "batch",
            )
        TurnTaking.check_turns(self.turns)
        check_inputs(self.inputs)

    def check_least(self, least: dict[str, int]) -> None:
        """Raise `InputError` where a value is below its least."""
        for key, value in least.items():
            if getattr(self, key) < value:
                raise expected(f"{key} >= {value}", getattr(self, key), key)

    @property
    def head_clusters(self) -> dict[str, int]:
        """K of each head."""
        overclusters = self.overclusters or self.overclusters_per_class * self.classes
        return {MAIN: self.classes, OVERCLUSTERING: overclusters}

    def replaced(self, **values: Any) -> Self:
        """A copy with other values, brought to the right types.

        Raises:
            InputError: an unknown name, or a value of the wrong kind.
        """
        kinds = typing.get_type_hints(type(self))
        typed = {}
        for key, value in values.items():
            if key not in kinds:
                raise expected(f"a setting among {', '.join(sorted(kinds))}", key, "setting")
            typed[key] = _cast(key, kinds[key], value)
        return dataclasses.replace(self, **typed)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON or YAML."""
        return dict(_plain(dataclasses.asdict(self)))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(inside) for key, inside in value.items()}
    return [_plain(inside) for inside in value] if isinstance(value, list | tuple) else value


def _cast(key: str, kind: Any, value: Any) -> Any:
    if hasattr(kind, "of"):
        return value if isinstance(value, kind) else kind.of(value)
    if kind in (Geometry, Photometry):
        if isinstance(value, kind):
            return value
        names = [f.name for f in dataclasses.fields(kind)]
        if not isinstance(value, dict) or set(value) - set(names):
            raise expected(f"{key} with some of {', '.join(names)}", value, key)
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in value.items()})
    if kind is bool and isinstance(value, bool):
        return value
    if kind is int and isinstance(value, int) and not isinstance(value, bool):
        return value
    if kind is float and isinstance(value, int | float | str) and not isinstance(value, bool):
        try:
            # YAML 1.1 reads 1e-4 as text: it asks for a point in the number.
            return float(value)
        except ValueError:
            pass
    if kind is str and isinstance(value, str):
        return value
    if key == "turns" and isinstance(value, list | tuple):
        return tuple(value)
    if key == "turns" and isinstance(value, str):
        return tuple(part.strip() for part in value.split(","))
    raise expected(f"{getattr(kind, '__name__', kind)} for '{key}'", value, key)
