"""Tiny runs of every method that the registry knows, for test_methods.py and its replicas."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from iic_tf.cli import main
from iic_tf.training.methods.registry import methods, recipe_class
from iic_tf.training.tasks.clustering import CLUSTERING
from iic_tf.training.tasks.segmentation import SEGMENTATION
from iic_tf.training.values import known

EVERY = [(name, task) for name, method in methods().items() for task in method.recipes]
"""Every method with every task that it knows."""

TINY: dict[str, Any] = {
    **{"epochs": 3, "steps": 4, "batch": 4, "evaluation_steps": 2, "width": 0.05, "classes": 2},
    **{"overclusters": 4, "sub_heads": 2, "features": 8, "components": 8, "sample": 2000},
    **{"overclusters_per_class": 2, "rate": 1e-2, "pretraining": 1, "exemplars": 12},
    **{"hidden": 8, "pairs": 8, "patch": 2, "near": 2, "far": 4, "gap": 2, "jitter": 0},
    **{"embedding": 4, "places": 16, "patches": 2},
    **{"feature_epochs": 1, "self_labelling_epochs": 0, "neighbours": 3},
}
"""Values by which any method is small; each takes those that it knows."""
OF_TASK: dict[str, dict[str, Any]] = {
    SEGMENTATION: {"crop": 16, "radius": 2},
    CLUSTERING: {
        **{"network": "B", "repeats": 2, "side": 24, "inputs": "bands"},
        **{"x": {"crops": [20], "size": 16}, "gx": {"crops": [16, 20], "size": 16, "flip": 0.5}},
    },
}


OF_METHOD: dict[str, dict[str, Any]] = {
    # At a higher rate its sharp predictions let rounding grow within an epoch.
    "prototypes": {"rate": 1e-3},
    "exemplar": {"rate": 3e-4},
    # Elsewhere a number: how many dimensions there are.
    "kmeans": {"features": "trunk"},
}


def recipe_file(folder: Path, name: str, task: str) -> Path:
    """A recipe of tiny values."""
    values = known(recipe_class(name, task), {**TINY, **OF_TASK[task], **OF_METHOD.get(name, {})})
    path = folder / f"{name}-{task}.yaml"
    about = "made by a test: iic-tf train"
    path.write_text(yaml.safe_dump({"method": name, "task": task, "about": about, **values}))
    return path


def make_data(folder: Path) -> dict[str, Path]:
    """Images with masks, and images in folders of their classes."""
    rng = np.random.default_rng(0)
    for i in range(8):
        mask = (np.arange(40)[None, :] > 12 + i).repeat(32, axis=0)
        image = mask[..., None] * 90 + rng.integers(0, 90, (32, 40, 3))
        for part, pixels in (("images", image), ("masks", mask)):
            place = folder / "scenes" / part
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
        for kind, bright in (("dark", 0), ("light", 120)):
            place = folder / "things" / kind
            place.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 100, (24, 24, 3)) + bright
            Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return {SEGMENTATION: folder / "scenes" / "images", CLUSTERING: folder / "things"}


def arguments(folder: Path, name: str, task: str, out: Path) -> list[str]:
    """The command that trains one."""
    data = make_data(folder)[task]
    given = ["train", "--recipe", str(recipe_file(folder, name, task)), "--data", str(data)]
    if task == SEGMENTATION:
        given += ["--masks", str(data.parent / "masks"), "--dataset", "folder"]
    else:
        given += ["--dataset", "images"]
    return [*given, "--out", str(out)]


if __name__ == "__main__":
    # On two replicas, which a process must have before it uses TensorFlow, and can have but once:
    # each run is in a copy of this process, which has imported it and done nothing yet.
    at, failed = Path(sys.argv[1]), []
    for method, kind in [(m, t) for m, t in EVERY if f"{m}-{t}" in sys.argv[2:]]:
        child = os.fork()
        if not child:
            made = arguments(at, method, kind, at / f"{method}-{kind}-replicas")
            # Of what is not compared two epochs are enough.
            few = ["--set", "epochs=2"] if recipe_class(method, kind).replicas_differ else []
            sys.exit(main([*made, *few, "--devices", "2"]))
        if os.waitpid(child, 0)[1]:
            failed.append(f"{method} {kind}")
    sys.exit(f"failed on two replicas: {', '.join(failed)}" if failed else 0)
