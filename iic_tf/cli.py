"""The command line: `iic-tf VERB`. The one file that stands above the rooms and knows them all.

Its options are made from the typed values of recipes and data sets (`iic_tf.options`). Whatever is
heavy is imported when a verb needs it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from iic_tf.console import one_line, prepare_console
from iic_tf.errors import InputError, expected
from iic_tf.options import Given, Option, Verb, command, from_source
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
  iic-tf train --data my_tiles --set lamb=1.5 --set 'turns=[main]' --out runs/main
  iic-tf train --resume --out runs/mine
"""

LABEL_EXAMPLES = """\
For example:
  iic-tf label runs/mine                                   the clusters, and their tree
  iic-tf label runs/mine --page                            a page to name them by hand
  iic-tf label runs/mine --names classes.yaml              what the page made
  iic-tf label runs/mine --masks my_masks --labelled 5     by the masks of five images
  iic-tf label runs/mine --suggest 20                      where a label would tell most
  iic-tf label runs/mine --points runs/mine/suggestions.csv
"""

MASK_OPTIONS = ("masks", "class_file", "image_glob", "mask_glob")


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as a cluster's manager or a batch system asks a process to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    The exit status is 0, 2 for a mistake in the input, 130 for Ctrl-C, 143 for SIGTERM.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    prepare_console()
    try:
        with _files_of_any_size():
            command("iic-tf", __version__, ABOUT, VERBS, words)()
    except InputError as error:
        return _mistake(error)
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
    out, overwrite = given["out"], given.get("overwrite", False)
    resume, devices = given.get("resume", False), given.get("devices", "1")
    recipe, place, seed = plan(given)
    if "ray_workers" in given:
        if devices != "1":
            raise expected("no --devices beside --ray-workers", devices, "devices")
        from iic_tf.training.ray_workers import train_on_ray

        train_on_ray(given["ray_workers"], recipe, place, seed, out, overwrite, resume, _say)
        return
    from iic_tf.training.strategy import strategy_of
    from iic_tf.training.tasks.registry import task_of
    from iic_tf.training.train import train

    # Before anything uses TensorFlow: a CPU can be split only then.
    strategy = strategy_of(devices)
    task = task_of(recipe, place)
    with _terminable():
        train(task, out, seed, overwrite, _say, resume, strategy)


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


# --- what is done with a run

RUN = Option("run", str, "a run folder", "RUN", "arguments", required=True, positional=True)


def _data_options(*names: str) -> list[Option]:
    from iic_tf.data.registry import options

    return [from_source(option) for option in options() if option.name in names]


def _evaluate_options() -> list[Option]:
    folds = "of labelled images: overclusters of each get the classes that the others give"
    data = _data_options("data", *MASK_OPTIONS)
    labelled = "in place of folds: map from N labelled images, drawn, and score all others"
    return [
        *(RUN, *data, Option("folds", int, f"folds {folds}", "F", default=5)),
        Option("labelled", int, labelled, "N"),
        Option("classes", int, "score K groups of the finest clusters by their tree, too", "K"),
    ]


def _evaluate(given: Given) -> None:
    from iic_tf.training.evaluate import evaluate
    from iic_tf.training.run import Run

    places = {key: given[key] for key in ("data", *MASK_OPTIONS) if key in given}
    labelled = given.get("labelled")
    if labelled is not None and "folds" in given:
        raise expected("--folds or --labelled", "both")
    evaluate(
        Run.open(given["run"]), places, given.get("folds", 5), _say, labelled, given.get("classes")
    )


def _label_options() -> list[Option]:
    ways = "name clusters, or fit a linear classifier of the features to the labels"
    nearest = "clusters without one get the nearest's"
    data = _data_options("data", *MASK_OPTIONS)
    return [
        RUN,
        *(replace(o, help=o.help.replace("(scores only)", "that name clusters")) for o in data),
        Option("points", str, "labels: CSV of image,row,column,class; GeoJSON, GeoPackage", "FILE"),
        Option("attribute", str, "of GeoJSON or GeoPackage: which is the class", "NAME"),
        Option("labelled", int, "use the labels of N images alone, drawn by seed", "N"),
        Option("head", Literal["mapping", "linear"], ways, "HEAD", default="mapping"),
        Option("fine_tune", bool, "train on with the labels, under a linear classifier"),
        Option("names", str, f"a classes.yaml, of the page or your own; {nearest}", "FILE"),
        Option("page", bool, "write RUN/label.html, to name clusters by hand"),
        Option("suggest", int, "write RUN/suggestions.csv: N places whose labels tell most", "N"),
    ]


def _label(given: Given) -> None:
    from iic_tf.training.label_run import label_run
    from iic_tf.training.run import Run

    rest = dict(given)
    run = Run.open(rest.pop("run"))
    places = {key: rest.pop(key) for key in ("data", *MASK_OPTIONS) if key in rest}
    page = None
    if rest.pop("page", False):
        from iic_tf.export.naming_page import write_page

        page = partial(write_page, **({"places": rest["suggest"]} if "suggest" in rest else {}))
    label_run(run, places, **rest, page=page, say=_say)


