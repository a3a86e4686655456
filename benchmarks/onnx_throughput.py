"""Keras, SavedModel and ONNX side by side: seconds and peak memory of predicting one large scene.

    python benchmarks/onnx_throughput.py RUN --image IMAGE.tif --sides 3000 6000

Exports the run (or takes --savedmodel and --onnx), makes a scene of each side out of the image, and
predicts it by each of the three in a process of its own, as the commands do. Seconds are those of
the whole process, its start included, and those that predict itself tells of the scene.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from big_scene import make_scene


def measure(words: list[str]) -> tuple[float, float, float]:
    """Seconds of a process, those that it tells of its scene, and its peak of memory in GB."""
    begun = time.perf_counter()
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([sys.executable, *words], stdout=told, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - begun
        told.seek(0)
        text = told.read()
    if process.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{text}")
    found = re.search(r"  ([\d.]+) s, ", text)
    return seconds, float(found.group(1)) if found else float("nan"), used.ru_maxrss / 2**20


def exports(run: str, given: argparse.Namespace, folder: Path) -> tuple[str, str]:
    """The SavedModel and the ONNX file, made where they are not given."""
    places = []
    for kind, name in (("savedmodel", "1"), ("onnx", "model.onnx")):
        place = getattr(given, kind)
        if place is None:
            place = str(folder / name)
            words = ["-m", "iic_tf.cli", "export", run, "--format", kind, "--out", place]
            subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        places.append(place)
    return places[0], places[1]


def main() -> None:
    """Measure all sides and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--image", type=Path, required=True)
    parser.add_argument("--sides", type=int, nargs="+", default=[3000])
    parser.add_argument("--savedmodel")
    parser.add_argument("--onnx")
    given = parser.parse_args()
    print(f"{'':12}{'side':>7}{'process s':>11}{'scene s':>9}{'s/MP':>8}{'peak GB':>9}{'speed':>8}")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        savedmodel, onnx = exports(given.run, given, folder)
        for side in given.sides:
            scene = folder / f"{side}.tif"
            make_scene(scene, given.image, side)
            predict, light = ["-m", "iic_tf.cli", "predict"], ["-m", "iic_tf.onnx_predict"]
            kinds = {
                "Keras": [*predict, given.run],
                "SavedModel": [*predict, savedmodel],
                "ONNX": [*light, onnx],
            }
            first = None
            for name, words in kinds.items():
                out = str(folder / f"{name}-{side}")
                seconds, own, peak = measure([*words, str(scene), "--out", out])
                first = own if first is None else first
                pace = own / (side * side / 1e6)
                print(
                    f"{name:12}{side:7}{seconds:11.1f}{own:9.1f}{pace:8.2f}{peak:9.2f}"
                    f"{first / own:7.2f}x",
                    flush=True,
                )
            scene.unlink()


if __name__ == "__main__":
    main()
