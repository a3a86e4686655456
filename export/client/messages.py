"""TensorFlow Serving's messages, as far as they are needed here.

The package that has all of them asks for TensorFlow.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

TYPES = dict(float32=1, float64=2, int32=3, uint8=4, int16=5, int64=9, uint16=17)
"""TensorFlow's numbers of types."""

MESSAGES = {
    "Size": {"size": (1, "int64")},
    "Shape": {"dim": (2, "Size*")},
    "Tensor": {
        "dtype": (1, "int32"),
        "tensor_shape": (2, "Shape"),
        "tensor_content": (4, "bytes"),
        "float_val": (5, "float*"),
        "double_val": (6, "double*"),
        "int_val": (7, "int32*"),
        "int64_val": (10, "int64*"),
    },
    "Entry": {"key": (1, "string"), "value": (2, "Tensor")},
    "Spec": {"name": (1, "string"), "signature_name": (3, "string")},
    "PredictRequest": {
        "model_spec": (1, "Spec"),
        "inputs": (2, "Entry*"),
        "output_filter": (3, "string*"),
    },
    "PredictResponse": {"outputs": (1, "Entry*")},
    "PredictLog": {"request": (1, "PredictRequest")},
    "PredictionLog": {"predict_log": (6, "PredictLog")},
}
"""Fields of each message: number and type, * for many."""


@functools.cache
def messages() -> dict[str, Any]:
    """The classes of `MESSAGES`."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    package = "iic_tf_kit"
    file = descriptor_pb2.FileDescriptorProto(name=f"{package}.proto", package=package)
    file.syntax = "proto3"
    kinds = descriptor_pb2.FieldDescriptorProto
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind) in fields.items():
            made = message.field.add(name=field, number=number)
            made.label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in MESSAGES:
                made.type, made.type_name = kinds.TYPE_MESSAGE, f".{package}.{kind}"
            else:
                made.type = getattr(kinds, f"TYPE_{kind.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    find = pool.FindMessageTypeByName
    return {n: message_factory.GetMessageClass(find(f"{package}.{n}")) for n in MESSAGES}


def request(
    name: str, signature: str, inputs: Mapping[str, Any], wanted: list[str] | None = None
) -> Any:
    """A request: inputs are tensors by name."""
    made = messages()["PredictRequest"](output_filter=wanted or ())
    made.model_spec.name, made.model_spec.signature_name = name, signature
    for key, value in inputs.items():
        made.inputs.add(key=key, value=value)
    return made


def tensor(values: Any) -> Any:
    """An array as a message."""
    made = messages()["Tensor"](dtype=TYPES[values.dtype.name], tensor_content=values.tobytes())
    for side in values.shape:
        made.tensor_shape.dim.add(size=side)
    return made


def array(message: Any) -> Any:
    """A message as an array, whichever way its values are packed."""
    (kind,) = (name for name, number in TYPES.items() if number == message.dtype)
    shape = [one.size for one in message.tensor_shape.dim]
    if message.tensor_content:
        return np.frombuffer(message.tensor_content, kind).reshape(shape)
    fields = {"float32": "float_val", "float64": "double_val", "int64": "int64_val"}
    values = np.array(getattr(message, fields.get(kind, "int_val")), kind)
    # The last stands for all that follow.
    return values.reshape(shape) if len(values) != 1 else np.full(shape, values[0])
