"""The classifier that labels were fitted to, in a run's folder."""

from __future__ import annotations

from typing import Any

from iic_tf.errors import InputError
from iic_tf.training.run import Run


def load_linear(run: Run, head: str) -> Any:
    raise InputError("Expected a linear head; received none.")


def load_fine_tuned(run: Run, model: Any) -> Any:
    raise InputError("Expected a fine-tuned model; received none.")
