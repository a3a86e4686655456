"""Several trainings at a time, each in a process of its own with its share of the cores.

A process of its own has its own peak memory, and what stops it stops no other.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any, TypeVar

Job = TypeVar("Job")


@dataclass(frozen=True)
class Share:
    """What a job has of the machine.

    Attributes:
        cores: on which its processes run, by number.
    """

    cores: set[int]
    _running: set[subprocess.Popen[bytes]]
    _stopped: threading.Event

    def start(self, command: Sequence[str], **how: Any) -> subprocess.Popen[bytes]:
        """A `subprocess.Popen` on these cores, which ends when all is stopped."""
        process = subprocess.Popen(command, env=environment(len(self.cores)), **how)
        self._running.add(process)
        if self.stopped:
            process.terminate()
        return process

    @property
    def stopped(self) -> bool:
        """Whether all is being stopped: what ends now did not fail."""
        return self._stopped.is_set()


def side_by_side(
    jobs: Sequence[Job],
    processes: int,
    carry_out: Callable[[Job, Share], None],
    done: Callable[[Job], None] = lambda job: None,
) -> None:
    """Carry jobs out, so many at a time; what one meets ends no other.

    Args:
        jobs: what there is to do, begun in this order.
        processes: jobs at a time.
        carry_out: does one, in a thread of its own, by processes of the share that it is given.
        done: gets each job that is done, in the caller's thread.
    """
    left = shares(processes)
    slots = threading.local()
    running: set[subprocess.Popen[bytes]] = set()
    stopped = threading.Event()

    def begin() -> None:
        slots.share = Share(left.pop(), running, stopped)

    def one(job: Job) -> None:
        if stopped.is_set():
            return
        if hasattr(os, "sched_setaffinity"):
            # Of this thread, which the process inherits.
            os.sched_setaffinity(0, slots.share.cores)
        carry_out(job, slots.share)

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
