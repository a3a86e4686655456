"""One run of several seeds, in a process of its own.

python -m iic_tf.training.seed_run < JOB.json
"""

from __future__ import annotations

import json
import sys
from typing import Any

from iic_tf.annotations import Facts
from iic_tf.console import one_line, prepare_console
from iic_tf.errors import InputError
from iic_tf.training.studies.columns import recipe_of_values
from iic_tf.training.tasks.registry import task_of
from iic_tf.training.train import train


def main() -> int:
    """Carry out the job on standard input; the exit status is that of `iic-tf train`."""
    prepare_console()
    try:
        carry_out(json.load(sys.stdin))
    except InputError as error:
        _say(one_line(error))
        return 2
    except KeyboardInterrupt:
        return 130
    return 0


def carry_out(job: Facts) -> None:
    """Train, or go on.

    Raises:
        InputError: as `train`.
    """
    task: Any = task_of(recipe_of_values(job["recipe"]), job["source"])
    train(
        *(task, job["run"], job["seed"]),
        say=_say,
        resume=job["resume"],
        command=job["command"],
        minutes=job["minutes"],
    )


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
