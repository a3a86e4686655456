"""What inputs and outputs of exported graphs are called, known without TensorFlow."""

from __future__ import annotations

from iic_tf.errors import InputError

INPUT = "pixels"
LABELS = "labels"
PROBABILITIES = "probabilities"
SUMS = "sums"
OWN_SUMS = "own_sums"
CORE = "core"


class ExportError(InputError):
    """A model could not be exported, or the exported one does not compute the same."""
