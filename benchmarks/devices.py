"""Throughput on one device, two logical ones and two processes, and what communication takes.

    python benchmarks/devices.py --out benchmarks

writes `DEVICES.md` into the folder of `--out`. On a CPU nothing is gained by cutting it up: what is
shown is the price of acting together. It is found beside two processes that train on half the batch
each, at the same time, and ask nothing of one another.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from machine import machine

BATCH, SIZE, CHANNELS = 8, 64, 4
CLASSES, OVERCLUSTERS = 3, 15
MODEL: dict[str, Any] = {"width": 0.5, "radius": 10, "turns": ("both",)}
WAYS = {
    "one device, two threads": [("one", BATCH, 2)],
    "two logical devices, two threads": [("two", BATCH, 2)],
    "two processes of one thread": [("worker", BATCH, 1), ("worker", BATCH, 1)],
    "two processes apart, half the batch each": [("one", BATCH // 2, 1), ("one", BATCH // 2, 1)],
}


def work(kind: str, batch: int, threads: int, steps: int) -> None:
    """What a process does: train on a ready batch, and print the seconds of each step."""
    import keras
    import numpy as np
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    strategy: Any = tf.distribute.get_strategy()
    if kind == "worker":
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
    elif kind == "two":
        (cpu,) = tf.config.list_physical_devices("CPU")
        halves = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
        tf.config.set_logical_device_configuration(cpu, halves)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    import iic_tf

    keras.utils.set_random_seed(0)
    with strategy.scope():
        model = iic_tf.IICSegmenter(CLASSES, OVERCLUSTERS, CHANNELS, **MODEL)
        model.compile()
    rng = np.random.default_rng(0)
    x = rng.uniform(size=(batch, SIZE, SIZE, CHANNELS)).astype(np.float32)
    flip = np.tile(np.diag([-1.0, 1.0]).astype(np.float32), (batch, 1, 1))
    data = {"x": x, "gx": x[:, :, ::-1], "flip": flip, "epoch": np.zeros(batch, np.int32)}
    share = batch // strategy.num_replicas_in_sync
    here = batch // (2 if kind == "worker" else 1)
    mine = {name: tf.constant(value[:here]) for name, value in data.items()}
    ready = strategy.distribute_datasets_from_function(
        lambda context: tf.data.Dataset.from_tensor_slices(mine).batch(share).repeat(),
        tf.distribute.InputOptions(experimental_fetch_to_device=False),
    )
    batches = iter(ready)
    train = model.make_train_function()
    seconds = []
    for _ in range(steps):
        began = time.perf_counter()
        float(train(batches)["loss"])
        seconds.append(time.perf_counter() - began)
    print(json.dumps(seconds), flush=True)
    # Not by way of the interpreter's end, where a half-used data set's threads may wait.
    os._exit(0)


def measure(processes: list[tuple[str, int, int]], steps: int) -> float:
    """Median seconds of a step, of processes that run at the same time."""
    hosts = [f"127.0.0.1:{port}" for port in free_ports(len(processes))]
    running = []
    for index, (kind, batch, threads) in enumerate(processes):
        environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= {"OMP_NUM_THREADS": str(threads)}
        if kind == "worker":
            task = {"type": "worker", "index": index}
            environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": hosts}, "task": task})
        command = [sys.executable, __file__, "--work", kind, str(batch), str(threads), str(steps)]
        running.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        )
    try:
        found = [process.communicate(timeout=500)[0] for process in running]
    finally:
        for process in running:
            process.kill()
    # The first steps trace and warm up.
    return float(statistics.median(s for out in found for s in json.loads(out)[steps // 3 :]))


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def text(seconds: dict[str, float], steps: int) -> str:
    """The figures as Markdown."""
    about = machine()
    apart = seconds["two processes apart, half the batch each"]
    lines = [
        "# One device, two, and two processes",
        "",
        f"IICSegmenter with {CLASSES} classes, {OVERCLUSTERS} overclusters and "
        f"{', '.join(f'{k} {v}' for k, v in MODEL.items())}; {BATCH} pairs of "
        f"{SIZE}×{SIZE}, a ready batch, no views. Medians of "
        f"{steps - steps // 3} steps.",
        "",
        "| | ms a step | pairs a second | share of communication |",
        "|---|---|---|---|",
    ]
    for name, value in seconds.items():
        shared = "–" if "one device" in name or "apart" in name else f"{1 - apart / value:.0%}"
        lines.append(f"| {name} | {value * 1e3:.0f} | {BATCH / value:.1f} | {shared} |")
    versions = about["versions"]
    lines += [
        "",
        "Share of communication: what a step takes longer than one of two processes that train on",
        "half the batch each at the same time and ask nothing of one another: sums over replicas,",
        "waiting for the slower one, and what a strategy costs.",
        "",
        f"{about['processor']}, {about['cores']} cores; TensorFlow {versions['tensorflow']}, Keras "
        f"{versions['keras']}; {datetime.now(UTC).strftime('%Y-%m-%d')}.",
        "",
        "```",
        "python benchmarks/devices.py --out benchmarks",
        "```",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    if sys.argv[1:2] == ["--work"]:
        kind, *numbers = sys.argv[2:]
        work(kind, *map(int, numbers))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", required=True, help="folder for DEVICES.md")
    parser.add_argument("--steps", type=int, default=30, help="steps of each")
    given = parser.parse_args()
    seconds = {name: measure(processes, given.steps) for name, processes in WAYS.items()}
    out = Path(given.out)
    out.mkdir(parents=True, exist_ok=True)
    (out / "DEVICES.md").write_text(text(seconds, given.steps), encoding="utf-8")
    print(text(seconds, given.steps))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
