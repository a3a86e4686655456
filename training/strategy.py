"""Which devices a run is spread over."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected

ONE = "1"
"""The default: TensorFlow's own choice of a single device."""


def strategy_of(
    devices: str = ONE, environment: Mapping[str, str] = os.environ
) -> tf.distribute.Strategy:
    """The strategy for `devices`, on one machine or, where TF_CONFIG is set, on several.

    Args:
        devices: a number of GPUs, `all` of them, or a list as `GPU:0,GPU:2`. Where there is no GPU,
            a number above 1 splits the CPU into as many devices: no faster, but a rehearsal.
        environment: where TF_CONFIG is looked up. With it every worker uses all its GPUs, or its
            CPU, and `devices` must be left alone.

    Raises:
        InputError: not that many devices, or a TF_CONFIG that can't be read.
    """
    if workers(environment) > 1:
        if devices != ONE:
            raise expected("no --devices beside TF_CONFIG: each worker uses all its own", devices)
        return tf.distribute.MultiWorkerMirroredStrategy()
    names = _names(devices)
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else _single(names)


def workers(environment: Mapping[str, str] = os.environ) -> int:
    """How many machines train together, by TF_CONFIG; 1 without it."""
    cluster = _tf_config(environment).get("cluster", {})
    return max(1, len(cluster.get("worker", ())) + len(cluster.get("chief", ())))


def is_chief(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process writes the run folder: the only one, the chief, or worker 0."""
    config = _tf_config(environment)
    task = config.get("task", {})
    if config.get("cluster", {}).get("chief"):
        return bool(task.get("type") == "chief")
    return int(task.get("index", 0)) == 0


def _tf_config(environment: Mapping[str, str]) -> dict[str, Json]:
    text = environment.get("TF_CONFIG", "")
    if not text:
        return {}
    try:
        found = json.loads(text)
        _check_tf_config(found)
        return dict(found)
    except (ValueError, RecursionError) as error:
        raise InputError(
            'Expected TF_CONFIG as JSON, {"cluster": {"worker": ["host:port", ...]}, "task": '
            f'{{"type": "worker", "index": 0}}}}; received {text[:300]!r}: {error}.'
        ) from error


def _check_tf_config(found: Any) -> None:
    """Raise `ValueError` where it is of another form than TensorFlow's."""
    if not isinstance(found, dict):
        raise ValueError("no mapping")
    cluster, task = found.get("cluster", {}), found.get("task", {})
    if not isinstance(cluster, dict) or not isinstance(task, dict):
        raise ValueError("cluster and task must be mappings")
    for kind, hosts in cluster.items():
        if not isinstance(hosts, list) or not all(isinstance(host, str) for host in hosts):
            raise ValueError(f"cluster.{kind} must be a list of host:port")
    if not cluster and not task:
        return
    kind, index = task.get("type"), task.get("index")
    if not isinstance(kind, str) or kind not in cluster:
        raise ValueError(f"task.type must be one of {', '.join(cluster) or 'the cluster'}")
    if str(index) not in map(str, range(len(cluster[kind]))):
        raise ValueError(f"task.index must be a number from 0 to {len(cluster[kind]) - 1}")


def _names(devices: str) -> list[str]:
    gpus = tf.config.list_physical_devices("GPU")
    if devices == "all":
        return [f"GPU:{i}" for i in range(len(gpus))] or ["CPU:0"]
    if devices.isdigit() and int(devices) > 0:
        count = int(devices)
        if not gpus:
            _split_cpu(count)
            return [f"CPU:{i}" for i in range(count)]
        if count <= len(gpus):
            return [f"GPU:{i}" for i in range(count)]
        raise expected(f"at most {len(gpus)} devices, the GPUs of this machine", devices, "devices")
    known = [f"GPU:{i}" for i in range(len(gpus))] + ["CPU:0"]
    names = [name.strip() for name in devices.split(",")]
    unknown = [name for name in names if name not in known]
    if unknown or len(set(names)) < len(names):
        raise expected(f"a number, all, or some of {', '.join(known)}", devices, "devices")
    return names


def _split_cpu(count: int) -> None:
    if count == 1:
        return
    (cpu, *_) = tf.config.list_physical_devices("CPU")
    try:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(count)]
        tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError as error:
        if len(tf.config.list_logical_devices("CPU")) < count:
            raise InputError(
                f"Expected to split the CPU into {count} devices before TensorFlow is used; "
                f"received {error}."
            ) from error


def _single(names: list[str]) -> tf.distribute.Strategy:
    if names in (["CPU:0"], ["GPU:0"]):
        # What TensorFlow uses anyway.
        return tf.distribute.get_strategy()
    return tf.distribute.OneDeviceStrategy(names[0])
