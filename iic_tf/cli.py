"""The command line: `iic-tf VERB`. The one file that stands above the rooms and knows them all."""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from iic_tf.errors import InputError, expected
from iic_tf.version import __version__

DESCRIPTION = """\
Learn to segment or cluster images without labels, look at what was found, score it, and export a
model.

  iic-tf train --dataset scenes --recipe scenes-cpu --out runs/first
  iic-tf train --dataset folder --data my_tiles --classes 4 --out runs/mine
  iic-tf train --dataset mnist --data mnist --out runs/digits
  iic-tf predict runs/mine my_tiles --out found
  iic-tf evaluate runs/mine            (where there are labels)
  iic-tf export runs/mine --format onnx --out model.onnx
"""


PLACE = (
    *("dataset", "data", "masks", "class_file", "image_glob", "mask_glob", "stretch", "bands"),
    "download",
)
"""Options that say where the images are."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came: as a cluster's manager or a batch system asks a process to end."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command.

    The exit status is 0, 2 for a mistake in the input, 130 for Ctrl-C, 143 for SIGTERM.
    """
    parser = build_parser()
    given = parser.parse_args(arguments)
    if not hasattr(given, "command"):
        parser.print_help()
        return 2
    try:
        given.command(given)
    except InputError as error:
        print(f"iic-tf: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as stop:
        print("\niic-tf: stopped; what was finished is kept", file=sys.stderr)
        return 143 if isinstance(stop, Terminated) else 130
    except BrokenPipeError:
        # The reader of our lines has gone, as in `iic-tf recipes | head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        # A full disk, a folder that may not be written to.
        print(f"iic-tf: {error}", file=sys.stderr)
        return 2
    return 0


def build_parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    parser = argparse.ArgumentParser(
        prog="iic-tf", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"iic-tf {__version__}")
    verbs = parser.add_subparsers(title="commands", metavar="VERB")
    _train_options(_verb(verbs, "train", _train, "learn from images, without labels"))
    _evaluate_options(_verb(verbs, "evaluate", _evaluate, "score a run against labels"))
    _predict_options(_verb(verbs, "predict", _predict, "segment or label images with a run"))
    _export_options(_verb(verbs, "export", _export, "write a SavedModel or an ONNX model"))
    _verb(verbs, "recipes", _recipes, "list the recipes").add_argument(
        "name", nargs="?", help="show this recipe whole"
    )
    _verb(verbs, "methods", _methods, "list the methods")
    _verb(verbs, "datasets", _datasets, "list the data sets")
    return parser


def _verb(verbs: Any, name: str, command: Any, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name,
        help=about,
        description=about[0].upper() + about[1:] + ".",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.set_defaults(command=command)
    return parser


def _option(group: Any, *names: str, **how: Any) -> None:
    # Options left out stay None, which help should not show as a default.
    how.setdefault("default", argparse.SUPPRESS)
    group.add_argument(*names, **how)


def _train_options(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    _option(
        data,
        "--dataset",
        metavar="NAME",
        help="see: iic-tf datasets (default: the recipe's own, else folder)",
    )
    _option(data, "--data", metavar="DIR", help="folder of the data set's files")
    _option(data, "--masks", metavar="DIR", help="folder of masks (scores only)")
    _option(data, "--class-file", metavar="YAML", help="what the masks' colours or numbers mean")
    _option(data, "--image-glob", metavar="PATTERN", help="images in --data, as '*/images/*.jpg'")
    _option(data, "--mask-glob", metavar="PATTERN", help="masks, as '*/masks/*.png'")
    _option(
        data,
        "--stretch",
        nargs=2,
        type=float,
        metavar=("LOW", "HIGH"),
        help="percentiles of each band that become black and white, as 2 98",
    )
    _option(
        data, "--download", action="store_true", help="let tensorflow-datasets fetch a data set"
    )
    _option(data, "--bands", choices=("RGBIR", "RGB", "IRRG"), help="of Potsdam")
    run = parser.add_argument_group("run")
    _option(run, "--out", metavar="RUN", required=True, help="run folder, new or empty")
    _option(run, "--seed", type=int, help="of initial weights and of every draw (default: 0)")
    _option(run, "--overwrite", action="store_true", default=False, help="replace an earlier run")
    _option(
        run,
        "--resume",
        action="store_true",
        default=False,
        help="go on with the run in --out where it was stopped; begin it where there is none",
    )
    _option(
        run,
        "--devices",
        default="1",
        metavar="N|all|LIST",
        help="GPUs to spread each batch over: how many, all, or as GPU:0,GPU:2",
    )
    _option(
        run,
        "--ray-workers",
        type=int,
        metavar="N",
        help="spread each batch over N Ray workers (needs the extra ray)",
    )
    recipe = parser.add_argument_group("recipe", "values that go before the recipe's")
    _option(
        recipe,
        "--method",
        metavar="M",
        help="iic or infoseg: take that method's counterpart of the recipe, as infoseg-folder of "
        "folder (default: the recipe's own)",
    )
    _option(
        recipe,
        "--recipe",
        metavar="R",
        help="a name of iic-tf recipes, or your own mine.yaml (default: the data set's own, as "
        "mnist; scenes-cpu for scenes, potsdam-3 or -6 for potsdam, else folder)",
    )
    _option(recipe, "--classes", type=int, metavar="K", help="classes to find")
    _option(recipe, "--overclusters", type=int, metavar="K", help="clusters of the other head")
    _option(recipe, "--epochs", type=int, metavar="N", help="epochs")
    _option(recipe, "--steps", type=int, metavar="N", help="steps in an epoch; 0: a grid of crops")
    _option(recipe, "--batch", type=int, metavar="N", help="pairs in a step")
    _option(recipe, "--crop", type=int, metavar="PIXELS", help="side of a crop, scaled down")
    _option(recipe, "--downscale", type=int, metavar="F", help="scale images to 1/F first")
    _option(recipe, "--rate", type=float, metavar="R", help="learning rate")
    _option(recipe, "--width", type=float, metavar="W", help="factor of the channel counts")
    _option(
        recipe,
        "--precision",
        metavar="P",
        help="float32, bfloat16 or float16 (weights and losses stay float32)",
    )
    _option(recipe, "--jit", action="store_true", help="compile steps with XLA")
    _option(
        recipe,
        "--micro-batches",
        type=int,
        metavar="N",
        help="put a batch through the network in N parts: less memory, one forward pass more",
    )
    _option(recipe, "--use-masks", action="store_true", help="train only where a class is known")
    _option(
        recipe,
        "--set",
        action="append",
        metavar="NAME=VALUE",
        help="any other value of a recipe, as lamb=1.5 or precision=mixed_bfloat16",
    )


def _train(given: argparse.Namespace) -> None:
    plan = _plan(given)
    ray_workers = getattr(given, "ray_workers", None)
    if ray_workers is not None:
        if given.devices != "1":
            raise expected("no --devices beside --ray-workers", given.devices, "devices")
        from iic_tf.training.ray_workers import train_on_ray

        train_on_ray(ray_workers, *plan, given.out, given.overwrite, given.resume, _say)
        return
    from iic_tf.training.strategy import strategy_of
    from iic_tf.training.tasks.registry import task_of
    from iic_tf.training.train import train

    # Before anything uses TensorFlow: a CPU can be split only then.
    strategy = strategy_of(given.devices)
    recipe, place, seed = plan
    task = task_of(recipe, place)
    with _terminable():
        train(task, given.out, seed, given.overwrite, _say, given.resume, strategy)


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


def _plan(given: argparse.Namespace) -> tuple[Any, dict[str, Any], int]:
    """The recipe, where the images are, and the seed: as given, or those of the run to resume."""
    from iic_tf.data.registry import absolute
    from iic_tf.training.recipe_files import default_recipe, load_recipe, recipe_for, run_recipe
    from iic_tf.training.run import Run

    values = vars(given)
    of_recipe = (
        *("method", "recipe", "classes", "overclusters", "epochs", "steps", "batch", "crop"),
        *("downscale", "rate", "width", "precision", "jit", "micro_batches", "use_masks", "set"),
    )
    told = [key for key in (*of_recipe, *PLACE) if key in values]
    if given.resume and not told:
        config = Run.open(given.out).config()
        return run_recipe(Run.open(given.out)), config["source"], values.get("seed", config["seed"])
    name = values.get("recipe") or default_recipe(
        values.get("dataset", "folder"), values.get("classes")
    )
    recipe = recipe_for(name, values["method"]) if "method" in values else load_recipe(name)
    # A recipe made for one data set knows it.
    values.setdefault("dataset", recipe.dataset)
    overrides: dict[str, Any] = {
        key: values[key]
        for key in of_recipe
        if key in values and key not in ("method", "recipe", "use_masks", "set", "precision")
    }
    if "use_masks" in values:
        overrides["masks"] = True
    if "precision" in values:
        overrides["precision"] = _policy(values["precision"])
    for pair in values.get("set", ()):
        overrides |= _setting(pair)
    recipe = recipe.replaced(**overrides)
    place = {key: value for key, value in values.items() if key in PLACE}
    for key in ("data", "masks", "class_file"):
        place[key] = absolute(place.get(key))
    return recipe, place, values.get("seed", 0)


def _policy(precision: str) -> str:
    """What Keras calls a precision: bfloat16 alone would have weights in it, too."""
    return f"mixed_{precision}" if precision in ("bfloat16", "float16") else precision


def _setting(text: str) -> dict[str, Any]:
    import yaml

    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"Expected --set NAME=VALUE; received {text!r}.")
    try:
        return {name.strip(): yaml.safe_load(value)}
    except yaml.YAMLError as error:
        raise InputError(f"Expected a value after {name}=; received {value!r}.") from error


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    _option(parser, "--data", metavar="DIR", help="other images than those of the training")
    _option(parser, "--masks", metavar="DIR", help="folder of masks, if not given in training")
    _option(parser, "--class-file", metavar="YAML", help="what the masks mean, likewise")
    _option(parser, "--image-glob", metavar="PATTERN", help="images in the folder")
    _option(parser, "--mask-glob", metavar="PATTERN", help="masks in the folder")
    parser.add_argument(
        "--folds",
        type=int,
        default=5,
        metavar="F",
        help="folds of labelled images: overclusters of each get the classes that the others give",
    )


def _evaluate(given: argparse.Namespace) -> None:
    from iic_tf.training.evaluate import evaluate
    from iic_tf.training.run import Run

    values = vars(given)
    keys = ("data", "masks", "class_file", "image_glob", "mask_glob")
    places = {key: str(values[key]) for key in keys if key in values}
    evaluate(Run.open(given.run), places, given.folds, _say)


def _predict_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("images", metavar="FILE|FOLDER", help="an image, or a folder of them")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    parser.add_argument(
        "--confidence",
        action="store_true",
        help="also write maps of the largest probability (segmentation)",
    )
    parser.add_argument(
        "--overclusters", action="store_true", help="label with the overclustering head instead"
    )
    _option(parser, "--masks", metavar="DIR", help="masks, to be shown beside the predictions")
    _option(parser, "--class-file", metavar="YAML", help="what the masks mean")
    _option(parser, "--image-glob", metavar="PATTERN", help="images in the folder")
    _option(parser, "--mask-glob", metavar="PATTERN", help="masks in the folder")


SEGMENTATION_ONLY = ("confidence", "masks", "class_file", "image_glob", "mask_glob")
"""Options of `predict` that mean nothing where whole images are labelled."""


def _predict(given: argparse.Namespace) -> None:
    from iic_tf.training.recipe_files import run_recipe
    from iic_tf.training.run import Run
    from iic_tf.training.tasks.clustering import CLUSTERING

    run, options = Run.open(given.run), vars(given)
    if run_recipe(run).task == CLUSTERING:
        from iic_tf.export.predict_images import predict_images

        unfit = [f"--{o.replace('_', '-')}" for o in SEGMENTATION_ONLY if options.get(o)]
        if unfit:
            raise InputError(
                "Expected of these options only --overclusters for a clustering run, which labels "
                f"whole images; received {', '.join(unfit)}."
            )
        predict_images(run, given.images, given.out, given.overclusters, _say)
        return
    from iic_tf.export.predict import predict

    predict(
        run,
        given.images,
        given.out,
        confidence=given.confidence,
        overclusters=given.overclusters,
        masks=options.get("masks"),
        class_file=options.get("class_file"),
        image_glob=options.get("image_glob"),
        mask_glob=options.get("mask_glob"),
        say=_say,
    )


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--format", choices=("savedmodel", "onnx"), required=True)
    _option(parser, "--out", metavar="PATH", help="default: RUN/export/savedmodel/1 or model.onnx")
    parser.add_argument("--overwrite", action="store_true", help="replace what is there")


def _export(given: argparse.Namespace) -> None:
    from iic_tf.export.export import export
    from iic_tf.training.run import Run

    export(
        Run.open(given.run), given.format, getattr(given, "out", None), given.overwrite, say=_say
    )


def _recipes(given: argparse.Namespace) -> None:
    from iic_tf.training.recipe_files import load_recipe, recipe_names

    if given.name:
        import yaml

        recipe = load_recipe(given.name)
        values = {k: v for k, v in recipe.to_dict().items() if k not in ("name", "about")}
        _say(f"{recipe.name}\n\n{recipe.about.strip()}\n")
        _say(yaml.safe_dump(values, sort_keys=False).strip())
        return
    for name in recipe_names():
        recipe = load_recipe(name)
        _say(f"{name:22}{recipe.about.strip().splitlines()[0]}")


def _datasets(given: argparse.Namespace) -> None:
    import textwrap

    from iic_tf.data.registry import IMAGES, SCENES, dataset_names, source_class

    for title, kind in (("to segment", SCENES), ("to cluster whole images", IMAGES)):
        _say(f"{title}:")
        for name in dataset_names(kind):
            about = source_class(name).about
            _say(textwrap.fill(about, 96, initial_indent=f"{name:14}", subsequent_indent=" " * 14))


def _methods(given: argparse.Namespace) -> None:
    from iic_tf.training.methods.registry import methods

    for method in methods().values():
        _say(f"{method.name:14}{' and '.join(method.recipes)}: {method.about}")
        _say(f"{'':14}{method.paper}")


def _say(line: str) -> None:
    print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())
