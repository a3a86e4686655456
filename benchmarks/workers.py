"""Worker processes, one for each library and number of threads, asked one at a time.

A library's threads are fixed before it starts, and two libraries in one process fight over the
cores with threads that spin while they wait. So each has its own process; the parent asks them in
turns, and all but the one asked sleep.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from machine import TRIMMED

REST = 0.05
"""Seconds between two requests: longer than waiting threads spin before they sleep."""


class Cut(Exception):
    """A request that took longer than allowed; its worker was ended."""


class Worker:
    """The parent's end of one `worker.py`."""

    def __init__(self, library: str, threads: int, trimmed: bool):
        number = str(threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, number)}
        environment |= {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
        environment |= TRIMMED if trimmed else {}
        self.name = f"{library}, {threads} threads"
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115 (lives as long as the worker)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "worker.py"), library, number],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log,
            env=environment,
            text=True,
        )
        self.cut = False
        self.jobs: set[str] = set()
        self.warm = False

    def holds(self, job: str) -> bool:
        """Whether a job is prepared here."""
        return job in self.jobs

    def ask(self, allowed: float | None = None, **request: Any) -> dict[str, Any]:
        """Send a request, wait for its answer; `allowed` seconds at most."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        time.sleep(REST)
        timer = threading.Timer(allowed, self._cut) if allowed else None
        if timer:
            timer.start()
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        finally:
            if timer:
                timer.cancel()
        if line:
            if request["do"] == "prepare":
                self.jobs.add(request["job"])
            elif request["do"] == "forget":
                self.jobs.clear()
            return dict(json.loads(line))
        if self.cut:
            self.process.wait()
            raise Cut
        self.log.seek(0)
        tail = self.log.read()[-3000:]
        raise SystemExit(f"Worker {self.name} ended at {request}:\n{tail}")

    def _cut(self) -> None:
        self.cut = True
        self.process.kill()

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


class Workers:
    """Workers by library, threads and whether they return freed memory; started when needed."""

    def __init__(self) -> None:
        self.running: dict[tuple[str, int, bool], Worker] = {}

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, *_: object) -> None:
        for worker in self.running.values():
            worker.close()

    def get(self, library: str, threads: int, trimmed: bool = False) -> Worker:
        key = (library, threads, trimmed)
        worker = self.running.get(key)
        if worker is None or worker.process.poll() is not None:
            if worker is not None:
                worker.close()
            worker = self.running[key] = Worker(library, threads, trimmed)
        return worker

    def forget(self) -> None:
        """Let all workers free what they prepared."""
        for worker in self.running.values():
            if worker.process.poll() is None:
                worker.ask(do="forget")
