"""Memory and time of training crops from one very large scene.

    python benchmarks/large_scene.py --sides 500 12000 24000

Makes tiled TIFFs of side × side × 4, uint8, in a temporary folder (up to 2.4 GB), and draws batches
of crops from each in a process of its own: the time to the first crop, the time of later ones, and
by how much the peak of memory is above that of the smallest scene. Nothing is trained: what the
network takes is the same for all.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import Window

SCALES = (1, 2, 4)


def make(path: Path, side: int) -> None:
    """A tiled TIFF of smooth noise, written a row of tiles at a time."""
    rng = np.random.default_rng(0)
    tile = rng.integers(0, 256, (4, 512, 512), dtype=np.uint8)
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        height=side,
        width=side,
        count=4,
        dtype="uint8",
        tiled=True,
        bigtiff="IF_SAFER",
        photometric="RGB",
        interleave="pixel",
        crs="EPSG:32633",
        transform=rasterio.Affine(0.5, 0, 0, 0, -0.5, 0),
    ) as target:
        for top in range(0, side, 512):
            rows = min(512, side - top)
            strip = np.tile(tile, (1, 1, -(-side // 512)))[:, :rows, :side]
            target.write(strip, window=Window(0, top, side, rows))


def measure(folder: Path, downscale: int, batches: int, batch: int, crop: int) -> dict[str, float]:
    """Of one scene, in this process."""
    from iic_tf.data.folder import load_folder
    from iic_tf.views.pairs import Pairs

    begun = time.perf_counter()
    pairs = Pairs(load_folder(folder), crop=crop, batch=batch, steps=batches, downscale=downscale)
    pairs.crops.read(*pairs.crops.draw(np.random.default_rng(0)))
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    for _ in pairs.dataset(0, batches):
        pass
    rest = (time.perf_counter() - begun) / batches / batch
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"first": first, "pair": rest, "peak": peak}


def main() -> None:
    """Measure all sides and scales, and print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sides", type=int, nargs="+", default=[500, 12000, 24000])
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--crop", type=int, default=100)
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        folder, scale = Path(given.one[0]), int(given.one[1])
        print(json.dumps(measure(folder, scale, given.batches, given.batch, given.crop)))
        return
    print(
        f"{'side':>6} {'scale':>6} {'first crop':>11} {'a pair':>9} {'peak':>8} {'above least':>12}"
    )
    least: dict[int, float] = {}
    for side in given.sides:
        with tempfile.TemporaryDirectory() as name:
            make(Path(name) / "scene.tif", side)
            for scale in SCALES:
                command = [sys.executable, __file__, "--one", name, str(scale)]
                command += ["--batches", str(given.batches), "--batch", str(given.batch)]
                command += ["--crop", str(given.crop)]
                ended = subprocess.run(command, check=True, capture_output=True, text=True)
                found = json.loads(ended.stdout.splitlines()[-1])
                above = found["peak"] - least.setdefault(scale, found["peak"])
                print(
                    f"{side:6d}    1/{scale} {found['first']:9.2f} s {1e3 * found['pair']:6.2f} ms "
                    f"{found['peak']:5.2f} GB {above:9.2f} GB",
                    flush=True,
                )


if __name__ == "__main__":
    main()
