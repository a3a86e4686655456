"""Asking a model over REST."""

from __future__ import annotations

import json

import numpy as np

from .scene import Arrays, Ask
from .serving_error import ServingError


def rest_model(url: str, name: str, timeout: float = 60) -> Ask:
    """Ask over REST. Numbers travel as text there: gRPC is several times as fast.

    Args:
        url: as `http://localhost:8501`.
        name: of the model.
        timeout: seconds.
    """
    import requests

    session = requests.Session()

    def ask(signature: str, inputs: Arrays, wanted: list[str]) -> Arrays:
        lists = {key: value.tolist() for key, value in inputs.items()}
        # NaN as a bare word, which TensorFlow Serving reads.
        body = json.dumps({"signature_name": signature, "inputs": lists})
        try:
            answer = session.post(f"{url}/v1/models/{name}:predict", body, timeout=timeout)
            found = answer.json()
        except (requests.RequestException, ValueError) as error:
            raise ServingError(f"Expected an answer of {url}; received {error}.") from error
        if "outputs" not in found:
            raise ServingError(f"Expected outputs of {url}; received {found.get('error', found)}.")
        outputs = found["outputs"]
        # Of one output alone its values are all that comes.
        named = outputs if isinstance(outputs, dict) else {wanted[0]: outputs}
        return {key: np.asarray(named[key]) for key in wanted}

    return ask
