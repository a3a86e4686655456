"""A run spread over Ray workers: Ray starts them and tells each of the others by TF_CONFIG."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected
from iic_tf.training.methods.registry import recipe_of
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.strategy import strategy_of
from iic_tf.training.tasks.registry import task_of
from iic_tf.training.train import train


def train_on_ray(
    workers: int,
    recipe: Recipe,
    place: Json,
    seed: int,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    say: Callable[[str], None] = print,
) -> Run:
    """Train on so many Ray workers, each with a share of every batch.

    They join the cluster at RAY_ADDRESS, or one that is started on this machine. Each takes a GPU
    where the cluster has any. All must see the folders of the images and of the run.

    Args:
        workers: how many, 1 or more.
        recipe: all values of the run.
        place: where the images are (`iic_tf.training.tasks.registry.task_of`).
        seed: of initial weights and of every draw.
        out: the run folder, new or empty.
        overwrite: replace an earlier run in `out`.
        resume: go on with the run in `out`, where there is one.
        say: gets each line shown to the user.

    Raises:
        InputError: Ray is not installed, anything unfit in the arguments or files, or a worker
            failed.
    """
    require_ray(workers)
    try:
        from ray.train import RunConfig, ScalingConfig
        from ray.train.base_trainer import TrainingFailedError
        from ray.train.tensorflow import TensorflowTrainer
    except ImportError as error:
        raise _missing(error) from error
    # What can be wrong is met here, before anything is started.
    task_of(recipe, place)
    values = {
        "recipe": recipe.to_dict(),
        "place": place,
        "seed": seed,
        "out": str(Path(out).resolve()),
        "overwrite": overwrite,
        "resume": resume,
    }
    try:
        with (
            ray_cluster(workers, say) as (_, gpus),
            tempfile.TemporaryDirectory(prefix="iic-tf-ray-") as storage,
        ):
            TensorflowTrainer(
                _train_here,
                train_loop_config=values,
                scaling_config=ScalingConfig(num_workers=workers, use_gpu=gpus),
                # The run folder holds what lasts; Ray's own notes do not.
                run_config=RunConfig(storage_path=storage),
            ).fit()
    except TrainingFailedError as error:
        lines = [line for line in str(error).splitlines() if "InputError: " in line]
        said = lines[-1].partition("InputError: ")[2] if lines else str(error)
        raise InputError(said) from error
    return Run.open(out)


def require_ray(workers: int) -> None:
    """Refuse a number of workers that is none, or any without Ray.

    Raises:
        InputError: either.
    """
    if workers < 1:
        raise expected("at least 1 Ray worker", workers, "ray-workers")
    try:
        import ray  # noqa: F401
    except ImportError as error:
        raise _missing(error) from error


def _missing(error: ImportError) -> InputError:
    return InputError(f"Expected Ray to be installed, pip install 'iic_tf[ray]'; received {error}.")


@contextlib.contextmanager
def ray_cluster(workers: int, say: Callable[[str], None]) -> Iterator[tuple[Any, bool]]:
    """Join the cluster at RAY_ADDRESS, or start one on this machine, while the body runs.

    Args:
        workers: how many there will be.
        say: gets a line on them.

    Yields:
        The module `ray`, and whether there is a GPU for each worker.
    """
    import ray

    ray.init(address=os.environ.get("RAY_ADDRESS"), ignore_reinit_error=True)
    try:
        gpus = ray.cluster_resources().get("GPU", 0) >= workers
        say(f"{workers} Ray workers, {'a GPU each' if gpus else 'on CPUs'}")
        yield ray, gpus
    finally:
        ray.shutdown()


def _train_here(values: Json) -> None:
    """What each worker does."""
    train(
        task_of(recipe_of(values["recipe"]), values["place"]),
        values["out"],
        values["seed"],
        values["overwrite"],
        resume=values["resume"],
        strategy=strategy_of(),
    )
