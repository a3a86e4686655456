"""Export to ONNX, checked in ONNX Runtime."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import tensorflow as tf

from iic_tf.export.check import check, check_windows
from iic_tf.export.form import Form
from iic_tf.export.model_card import Card, card_path, card_texts
from iic_tf.export.onnx_operations import HANDLERS
from iic_tf.export.onnx_runner import first_line
from iic_tf.export.onnx_runner import runner as runner
from iic_tf.export.onnx_runner import window_path as window_path
from iic_tf.export.onnx_runner import window_runner as window_runner
from iic_tf.export.servable import (
    INPUT,
    LABELS,
    OWN_SUMS,
    PLAIN,
    PROBABILITIES,
    SUMS,
    ExportError,
    Servable,
    input_spec,
    signature,
    window_signature,
    window_specs,
)
from iic_tf.training.atomic import replacing
from iic_tf.training.json_files import write_json
from iic_tf.training.progress import progress

if TYPE_CHECKING:
    import onnx

PIXEL_AXES = ("batch", "height", "width", None)

OPSET = 18
"""The highest that tf2onnx 1.17 writes."""


def export_onnx(
    served: Servable, path: Path, form: Form = PLAIN, card: Card | None = None
) -> float:
    """Write an ONNX model, check it, and only then put it in its place.

    Args:
        served: the model.
        path: the file. The graph for windows of a scene, of a model whose labels depend on the
            scene as a whole, goes into a second one beside it, see `window_path`.
        form: what its input and outputs are.
        card: what is to be known of it, kept among the model's metadata and in a file beside it,
            see `card_path`.

    Returns:
        How far it is from the Keras model, see `iic_tf.export.check`.

    Raises:
        ExportError: an operation has no counterpart in ONNX, ONNX Runtime refuses the model, or
            it computes something else; nothing is left behind.
    """
    with contextlib.ExitStack() as places:
        if card is not None:
            write_json(places.enter_context(replacing(card_path(path))), card)
        temporary = places.enter_context(replacing(path))
        with progress("2/3  converting to ONNX"):
            save_model(convert(served, form), temporary, card_texts(card or {}))
        worst = check(runner(temporary), served, form)
        if served.scene_features:
            second = places.enter_context(replacing(window_path(path)))
            with progress("2/3  converting to ONNX"):
                save_model(convert_window(served, form), second, card_texts(card or {}))
            worst = max(worst, check_windows(window_runner(second), served, form))
        return worst


def save_model(model: onnx.ModelProto, path: Path, metadata: Mapping[str, str]) -> None:
    """Write an ONNX model with these metadata, once it is found valid.

    Raises:
        ExportError: it is not.
    """
    import onnx

    for key, value in metadata.items():
        model.metadata_props.add(key=key, value=value)
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError(f"Expected a valid ONNX model; received: {first_line(error)}.") from error
    onnx.save(model, str(path))


def convert(served: Servable, form: Form = PLAIN) -> onnx.ModelProto:
    """The ONNX model, with named inputs, outputs and dimensions.

    Raises:
        ExportError: an operation has no counterpart in ONNX; it is named.
    """
    model = convert_graph(signature(served, form), [input_spec(served, form)])
    axes = served.axes
    _name_dimensions(model.graph.input, {INPUT: PIXEL_AXES})
    _name_dimensions(model.graph.output, {LABELS: axes, PROBABILITIES: (*axes, None)})
    return model


def convert_window(served: Servable, form: Form = PLAIN) -> onnx.ModelProto:
    """The same of the graph for windows of a scene, see `ServedSegmenter.window`."""
    model = convert_graph(window_signature(served, form), window_specs(served, form))
    axes = served.axes
    _name_dimensions(model.graph.input, {INPUT: PIXEL_AXES, SUMS: ("scenes", None)})
    outputs = {LABELS: axes, PROBABILITIES: (*axes, None), OWN_SUMS: ("batch", None)}
    _name_dimensions(model.graph.output, outputs)
    return model


def convert_graph(
    graph: tf.types.experimental.PolymorphicFunction, specs: list[tf.TensorSpec]
) -> onnx.ModelProto:
    """The ONNX model of a `tf.function`.

    Raises:
        ExportError: an operation has no counterpart in ONNX; it is named.
    """
    # Here, not above: it takes a second and a prediction does not need it.
    import tf2onnx

    with _quiet() as complaints:
        try:
            model, _ = tf2onnx.convert.from_function(
                graph, specs, opset=OPSET, custom_op_handlers=HANDLERS
            )
        except Exception as error:
            # tf2onnx raises whatever its parts do (ValueError, KeyError, AssertionError).
            raise ExportError(
                f"Expected a model that tf2onnx converts; received: {first_line(error)}."
            ) from error
    # It does not raise on an operation it doesn't know: it writes it down as it is.
    unknown = _unknown_operations(model)
    if unknown or complaints:
        what = ", ".join(unknown) or "; ".join(complaints)
        raise ExportError(
            f"Expected operations that ONNX (opset {OPSET}) has; received {what}. "
            "Nothing was written."
        )
    return model


def _unknown_operations(model: onnx.ModelProto) -> list[str]:
    import onnx

    nodes = list(_nodes(model.graph))
    names = {
        node.op_type
        for node in nodes
        if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type, OPSET)
    }
    return sorted(names)


def _nodes(graph: onnx.GraphProto) -> Iterator[onnx.NodeProto]:
    """All nodes, also those within loops and branches."""
    for node in graph.node:
        yield node
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                yield from _nodes(inner)


def _name_dimensions(
    values: Sequence[onnx.ValueInfoProto], names: Mapping[str, Sequence[str | None]]
) -> None:
    for value in values:
        shape = value.type.tensor_type.shape
        for dimension, name in zip(shape.dim, names.get(value.name, ()), strict=False):
            if name is not None:
                dimension.Clear()
                dimension.dim_param = name


@contextlib.contextmanager
def _quiet() -> Iterator[list[str]]:
    """Keep the notes of tf2onnx and TensorFlow off the screen; collect the converter's errors."""
    complaints: list[str] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                complaints.append(record.getMessage())

    converter, tensorflow = logging.getLogger("tf2onnx"), tf.get_logger()
    handler, before = Collect(), (converter.propagate, tensorflow.level)
    converter.addHandler(handler)
    converter.propagate = False
    tensorflow.setLevel(logging.ERROR)
    try:
        yield complaints
    finally:
        converter.removeHandler(handler)
        converter.propagate = before[0]
        tensorflow.setLevel(before[1])
