"""Whether images fit their value range: those that use little of it look dark, all alike."""

from __future__ import annotations

import contextlib

import numpy as np

from iic_tf.data.scene import SceneSet, read_with_valid
from iic_tf.errors import InputError

DIM = 0.25
"""Images that use less than this part of their range are noted."""
BEYOND, LITTLE = 0.5, 0.02
"""Noted are other images than a run's own of which more lies beyond its range, or that use less."""
_SCENES = 16
_WINDOW = 128


def used_range(scenes: SceneSet) -> float:
    """The part of 0 to 1 below which 99 % of the values of some windows lie.

    From the middles of at most 16 scenes, spread evenly over the set, the same ones each time.
    """
    picked = np.linspace(0, len(scenes.scenes) - 1, min(_SCENES, len(scenes.scenes)))
    values = []
    for scene in (scenes.scenes[int(i)] for i in picked):
        height, width = min(_WINDOW, scene.height), min(_WINDOW, scene.width)
        middle = ((scene.height - height) // 2, (scene.width - width) // 2)
        shown, valid = scenes.seen(scene, *middle, height, width)
        values.append((shown if valid is None else shown[valid]).ravel())
    found = np.concatenate(values)
    return float(np.percentile(found, 99)) if found.size else 1.0


def dim_note(scenes: SceneSet) -> list[str]:
    """A line on dim images, as 12-bit values stored in 16 bits are; of others none."""
    used = used_range(scenes)
    if used >= DIM:
        return []
    lowest = f"{100 * max(used, 0.001):.1f} %"
    return [
        f"note: 99 % of the values lie in the lowest {lowest} of their range, so that images look "
        "dark; --stretch 2 98 spreads them over it"
    ]


def misfit_note(scenes: SceneSet) -> list[str]:
    """A line on images whose values are not like those that a run was trained on, else none.

    8 bits here and 16 there, say, or reflectance of 0 to 1 in place of numbers up to 255.

    Args:
        scenes: other images than those of the training, under the range of the run.
    """
    picked = np.linspace(0, len(scenes.scenes) - 1, min(_SCENES, len(scenes.scenes)))
    parts = []
    for scene in (scenes.scenes[int(i)] for i in picked):
        height, width = min(_WINDOW, scene.height), min(_WINDOW, scene.width)
        middle = ((scene.height - height) // 2, (scene.width - width) // 2)
        # A damaged image is told when its turn comes.
        with contextlib.suppress(InputError):
            raw, valid = read_with_valid(scene, *middle, height, width)
            parts.append(raw.reshape(-1, scenes.channels) if valid is None else raw[valid])
    if not any(len(part) for part in parts):
        return []
    values = np.concatenate(parts)
    beyond = float(((values < scenes.low) | (values > scenes.high)).mean())
    ends = np.percentile(scenes.normalise(values), (1, 99), axis=0)
    if beyond <= BEYOND and (ends[1] - ends[0]).max() >= LITTLE:
        return []
    first, last = (np.asarray(end, np.float64) for end in (values.min(), values.max()))
    return [
        f"note: the run was trained on values from {scenes.low.min():g} to {scenes.high.max():g}; "
        f"those of these images go from {first:g} to {last:g}: they may be all dark or all bright "
        "to it"
    ]
