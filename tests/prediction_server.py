"""A small server that speaks TensorFlow Serving's two protocols, by its own messages.

As a program it serves one exported model over gRPC, until it is stopped:

    python tests/prediction_server.py savedmodel|onnx PATH PORT [OPTION...]

ONNX Runtime's options: `no-arena`, `shrink` (its memory is given back after each request) and
`same-as-requested` (its memory grows by what is asked for).
"""

from __future__ import annotations

import contextlib
import json
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np

Model = Callable[[str, dict[str, Any]], dict[str, Any]]
"""Signature and inputs → outputs."""


def savedmodel(folder: str) -> Model:
    """The signatures of a SavedModel; inputs of other names, types or ranks are refused."""
    import tensorflow as tf

    loaded = tf.saved_model.load(folder)

    def run(signature: str, inputs: dict[str, Any]) -> dict[str, Any]:
        serve = loaded.signatures[signature]
        specs = serve.structured_input_signature[1]
        if set(specs) != set(inputs):
            raise ValueError(f"inputs {sorted(inputs)}, not {sorted(specs)}")
        # As the server does with JSON, whose numbers have no type.
        given = {k: tf.constant(v, specs[k].dtype) for k, v in inputs.items()}
        return {k: np.asarray(v) for k, v in serve(**given).items()}

    return run


def onnx(path: str, *options: str) -> Model:
    """An ONNX file in ONNX Runtime."""
    import onnxruntime

    session_options = onnxruntime.SessionOptions()
    session_options.enable_cpu_mem_arena = "no-arena" not in options
    providers: list[Any] = ["CPUExecutionProvider"]
    if "same-as-requested" in options:
        providers = [("CPUExecutionProvider", {"arena_extend_strategy": "kSameAsRequested"})]
    session = onnxruntime.InferenceSession(path, session_options, providers=providers)
    names = [one.name for one in session.get_outputs()]
    each = onnxruntime.RunOptions()
    if "shrink" in options:
        each.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

    def run(signature: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return dict(zip(names, session.run(names, inputs, each), strict=True))

    return run


@contextlib.contextmanager
def grpc_server(model: Model, name: str, seen: list[Any] | None = None, port: int = 0) -> Any:
    """Serve PredictionService over loopback; gives its address.

    Args:
        model: what answers.
        name: of it; others are not found.
        seen: gets each request.
        port: 0 for any.
    """
    import tensorflow as tf
    from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

    class Service(prediction_service_pb2_grpc.PredictionServiceServicer):  # type: ignore[misc]
        def Predict(self, request: Any, context: Any) -> Any:
            if seen is not None:
                seen.append(request)
            if request.model_spec.name != name:
                context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
            inputs = {k: tf.make_ndarray(v) for k, v in request.inputs.items()}
            try:
                outputs = model(request.model_spec.signature_name, inputs)
            except Exception as error:
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error)[:300])
            response = predict_pb2.PredictResponse()
            for key in request.output_filter or outputs:
                response.outputs[key].CopyFrom(_as_fields(outputs[key]))
            return response

    # What TensorFlow Serving takes.
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(ThreadPoolExecutor(4), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Service(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def _as_fields(values: Any) -> Any:
    """A tensor with its values one by one: what TensorFlow Serving sends unless told otherwise."""
    from tensorflow.core.framework import tensor_pb2
    from tensorflow.dtypes import as_dtype

    made = tensor_pb2.TensorProto(dtype=as_dtype(values.dtype).as_datatype_enum)
    for side in values.shape:
        made.tensor_shape.dim.add(size=side)
    kind = made.float_val if values.dtype == np.float32 else made.int_val
    kind.extend(values.ravel().tolist())
    return made


@contextlib.contextmanager
def rest_server(model: Model, name: str) -> Iterator[str]:
    """Serve the REST API of predictions in columns, over loopback; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if self.path != f"/v1/models/{name}:predict":
                self._send(404, {"error": "Servable not found for request"})
                return
            inputs = {k: np.array(v) for k, v in body["inputs"].items()}
            try:
                outputs = model(body["signature_name"], inputs)
            except Exception as error:
                self._send(400, {"error": str(error)[:300]})
                return
            lists = {k: v.tolist() for k, v in outputs.items()}
            # A single output comes without its name.
            self._send(200, {"outputs": lists if len(lists) > 1 else next(iter(lists.values()))})

        def _send(self, status: int, values: Any) -> None:
            text = json.dumps(values).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    kind, place, number, *more = sys.argv[1:]
    made = savedmodel(place) if kind == "savedmodel" else onnx(place, *more)
    with grpc_server(made, "segmentation", port=int(number)) as where:
        print(where, flush=True)
        threading.Event().wait()
