"""The command line: `iic-tf VERB`. The one file that stands above the rooms and knows them all.

Its options are made from the typed values of recipes and data sets (`iic_tf.options`). Whatever is
heavy is imported when a verb needs it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any, Literal

from iic_tf.compare_plan import COMPARE_EXAMPLES, compare, compare_options
from iic_tf.console import one_line, prepare_console
from iic_tf.errors import InputError, UnfinishedError, expected
from iic_tf.options import Given, Option, Verb, command
from iic_tf.run_verbs import (
    LABEL_EXAMPLES,
    agree_options,
    evaluate_options,
    export_options,
    label_options,
    predict_options,
    report_of,
    report_options,
    run_agree,
    run_evaluate,
    run_export,
    run_label,
    run_predict,
    run_report,
    say,
)
from iic_tf.seeds_plan import asks_for_seeds, train_several
from iic_tf.study_plan import STUDY_EXAMPLES, study_options
from iic_tf.train_plan import plan, train_options
from iic_tf.version import __version__

ABOUT = """\
Learn to segment or cluster images without labels, look at what was found, score it, and export a
model.

For example:
  iic-tf train --dataset scenes --recipe scenes-cpu --out runs/first
  iic-tf train --dataset folder --data my_tiles --classes 4 --out runs/mine
  iic-tf train --dataset mnist --data mnist --out runs/digits
  iic-tf predict runs/mine my_tiles --out found
  iic-tf evaluate runs/mine            (where there are labels)
  iic-tf export runs/mine --format onnx --out model.onnx
"""

TRAIN_EXAMPLES = """\
For example:
  iic-tf train --data my_tiles --classes 4 --out runs/mine
  iic-tf train --dataset scenes --recipe scenes-cpu --seed 1 --out runs/first
  iic-tf train --data my_tiles --classes 4 --seeds 3 --out runs/three
  iic-tf train --resume --out runs/mine
"""


_typed: list[str] = []
"""What the command was called with, which a run's report repeats."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as a cluster's manager or a batch system asks a process to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    The exit status is 0, 1 where a part failed, 2 for a mistake in the input, 130 for Ctrl-C, 143
    for SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    _typed[:] = words
    prepare_console()
    try:
        with _files_of_any_size():
            command("iic-tf", __version__, ABOUT, VERBS, words)()
    except UnfinishedError:
        return 1
    except InputError as error:
        return _mistake(_as_typed(str(error), words))
    except KeyboardInterrupt as stop:
        print("\niic-tf: stopped; what was finished is kept", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        # The reader of our lines has gone, as in `iic-tf recipes | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # A full disk, a folder that may not be written to.
        return _mistake(error)
    except Exception as error:
        if not _out_of_memory(error):
            raise
        said = one_line(error)[:200]
        return _mistake(f"Expected work that fits into this machine's memory; received: {said}")
    return 0 if words else 2


def _as_typed(message: str, words: Sequence[str]) -> str:
    """A message that names what came as the user typed it: `--image-glob`, not `image_glob`.

    Options that were not typed keep their names: values of recipes, as `--set` has them.
    """

    def named(match: re.Match[str]) -> str:
        flag = f"--{match[1].replace('_', '-')}"
        typed = any(word == flag or word.startswith(f"{flag}=") for word in words)
        return f"received {flag} " if typed else match[0]

    return re.sub(r"received (\w+)=", named, message, count=1)


def _mistake(what: object) -> int:
    print(f"iic-tf: {one_line(what)}", file=sys.stderr)
    return 2


def _out_of_memory(error: Exception) -> bool:
    # TensorFlow's is known by its name: it need not be loaded by now.
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


@contextlib.contextmanager
def _files_of_any_size() -> Iterator[None]:
    """A file beyond the limit of the shell (`ulimit -f`) is an error, and no end without a word."""
    if not hasattr(signal, "SIGXFSZ") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGXFSZ, before)


# --- train


