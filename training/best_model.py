"""The best model of a run without what only training needs."""

from __future__ import annotations

from typing import Any

from iic_tf.errors import InputError
from iic_tf.models.consensus import Consensus
from iic_tf.training.run import Run


def best_model(run: Run, kind: Any) -> Any:
    """The best model of a run in float32, without its optimiser.

    It is float32 also where training was in mixed precision: ONNX Runtime's CPU refuses bfloat16,
    and the labels of a prediction should be those of an export.

    Args:
        run: a trained run.
        kind: the class of its model.

    Raises:
        InputError: the run has no finished epoch, its file is damaged, or holds another model.
    """
    trained = run.load_best(compiled=False)
    if isinstance(trained, Consensus) and isinstance(trained.members[0], kind):
        # Made of such models: float32, and never with an optimiser.
        return trained
    if not isinstance(trained, kind):
        raise InputError(
            f"Expected {kind.__name__} in {run.best}; received {type(trained).__name__}."
        )
    if trained.dtype_policy.name == "float32":
        return trained
    model = kind.from_config({**trained.get_config(), "dtype": "float32"})
    model.set_weights(trained.get_weights())
    return model
