"""What a training notes of itself beside its figures: command, machine, speed, memory."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import resource
import sys
from collections.abc import Sequence

import tensorflow as tf

from iic_tf.annotations import Json
from iic_tf.training.json_files import write_json
from iic_tf.training.run import Run


def note_begun(run: Run, command: str | None, replicas: int) -> None:
    """Write `training.json`: what was typed, and on what it runs; of a resumed run beside before.

    Args:
        run: whose folder is written to.
        command: as it was typed; None: a program began the training.
        replicas: devices that share a batch.
    """
    facts = read_facts(run)
    commands = [*facts.get("commands", []), *([command] if command else [])]
    devices = [device.device_type for device in tf.config.list_physical_devices()]
    kinds = sorted(set(devices))
    machine = {
        "system": f"{platform.system()} {platform.machine()}",
        "cores": os.cpu_count(),
        "devices": {kind: devices.count(kind) for kind in kinds},
        "replicas": replicas,
    }
    write_json(run.facts_file, {**facts, "commands": commands, "machine": machine})


def note_done(run: Run, rows: Sequence[Json], batch: int, steps: int, epochs: int) -> None:
    """Add how long it took, how fast it was and what it needed.

    Args:
        run: whose folder is written to.
        rows: of `metrics.csv`.
        batch: pairs of a step.
        steps: of an epoch.
        epochs: that it was to have; of fewer it is noted that its budget ended it.
    """
    seconds = float(rows[-1]["seconds"]) if rows else 0.0
    speed = len(rows) * steps * batch / seconds if seconds > 0 else None
    own = {
        "seconds": seconds,
        "epochs": len(rows),
        "ended_by_budget": len(rows) < epochs,
        "pairs_per_second": speed,
        "peak_memory_bytes": peak_memory(),
    }
    write_json(run.facts_file, {**read_facts(run), **own})


def read_facts(run: Run) -> Json:
    """What was noted so far; nothing where the file is not there or damaged."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(run.facts_file.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}


def peak_memory() -> int:
    """Most bytes that this process has had in memory."""
    # Linux tells kilobytes, macOS bytes.
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
