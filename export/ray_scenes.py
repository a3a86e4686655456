"""Scenes of a folder labelled by several Ray workers, each with a model of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from iic_tf.export.predictor import Predictor
from iic_tf.export.records import Outcome
from iic_tf.export.scene_job import SceneJob
from iic_tf.training.ray_workers import ray_cluster


class _Worker:
    """What each worker holds."""

    def __init__(self, model: Callable[[], Predictor], job: SceneJob):
        self._predictor = model()
        self._job = job

    def label(self, number: int) -> tuple[int, Outcome]:
        return number, self._job.run(self._predictor, number)


def label_on_ray(
    workers: int,
    model: Callable[[], Predictor],
    job: SceneJob,
    say: Callable[[str], None],
    numbers: list[int],
) -> Iterator[tuple[int, Outcome]]:
    """Label scenes in Ray workers; all must see the folders of images, model and results.

    Args:
        workers: how many at most; no more than there are scenes.
        model: makes the labels, called in each worker.
        job: the work.
        say: gets a line on the workers.
        numbers: of the scenes.

    Yields:
        The number of each scene and what came of it, as they are done.

    Raises:
        InputError: Ray is not installed, or a worker ended.
        OSError: it cannot be written.
    """
    if not numbers:
        return
    workers = min(workers, len(numbers))
    with ray_cluster(workers, say) as (ray, gpus):
        from ray.util import ActorPool

        actor = ray.remote(num_cpus=1, num_gpus=int(gpus))(_Worker)
        pool = ActorPool([actor.remote(model, job) for _ in range(workers)])
        yield from pool.map_unordered(lambda worker, number: worker.label.remote(number), numbers)
