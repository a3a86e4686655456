"""What happens beside the steps: records, keeping the best model, stopping in time."""

from __future__ import annotations

import contextlib
import csv
import math
import re
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import keras
from numpy.typing import NDArray

from iic_tf.annotations import Json, Logs
from iic_tf.models.soundness import UnsoundStep, UnsoundStepError
from iic_tf.training.atomic import replacing
from iic_tf.training.checkpoints import Checkpoints
from iic_tf.training.run import Run
from iic_tf.training.training_clock import TRAINED

if TYPE_CHECKING:
    from iic_tf.views.numbered_batches import NumberedBatches

_ADVICE = "A lower --rate or float32 precision usually helps."


class NonFiniteLossError(UnsoundStepError):
    """The loss, its gradients or the images became NaN or infinite."""


class StopOnNonFiniteLoss(keras.callbacks.Callback):  # type: ignore[misc]
    """Say of a step that met numbers that are not finite which images it was of, and what is kept.

    The model finds it, and ends the training (`iic_tf.models.soundness`); nothing is done a step.

    Args:
        names_of: names of the images in batch (epoch, step), one for each.
        run: whose checkpoints are named.
    """

    def __init__(self, names_of: Callable[[int, int], Sequence[str]], run: Run):
        super().__init__()
        self.names_of = names_of
        self.run = run

    def on_train_begin(self, logs: Logs | None = None) -> None:
        self.model.soundness.explain = self.error

    def error(self, found: UnsoundStep) -> NonFiniteLossError:
        """What is told of such a step."""
        names = ", ".join(found.chosen(self.names_of(found.epoch, found.step)))
        whose = "Images with them" if found.rows.any() else "Images of this batch"
        advice = "" if found.rows.any() else _ADVICE
        return NonFiniteLossError(
            f"Expected finite images, loss and gradients; received {found.received}. {whose}: "
            f"{names}. {self._kept()}{advice}".rstrip()
        )

    def _kept(self) -> str:
        newest = Checkpoints(self.run.checkpoints).newest(lambda line: None)
        if newest is None:
            return "There is no good checkpoint yet. "
        return f"The last good checkpoint is {newest.folder}, the best model {self.run.best}. "


def lowest_loss(row: Json) -> float:
    """The loss that decides, of a row of `metrics.csv`: that of the first monitor."""
    return float(
        next(
            value
            for name, value in row.items()
            if name.endswith("_loss") and name != "training_loss"
        )
    )


class Evaluate(keras.callbacks.Callback):  # type: ignore[misc]
    """Take the unsupervised loss on fixed pairs in evaluation mode; choose the sub-head by it.

    It adds to the epoch's logs, for the callbacks behind it, `monitors`, what the model says of
    the evaluation by name (`iic_tf.models.self_supervised.Monitor`), and `is_best`, whether the
    epoch is the one to keep so far, and `is_lowest`, whether its loss says so.

    Args:
        pairs: the fixed pairs.
        steps: how many batches.
        best: the lowest loss of the epochs before.
        keep_last: whether the last epoch is kept, and not that of the lowest loss.
    """

    def __init__(
        self, pairs: NumberedBatches, steps: int, best: float = math.inf, keep_last: bool = False
    ):
        super().__init__()
        self.pairs = pairs
        self.steps = steps
        self.best = best
        self.keep_last = keep_last

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs if logs is not None else {}
        model = self.model
        for meter in model.meters.values():
            meter.reset_state()
        model.evaluate(self.pairs, steps=self.steps, verbose=0)
        monitors = model.monitors()
        for name, monitor in monitors.items():
            if not all(map(math.isfinite, monitor.losses)):
                raise NonFiniteLossError(
                    f"Expected a finite loss; received {monitor.losses} from the {name} head when "
                    f"epoch {epoch + 1} was evaluated. {_ADVICE}"
                )
        model.settle(monitors)
        logs["monitors"] = monitors
        first = next(iter(monitors.values()))
        lowest_loss = min(first.losses)
        logs["is_lowest"] = not self.keep_last and lowest_loss < self.best
        logs["is_best"] = self.keep_last or logs["is_lowest"]
        self.best = min(self.best, lowest_loss)


