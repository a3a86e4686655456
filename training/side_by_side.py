"""Several trainings at a time, each in a process of its own with its share of the cores.

A process of its own has its own peak memory, and what stops it stops no other.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any, TypeVar

Job = TypeVar("Job")
Start = Callable[..., "subprocess.Popen[bytes]"]


def side_by_side(
    jobs: Sequence[Job],
    processes: int,
    carry_out: Callable[[Job, Start], None],
    done: Callable[[Job], None] = lambda job: None,
) -> None:
    """Carry jobs out, so many at a time; what one meets ends no other.

    Args:
        jobs: what there is to do, begun in this order.
        processes: jobs at a time.
        carry_out: does one, in a thread of its own. It starts its processes by what it is given: a
            `subprocess.Popen` on this job's share of the cores, which ends when all is stopped.
        done: gets each job that is done, in the caller's thread.
    """
    cores_left = shares(processes)
    slots = threading.local()
    running: set[subprocess.Popen[bytes]] = set()
    stopped = threading.Event()

    def begin() -> None:
        slots.cores = cores_left.pop()

    def start(command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, env=environment(len(slots.cores)), **how)
        running.add(process)
        if stopped.is_set():
            process.terminate()
        return process

    def one(job: Job) -> None:
        if stopped.is_set():
            return
        if hasattr(os, "sched_setaffinity"):
            # Of this thread, which the process inherits.
            os.sched_setaffinity(0, slots.cores)
        carry_out(job, start)

    pool = ThreadPoolExecutor(processes, initializer=begin)
    try:
        waiting = {pool.submit(one, job): job for job in jobs}
        for future in as_completed(waiting):
            future.result()
            done(waiting[future])
    except BaseException:
        stopped.set()
        for process in list(running):
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def cores() -> list[int]:
    """The cores that this process may use, by number."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def shares(processes: int) -> list[set[int]]:
    """The cores of each process; where there are fewer cores than processes they share some."""
    own = cores()
    return [set(own[i::processes]) or {own[i % len(own)]} for i in range(processes)]


def environment(cores: int) -> dict[str, str]:
    """Of a run's process: so many threads, and no more of a GPU than it needs."""
    threads = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    own = dict.fromkeys(threads, str(cores))
    found = {**own, "TF_FORCE_GPU_ALLOW_GROWTH": "true", **os.environ}
    # `iic_tf.quiet` silences TensorFlow's notes where nobody has said how loud it is to be, as this
    # process itself has by now.
    found.pop("TF_CPP_MIN_LOG_LEVEL", None)
    return found


def how_it_ended(status: int) -> str:
    """What a process's status says to people."""
    if status >= 0:
        return f"status {status}"
    more = " (9: often for want of memory)" if status == -9 else ""
    return f"its process ended by signal {-status}{more}"