def _answer_options() -> list[Option]:
    """What a model answers with."""
    named = "classes, where label named them, else main"
    heads = Literal["classes", "main", "overclusters"]
    groups = "K groups of the finest clusters, by their tree: any number from 2 on"
    return [
        Option("head", heads, "what to label with", "HEAD", default=named),
        Option("classes", int, groups, "K"),
        Option("overclusters", bool, "as --head overclusters"),
    ]


def _answer(rest: dict[str, Any]) -> dict[str, Any]:
    """`head` and `classes` as given, taken out of the rest."""
    head, classes = rest.pop("head", None), rest.pop("classes", None)
    if rest.pop("overclusters", False):
        if head not in (None, "overclusters"):
            raise expected("one of --head and --overclusters", f"--head {head} --overclusters")
        head = "overclusters"
    return {"head": head, "classes": classes}


def _predict_options() -> list[Option]:
    images = replace(RUN, name="images", help="an image, or a folder of them", metavar="IMAGES")
    return [
        *(RUN, images),
        Option("out", str, "folder for the results", "DIR", required=True),
        Option("confidence", bool, "also write maps of the largest probability (segmentation)"),
        *_answer_options(),
        *(replace(o, help=_of_predictions(o.help)) for o in _data_options(*MASK_OPTIONS)),
    ]


def _of_predictions(help: str) -> str:
    """What an option of data sets is for where predictions are made."""
    return help.replace("--data", "IMAGES").replace("(scores only)", "shown beside predictions")


def _predict(given: Given) -> None:
    from iic_tf.training.recipe_files import run_recipe
    from iic_tf.training.run import Run

    rest = dict(given)
    run, images, out = Run.open(rest.pop("run")), rest.pop("images"), rest.pop("out")
    asked = _answer(rest)
    if run_recipe(run).task == "segmentation":
        from iic_tf.export.predict import predict

        predict(run, images, out, **asked, **rest, say=_say)
        return
    from iic_tf.export.predict_images import predict_images

    if rest:
        unfit = ", ".join(f"--{name.replace('_', '-')}" for name in rest)
        raise InputError(
            "Expected of these options only --head, --classes and --overclusters for a clustering "
            f"run, which labels whole images; received {unfit}."
        )
    predict_images(run, images, out, **asked, say=_say)


def _export_options() -> list[Option]:
    place = "RUN/export/savedmodel/1 or model.onnx"
    return [
        RUN,
        Option("format", Literal["savedmodel", "onnx"], "of the model", "FORMAT", required=True),
        Option("out", str, "where to write it", "PATH", default=place),
        *_answer_options(),
        Option("overwrite", bool, "replace what is there"),
    ]


def _export(given: Given) -> None:
    from iic_tf.export.export import export
    from iic_tf.training.run import Run

    overwrite, asked = given.get("overwrite", False), _answer(dict(given))
    run = Run.open(given["run"])
    export(run, given["format"], given.get("out"), overwrite, say=_say, **asked)


def _study(given: Given) -> None:
    from iic_tf.study_plan import study

    with _terminable():
        study(given, _say)


# --- what there is


def _recipes(given: Given) -> None:
    from iic_tf.training.recipe_files import load_recipe, recipe_names

    if "name" in given:
        import yaml

        recipe = load_recipe(given["name"])
        values = {k: v for k, v in recipe.to_dict().items() if k not in ("name", "about")}
        _say(f"{recipe.name}\n\n{recipe.about.strip()}\n")
        _say(yaml.safe_dump(values, sort_keys=False).strip())
        return
    for name in recipe_names():
        _say(f"{name:22}{load_recipe(name).about.strip().splitlines()[0]}")


def _datasets(given: Given) -> None:
    import textwrap

    from iic_tf.data.registry import IMAGES, SCENES, dataset_names, source_class

    for title, kind in (("to segment", SCENES), ("to cluster whole images", IMAGES)):
        _say(f"{title}:")
        for name in dataset_names(kind):
            about = source_class(name).about
            _say(textwrap.fill(about, 96, initial_indent=f"{name:14}", subsequent_indent=" " * 14))


def _methods(given: Given) -> None:
    from iic_tf.training.methods.registry import methods

    for method in methods().values():
        _say(f"{method.name:14}{' and '.join(method.recipes)}: {method.about}")
        _say(f"{'':14}{method.paper}")


def _say(line: str) -> None:
    print(line, flush=True)


NAME = Option("name", str, "show this recipe whole", "NAME", "arguments", positional=True)

VERBS = (
    Verb("train", "learn from images, without labels", _train, train_options, TRAIN_EXAMPLES),
    Verb("evaluate", "score a run against labels", _evaluate, _evaluate_options),
    Verb("label", "name the clusters of a run, once", _label, _label_options, LABEL_EXAMPLES),
    Verb("predict", "segment or label images with a run", _predict, _predict_options),
    Verb("export", "write a SavedModel or an ONNX model", _export, _export_options),
    Verb(
        "study", "many runs of a recipe and what they show", _study, study_options, STUDY_EXAMPLES
    ),
    Verb("recipes", "list the recipes, or show one", _recipes, lambda: [NAME]),
    Verb("methods", "list the methods", _methods),
    Verb("datasets", "list the data sets", _datasets),
)

if __name__ == "__main__":
    sys.exit(main())