class KeepBest(keras.callbacks.Callback):  # type: ignore[misc]
    """Save the model of the epoch that is the one to keep so far, whole or not at all."""

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if (logs or {}).get("is_best"):
            with replacing(self.run.best) as temporary:
                self.model.save(temporary)


class StatefulCallback(Protocol):
    """A callback with something that a resumed run must have again."""

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What a resumed run must have again, by name."""
        ...

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Go on from what `arrays` returned."""
        ...


class SaveCheckpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Save all that the next epoch needs; it stands behind what it saves.

    Args:
        checkpoints: where.
        record: the figures so far.
        stateful: callbacks with something that a resumed run must have again.
    """

    def __init__(
        self, checkpoints: Checkpoints, record: Record, stateful: Sequence[StatefulCallback]
    ):
        super().__init__()
        self.checkpoints = checkpoints
        self.record = record
        self.stateful = stateful

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        arrays = {name: array for one in self.stateful for name, array in one.arrays().items()}
        arrays |= self.model.beside_weights()
        self.checkpoints.save(epoch + 1, self.model.save, self.record.rows, arrays)


class Record(keras.callbacks.Callback):  # type: ignore[misc]
    """Write `metrics.csv` and TensorBoard events.

    Args:
        run: where.
        phase_of: what is trained in an epoch.
        rows: those of the epochs before, in a run that is resumed: files are written anew from
            them, so that there is no gap and no double, whatever a killed process left.
    """

    def __init__(self, run: Run, phase_of: Callable[[int], str], rows: Sequence[Json] = ()):
        super().__init__()
        self.run = run
        self.phase_of = phase_of
        self.rows: list[Json] = list(rows)
        self.writer: Any = None
        self.started = time.monotonic() - (rows[-1]["seconds"] if rows else 0.0)

    def on_train_begin(self, logs: Logs | None = None) -> None:
        import tensorflow as tf

        shutil.rmtree(self.run.events, ignore_errors=True)
        with errors_of_files():
            self.writer = tf.summary.create_file_writer(str(self.run.events))
        for row in self.rows:
            self._events(row)
        if self.rows:
            self._table()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        logs = logs or {}
        row: Json = {
            "epoch": epoch + 1,
            "turn": self.phase_of(epoch),
            "training_loss": float(logs["loss"]),
            "seconds": round(time.monotonic() - self.started, 2),
            "best": int(bool(logs["is_best"])),
        }
        if TRAINED in logs:
            row[TRAINED] = round(float(logs[TRAINED]), 2)
        for name, monitor in logs["monitors"].items():
            row[f"{name}_loss"] = min(monitor.losses)
            row[f"{name}_bound"] = monitor.bound
            for i, value in enumerate(monitor.losses):
                row[f"{name}_loss_{i}"] = value
            if monitor.crops:
                row[f"{name}_crop_information"] = monitor.crops[monitor.chosen]
            for i, share in enumerate(monitor.shares[monitor.chosen]):
                row[f"{name}_share_{i}"] = share
        self.rows.append(row)
        self._table()
        self._events(row)

    def _table(self) -> None:
        # The whole file each time: a reader never sees half a row.
        with (
            replacing(self.run.metrics_file) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(self.rows[-1]))
            writer.writeheader()
            writer.writerows(self.rows)

    def _events(self, row: Json) -> None:
        import tensorflow as tf

        with errors_of_files():
            with self.writer.as_default(step=row["epoch"]):
                for name, value in row.items():
                    if isinstance(value, float):
                        tf.summary.scalar(name, value)
            self.writer.flush()

    def on_train_end(self, logs: Logs | None = None) -> None:
        with errors_of_files():
            self.writer.close()


@contextlib.contextmanager
def errors_of_files() -> Iterator[None]:
    """Raise as `OSError`, as Python does, what TensorFlow's own files meet, a full disk say."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        # Behind the name of the operation: the file, and what was wrong.
        said = re.sub(r"^\{\{.*?\}\}\s*", "", error.message.strip())
        raise OSError(said.splitlines()[0] if said else "events cannot be written") from error