def _train(given: Given) -> None:
    if asks_for_seeds(given):
        with _terminable():
            train_several(given, say, shlex.join(["iic-tf", *_typed]))
        return
    out, overwrite = given["out"], given.get("overwrite", False)
    resume, devices = given.get("resume", False), given.get("devices", "1")
    recipe, place, seed = plan(given)
    if "ray_workers" in given:
        if devices != "1":
            raise expected("no --devices beside --ray-workers", devices, "devices")
        if "minutes" in given:
            raise expected("no --minutes beside --ray-workers", given["minutes"], "minutes")
        from iic_tf.training.ray_workers import train_on_ray

        train_on_ray(given["ray_workers"], recipe, place, seed, out, overwrite, resume, say)
        if os.path.isfile(os.path.join(out, "config.json")):
            from iic_tf.training.run import Run

            report_of(Run.open(out), say)
        return
    from iic_tf.training.strategy import strategy_of
    from iic_tf.training.tasks.registry import task_of
    from iic_tf.training.train import train

    # Before anything uses TensorFlow: a CPU can be split only then.
    strategy = strategy_of(devices)
    task = task_of(recipe, place)
    with _terminable():
        run = train(
            *(task, out, seed, overwrite, say, resume, strategy),
            command=shlex.join(["iic-tf", *_typed]),
            minutes=given.get("minutes"),
        )
    report_of(run, say)


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is raised where the program is, as Ctrl-C is, so that what must be said is."""

    def terminate(number: int, frame: Any) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _study(given: Given) -> None:
    from iic_tf.study_plan import study

    with _terminable():
        study(given, say)


def _compare(given: Given) -> None:
    with _terminable():
        compare(given, say, shlex.join(["iic-tf", *_typed]))


# --- what there is


def _recipes(given: Given) -> None:
    from iic_tf.training.recipe_files import load_recipe, recipe_names

    if "name" in given:
        import yaml

        recipe = load_recipe(given["name"])
        values = {k: v for k, v in recipe.to_dict().items() if k not in ("name", "about")}
        say(f"{recipe.name}\n\n{recipe.about.strip()}\n")
        say(yaml.safe_dump(values, sort_keys=False).strip())
        return
    for name in recipe_names():
        say(f"{name:22}{load_recipe(name).about.strip().splitlines()[0]}")


def _datasets(given: Given) -> None:
    import textwrap

    from iic_tf.data.registry import IMAGES, SCENES, dataset_names, source_class

    for title, kind in (("to segment", SCENES), ("to cluster whole images", IMAGES)):
        say(f"{title}:")
        for name in dataset_names(kind):
            about = source_class(name).about
            say(textwrap.fill(about, 96, initial_indent=f"{name:14}", subsequent_indent=" " * 14))


def _methods(given: Given) -> None:
    from iic_tf.training.methods.registry import methods

    for method in methods().values():
        say(f"{method.name:14}{' and '.join(method.recipes)}: {method.about}")
        say(f"{'':14}{method.paper}")


def _doctor(given: Given) -> None:
    from iic_tf.doctor import report

    for line in report(given.get("data")):
        say(line)


def _completion(given: Given) -> None:
    from iic_tf.options import completion

    say(completion("iic-tf", ABOUT, VERBS, given["shell"]).rstrip())


DATA = Option("data", str, "say which data sets are found in a folder, too", "DIR")
SHELL = Option(
    "shell",
    Literal["bash", "zsh", "fish"],
    "of which shell: iic-tf completion bash > ~/.local/share/bash-completion/completions/iic-tf",
    "SHELL",
    "arguments",
    required=True,
    positional=True,
)
NAME = Option("name", str, "show this recipe whole", "NAME", "arguments", positional=True)

VERBS = (
    Verb("train", "learn from images, without labels", _train, train_options, TRAIN_EXAMPLES),
    Verb("evaluate", "score a run against labels", run_evaluate, evaluate_options),
    Verb("agree", "say which of several seeds the others bear out", run_agree, agree_options),
    Verb("label", "name the clusters of a run, once", run_label, label_options, LABEL_EXAMPLES),
    Verb("report", "all of a run on one page", run_report, report_options),
    Verb("predict", "segment or label images with a run", run_predict, predict_options),
    Verb("export", "write a SavedModel or an ONNX model", run_export, export_options),
    Verb(
        "study", "many runs of a recipe and what they show", _study, study_options, STUDY_EXAMPLES
    ),
    Verb("compare", "methods beside each other", _compare, compare_options, COMPARE_EXAMPLES),
    Verb("recipes", "list the recipes, or show one", _recipes, lambda: [NAME]),
    Verb("methods", "list the methods", _methods),
    Verb("datasets", "list the data sets", _datasets),
    Verb("doctor", "say what is installed, for a bug report", _doctor, lambda: [DATA]),
    Verb("completion", "write a script by which a shell completes", _completion, lambda: [SHELL]),
)

if __name__ == "__main__":
    sys.exit(main())
