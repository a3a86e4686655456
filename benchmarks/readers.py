"""Pairs a second that are read and augmented, beside those that the network trains on.

    python benchmarks/readers.py

Made-up data like Potsdam's (TIFF of 4 bands, crops of 200 at half scale), COCO-Stuff's (JPEG, crops
of 128) and CIFAR-10's (32 pixels, in memory), on one and on two cores. Reading and training take
turns, so that whatever else the machine does meets both; the ratio is that of the medians.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from machine import machine
from PIL import Image

SIDE = {"potsdam": 2000, "coco": 480}
FILES = {"potsdam": 3, "coco": 48}


def make(folder: Path, kind: str) -> None:
    """Images of smooth noise, which JPEG takes as much work for as for photographs."""
    import rasterio

    rng = np.random.default_rng(0)
    for number in range(FILES[kind]):
        side = SIDE[kind]
        small = rng.integers(0, 256, (side // 8, side // 8, 4), dtype=np.uint8)
        bands = [np.asarray(Image.fromarray(small[..., b]).resize((side, side))) for b in range(4)]
        if kind == "coco":
            Image.fromarray(np.stack(bands[:3], -1)).save(folder / f"{number}.jpg", quality=90)
            continue
        how: dict[str, Any] = {"driver": "GTiff", "count": 4, "dtype": "uint8"}
        place = rasterio.Affine(0.05, 0, 0, 0, -0.05, 0)
        size = {"height": side, "width": side, "transform": place}
        with rasterio.open(folder / f"{number}.tif", "w", **how, **size) as target:
            target.write(np.stack(bands))


def pairs_of(kind: str, folder: str, batch: int, steps: int) -> Any:
    """The pairs of a kind of data, by the published views."""
    from iic_tf.data.folder import load_folder
    from iic_tf.data.image_set import ImageSet
    from iic_tf.views.image_pairs import ImagePairs
    from iic_tf.views.image_view import ImageView
    from iic_tf.views.pairs import Pairs
    from iic_tf.views.photometry import Photometry

    if kind == "cifar":
        rng = np.random.default_rng(0)
        images = ImageSet("cifar", rng.integers(0, 256, (5000, 32, 32, 3), dtype=np.uint8))
        gx = ImageView(flip=0.5, photometry=Photometry(0.4, 0.4, 0.4, 0.125))
        return ImagePairs(images, batch, 3, ImageView(), gx, steps=steps)
    crop, downscale = (200, 2) if kind == "potsdam" else (128, 1)
    colours = Photometry(0.1, 0.1, 0.1, 0.1)
    return Pairs(
        load_folder(folder), crop, batch, steps, downscale=downscale, photometry=colours,
        cache_bytes=0,
    )  # fmt: skip


def model_of(kind: str) -> Any:
    """The published network for a kind of data."""
    from iic_tf.models.iic_clusterer import IICClusterer
    from iic_tf.models.iic_segmenter import IICSegmenter
    from iic_tf.turns import BOTH

    if kind == "cifar":
        model: Any = IICClusterer(10, 70, 3, size=32, sub_heads=5, turns=(BOTH,))
    else:
        model = IICSegmenter(3, 15, 4 if kind == "potsdam" else 3, turns=(BOTH,))
    model.compile()
    return model


def measure(kind: str, folder: str, batch: int, steps: int, rounds: int) -> dict[str, float]:
    """Pairs a second of reading and of training, in turns."""
    from iic_tf.views.numbered_batches import READERS

    pairs = pairs_of(kind, folder, batch, 2 * (steps + READERS) * rounds)
    copies = 3 if kind == "cifar" else 1
    model = model_of(kind)
    step = model.make_train_function()
    kept = pairs[0]

    source = itertools.repeat(kept)

    def train() -> None:
        step(source)

    train()
    ahead = READERS + 2
    batches = iter(pairs.dataset(0, (steps + ahead) * rounds))
    reading, training = [], []
    for _ in range(rounds):
        for _ in range(ahead):  # What was read while nobody measured.
            next(batches)
        begun = time.perf_counter()
        for _ in range(steps):
            next(batches)
        reading.append(steps * batch * copies / (time.perf_counter() - begun))
        begun = time.perf_counter()
        train()
        training.append(batch * copies / (time.perf_counter() - begun))
    return {"read": statistics.median(reading), "trained": statistics.median(training)}


def _bound(cores: int) -> None:
    """Leave this process so many cores."""
    os.sched_setaffinity(0, set(sorted(os.sched_getaffinity(0))[:cores]))


def main() -> None:
    """Measure all kinds on one core and on two, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        found = measure(*given.one, given.batch, given.steps, given.rounds)
        print(json.dumps(found))
        return
    print(json.dumps(machine()))
    print(f"{'data':10} {'cores':>5} {'read':>10} {'trained':>10} {'ratio':>7}   pairs a second")
    for kind in ("potsdam", "coco", "cifar"):
        with tempfile.TemporaryDirectory() as folder:
            if kind in FILES:
                make(Path(folder), kind)
            for cores in (1, 2):
                command = [sys.executable, __file__, "--one", kind, folder]
                for name in ("batch", "steps", "rounds"):
                    command += [f"--{name}", str(getattr(given, name))]
                ended = subprocess.run(
                    command,
                    check=True,
                    capture_output=True,
                    text=True,
                    preexec_fn=functools.partial(_bound, cores),
                )
                found = json.loads(ended.stdout.splitlines()[-1])
                ratio = found["read"] / found["trained"]
                print(
                    f"{kind:10} {cores:5d} {found['read']:10.1f} {found['trained']:10.1f} "
                    f"{ratio:6.1f}×",
                    flush=True,
                )


if __name__ == "__main__":
    main()
