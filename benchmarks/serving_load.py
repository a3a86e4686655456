"""Minutes of requests at an exported model, through the serving kit's client over loopback.

    python benchmarks/serving_load.py RUN --minutes 5

Exports the run (`--format savedmodel` and `onnx`), serves each by a small gRPC server that speaks
TensorFlow Serving's PredictionService (`tests/prediction_server.py`), and labels tiles of random
sizes by two threads. Told are errors, requests, latencies at 50, 95 and 99 % in milliseconds, and
the server's memory each ten seconds: its growth after the first fifth of the time (a minute of
five) should be nothing. ONNX Runtime is served in several ways, and with tiles of one size.

Needs tensorflow-serving-api, grpcio and protobuf.
"""

from __future__ import annotations

import argparse
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

SERVER = Path(__file__).parents[1] / "tests" / "prediction_server.py"
EACH = 10.0
"""Seconds between two looks at the memory."""

CASES: dict[str, tuple[str, list[str], bool]] = {
    "SavedModel": ("savedmodel", [], False),
    "ONNX Runtime as it is": ("onnx", [], False),
    "ONNX Runtime, arena that grows by what is asked": ("onnx", ["same-as-requested"], False),
    "ONNX Runtime, arena given back": ("onnx", ["shrink"], False),
    "ONNX Runtime without an arena": ("onnx", ["no-arena"], False),
    "ONNX Runtime as it is, tiles of one size": ("onnx", [], True),
}
"""Format, options of the server, and whether all tiles are of one size."""


def load(case: str, path: Path, minutes: float, sides: tuple[int, int]) -> dict[str, Any]:
    """Serve one export and ask it for so long."""
    kind, options, equal = CASES[case]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = [sys.executable, str(SERVER), kind, str(path), str(port), *options]
    server = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert server.stdout is not None
        if not server.stdout.readline():
            raise SystemExit(f"Expected a server for {case}; received status {server.wait()}.")
        return {"case": case, **_ask(server.pid, port, path, minutes, sides, equal)}
    finally:
        server.terminate()
        server.wait()


def _ask(
    server: int, port: int, path: Path, minutes: float, sides: tuple[int, int], equal: bool
) -> dict[str, Any]:
    from iic_tf.export.client import ServingError, grpc_model

    card_file = path / "assets.extra/model.json" if path.is_dir() else path.with_suffix(".json")
    card = json.loads(card_file.read_text())
    low, high = (np.array([b[k] for b in card["bands"]]) for k in ("low", "high"))
    ask = grpc_model(f"127.0.0.1:{port}", "segmentation")
    took: list[float] = []
    errors: list[str] = []
    until = time.monotonic() + 60 * minutes

    def client(seed: int) -> None:
        rng = np.random.default_rng(seed)
        while time.monotonic() < until:
            height, width = (sides[1],) * 2 if equal else rng.integers(sides[0], sides[1] + 1, 2)
            noise = rng.random((1, height, width, len(low)), np.float32)
            pixels = (low + noise * (high - low)).astype(np.float32)
            begun = time.perf_counter()
            try:
                found = ask("serving_default", {"pixels": pixels}, ["labels"])["labels"]
                if found.shape != (1, height, width):
                    errors.append(f"labels {found.shape} of {height}×{width} pixels")
            except ServingError as error:
                errors.append(str(error))
            took.append(time.perf_counter() - begun)

    threads = [threading.Thread(target=client, args=(seed,)) for seed in (0, 1)]
    for thread in threads:
        thread.start()
    memory = []
    while time.monotonic() < until:
        time.sleep(min(EACH, 60 * minutes / 30))
        memory.append(_megabytes(server))
    for thread in threads:
        thread.join()
    warm = len(memory) // 5
    return {
        "requests": len(took),
        "errors": len(errors),
        "first_error": errors[0] if errors else None,
        "ms": {q: round(1000 * float(np.percentile(took, q))) for q in (50, 95, 99)},
        "memory_mb": memory,
        "after_warming_mb": [memory[warm], max(memory[warm:]), memory[-1]],
    }


def _megabytes(process: int) -> int:
    text = Path(f"/proc/{process}/status").read_text()
    (line,) = (one for one in text.splitlines() if one.startswith("VmRSS"))
    return int(line.split()[1]) // 1024


def table(results: list[dict[str, Any]]) -> str:
    """In Markdown."""
    lines = [
        "| | requests | errors | 50 % | 95 % | 99 % | memory after a fifth | largest since |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for one in results:
        first, most, _ = one["after_warming_mb"]
        times = " | ".join(f"{one['ms'][q]} ms" for q in (50, 95, 99))
        counts = f"{one['requests']} | {one['errors']}"
        lines.append(f"| {one['case']} | {counts} | {times} | {first} MB | {most} MB |")
    return "\n".join(lines)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sides", type=int, nargs=2, default=(64, 512), metavar="PIXELS")
    parser.add_argument("--cases", nargs="+", default=list(CASES), choices=list(CASES))
    parser.add_argument("--out", type=Path, help="JSON of all that was measured")
    given = parser.parse_args()

    from iic_tf.export.export import export
    from iic_tf.training.run import Run

    run, results = Run.open(given.run), []
    with tempfile.TemporaryDirectory() as folder:
        places = {"savedmodel": Path(folder) / "1", "onnx": Path(folder) / "m.onnx"}
        for kind, place in places.items():
            export(run, kind, place, say=lambda _: None)
        for case in given.cases:
            results.append(load(case, places[CASES[case][0]], given.minutes, tuple(given.sides)))
            print(json.dumps(results[-1]), flush=True)
    print(table(results))
    if given.out:
        given.out.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
