"""What Keras' methods take and these models cannot follow: refused, never passed over."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from iic_tf.errors import InputError, expected

_OBJECTIVES = ("loss", "loss_weights", "metrics", "weighted_metrics")
_TARGETS = ("y", "sample_weight", "class_weight", "validation_split")


def check_compiled(micro_batches: object, others: Mapping[str, Any]) -> None:
    """What `compile` gets beside an optimiser.

    Raises:
        InputError: losses or metrics, or fewer than one micro-batch.
    """
    for name in _OBJECTIVES:
        if others.get(name) is not None:
            raise InputError(
                f"Expected no {name}: a model's objective is its own, without targets (its "
                "arguments choose it; add_loss and regularisers add to it; model.monitors() and "
                f"iic_tf.metrics judge it); received {name}={others[name]!r}."
            )
    if isinstance(micro_batches, bool) or not isinstance(micro_batches, int) or micro_batches < 1:
        raise expected("at least 1 micro-batch", micro_batches, "micro_batches")


def check_data_arguments(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """The arguments by name of one of Keras' methods that take data.

    Raises:
        InputError: targets, weights or a split, which models without targets cannot follow.
    """
    given = inspect.signature(method).bind_partial(None, *args, **kwargs).arguments
    for name in _TARGETS:
        value = given.get(name)
        if value is not None and not (name == "validation_split" and value == 0):
            raise InputError(
                f"Expected batches of pairs alone, without {name}: models learn without targets, "
                "and what they are validated on are pairs of their own, validation_data=; "
                f"received {name} of type {type(value).__name__}."
            )
    named = dict(given)
    named.pop("self", None)
    named.update(named.pop("kwargs", {}))
    return named


def check_executions(steps: int | None, together: int) -> None:
    """An epoch of `fit` must be whole executions.

    Raises:
        InputError: it is not: Keras would take batches of the next one, and so on.
    """
    if steps is not None and steps % together:
        wanted = f"steps_per_epoch a multiple of steps_per_execution={together}"
        raise expected(wanted, steps, "steps_per_epoch")


def check_whole_epoch(steps: int | None, count: int) -> None:
    """An epoch of Keras on pairs must be one of theirs: draws and turns follow it.

    Raises:
        InputError: it has other steps: Keras would go on amid an epoch, or run out of batches.
    """
    if steps not in (None, count):
        wanted = f"no steps_per_epoch beside pairs, whose epoch has {count} batches (steps=)"
        raise expected(wanted, steps, "steps_per_epoch")
