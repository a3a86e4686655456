"""Operations of TensorFlow that tf2onnx knows nothing of, by ones that ONNX has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def _erfc(graph: Any, node: Any, name: str, args: Any) -> None:
    """erfc(x) = 1 − erf(x): of the exact GELU, in transformers and ConvNeXt."""
    shapes, types, outputs = node.output_shapes, node.output_dtypes, node.output
    kind = graph.get_dtype(node.input[0])
    from tf2onnx.utils import map_onnx_to_numpy_type

    one = graph.make_const(f"{name}_one", np.asarray(1, map_onnx_to_numpy_type(kind)))
    source = node.input[0]
    graph.remove_node(node.name)
    erf = graph.make_node("Erf", [source], shapes=shapes, dtypes=types)
    graph.make_node(
        "Sub", [one.output[0], erf.output[0]], outputs=outputs, shapes=shapes, dtypes=types
    )


HANDLERS: dict[str, tuple[Callable[..., None], list[Any]]] = {"Erfc": (_erfc, [])}
"""As `custom_op_handlers` of tf2onnx."""
