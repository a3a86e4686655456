"""Five sets, all methods with the same training time: the commands of docs/compare.md.

    python benchmarks/compare.py --data FOLDER --out runs/compare --minutes 5 --processes 2

runs `iic-tf compare` for each set, as it prints it. FOLDER holds `dubai`, `labelmefacade`,
`camvid`, `mnist` and `cifar10` in their publishers' layouts; of MNIST the 10,000 images of the test
part are taken, written as a set of their own. What was finished before is not done again.
"""

from __future__ import annotations

import argparse
import gzip
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
from label_sets import SETS
from real_data import placed
from seeded_runs import wanted

from iic_tf.data.mnist import read_idx

SCENE_METHODS = (
    "kmeans:pixels,kmeans:statistics,kmeans:sift,kmeans:untrained,doersch,isola,exemplar,dec,dac,"
    "deepcluster,prototypes,iic,infoseg"
)
# Where pixels of no class have no part, few patches of 48×48 are whole.
MASKED_METHODS = SCENE_METHODS.replace("exemplar", "exemplar+patch=12")
IMAGE_METHODS = (
    "kmeans:pixels,kmeans:hog,kmeans:untrained,triplets,exemplar,deepcluster,dec,dac,adc,scan,iic"
)
COMMANDS: dict[str, list[str]] = {
    "dubai": [*SETS["dubai"], "--methods", SCENE_METHODS],
    "facade": [*SETS["facade"], "--use-masks", "--methods", MASKED_METHODS],
    "camvid": [*SETS["camvid"], "--use-masks", "--methods", MASKED_METHODS],
    "mnist": ["--dataset", "mnist", "--data", "digits", "--methods", IMAGE_METHODS],
    "cifar10": ["--dataset", "cifar10", "--data", "cifar10", "--methods", IMAGE_METHODS],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of the comparisons")
    parser.add_argument("--minutes", default="5", help="of training for each run")
    parser.add_argument("--seeds", default="3")
    parser.add_argument("--processes", default="2", help="runs side by side")
    parser.add_argument("--only", nargs="+", default=[""], help="beginnings of the sets' names")
    given = parser.parse_args()
    worst = 0
    for name, options in COMMANDS.items():
        if not wanted(name, given.only):
            continue
        place = given.data
        if name == "mnist":
            place = given.out
            digits(given.data / "mnist", place / "digits")
        command = [
            *("compare", *placed(options, place)),
            *("--minutes", given.minutes, "--seeds", given.seeds),
            *("--processes", given.processes, "--out", str(given.out / name)),
        ]
        print("iic-tf", *command, flush=True)
        status = subprocess.run([sys.executable, "-m", "iic_tf.cli", *command], check=False)
        worst = max(worst, abs(status.returncode))
    return worst


def digits(mnist: Path, folder: Path) -> None:
    """Write MNIST's 10,000 test images as a set: the first half its training part."""
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rank in (("images-idx3", 3), ("labels-idx1", 1)):
        values = read_idx(mnist / f"t10k-{kind}-ubyte.gz", rank)
        for part, own in zip(("train", "t10k"), np.array_split(values, 2), strict=True):
            head = struct.pack(f">HBB{rank}I", 0, 8, rank, *own.shape)
            (folder / f"{part}-{kind}-ubyte.gz").write_bytes(
                gzip.compress(head + own.tobytes(), mtime=0)
            )


if __name__ == "__main__":
    sys.exit(main())
