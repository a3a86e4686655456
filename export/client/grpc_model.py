"""Asking a model over gRPC."""

from __future__ import annotations

from .messages import array, messages, request, tensor
from .scene import Arrays, Ask
from .serving_error import ServingError

PREDICT = "/tensorflow.serving.PredictionService/Predict"


def grpc_model(address: str, name: str, timeout: float = 60) -> Ask:
    """Ask over gRPC, for the outputs that are wanted alone.

    Args:
        address: as `localhost:8500`.
        name: of the model.
        timeout: seconds.
    """
    import grpc

    # Answers may be larger than the usual 4 MiB.
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    call = grpc.insecure_channel(address, options).unary_unary(
        PREDICT,
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=messages()["PredictResponse"].FromString,
    )

    def ask(signature: str, inputs: Arrays, wanted: list[str]) -> Arrays:
        message = request(name, signature, {k: tensor(v) for k, v in inputs.items()}, wanted)
        try:
            answer = call(message, timeout=timeout, wait_for_ready=True)
        except grpc.RpcError as error:
            told = f"{error.code().name}: {error.details()}"
            raise ServingError(f"Expected an answer of {address}; received {told}.") from error
        return {one.key: array(one.value) for one in answer.outputs}

    return ask
