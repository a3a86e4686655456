"""One worker: prepares and runs jobs of one library, asked by lines of JSON on its input.

    python worker.py tf|torch THREADS

Answers by lines of JSON on its output. `workers.py` starts it.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from typing import Any

import numpy as np
from machine import peak_mb


def load(library: str, threads: int) -> Any:
    """The module of a library's jobs, after the library was told its threads."""
    if library == "tf":
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        import jobs_tf

        return jobs_tf
    import torch

    torch.set_num_threads(threads)
    torch.set_num_interop_threads(threads)
    import jobs_torch

    return jobs_torch


def answer(request: dict[str, Any], module: Any, jobs: dict[str, Any]) -> dict[str, Any]:
    """Do what a request asks.

    `prepare` builds a job without running it; `call` times one run; `save` writes what the last
    run returned as .npz; `memory` runs once and tells the peak; `forget` frees all jobs.
    """
    do, name = request["do"], request.get("job", "")
    if do == "prepare":
        jobs[name] = module.build(request["version"], request["case"])
        return dict(getattr(jobs[name], "facts", {}))
    if do == "call":
        # What the last run returned is not freed on this run's time, nor held beside its own.
        jobs[name].returned = None
        began = time.perf_counter()
        jobs[name]()
        return {"seconds": time.perf_counter() - began}
    if do == "save":
        with open(request["file"], "wb") as file:
            np.savez(file, **jobs[name].arrays())
        return {}
    if do == "memory":
        jobs[name].returned = None
        return {"mb": peak_mb(jobs[name])}
    if do == "forget":
        jobs.clear()
        module.forget()
        gc.collect()
        return {}
    raise ValueError(do)


def main() -> None:
    # Whatever a library prints must not mix with the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    module = load(sys.argv[1], int(sys.argv[2]))
    jobs: dict[str, Any] = {}
    for line in sys.stdin:
        answers.write(json.dumps(answer(json.loads(line), module, jobs)) + "\n")
        answers.flush()


if __name__ == "__main__":
    main()
