"""What is done with a run: evaluate, report, label, predict, export; part of the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected
from iic_tf.options import Given, Option, from_source

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


RUN = Option("run", str, "a run folder", "RUN", "arguments", required=True, positional=True)


def _data_options(*names: str) -> list[Option]:
    from iic_tf.data.registry import options

    return [from_source(option) for option in options() if option.name in names]


def evaluate_options() -> list[Option]:
    """The options of `iic-tf evaluate`."""
    folds = "of labelled images: overclusters of each get the classes that the others give"
    data = _data_options("data", *MASK_OPTIONS)
    labelled = "in place of folds: map from N labelled images, drawn, and score all others"
    return [
        *(RUN, *data, Option("folds", int, f"folds {folds}", "F", default=5)),
        Option("labelled", int, labelled, "N"),
        Option("classes", int, "score K groups of the finest clusters by their tree, too", "K"),
        Option("probe", bool, "say what labels make of the features, of colours, of statistics"),
    ]


def run_evaluate(given: Given) -> None:
    """Score a run."""
    from iic_tf.training.evaluate import evaluate

    places = {key: given[key] for key in ("data", *MASK_OPTIONS) if key in given}
    labelled = given.get("labelled")
    if labelled is not None and "folds" in given:
        raise expected("--folds or --labelled", "both")
    run = opened(given["run"])
    evaluate(
        *(run, places, given.get("folds", 5), say, labelled),
        classes=given.get("classes"),
        probe=given.get("probe", False),
    )
    report_of(run, say)


def report_options() -> list[Option]:
    """The options of `iic-tf report`."""
    return [RUN, Option("out", str, "where to write it", "FILE", default="RUN/report.html")]


def run_report(given: Given) -> None:
    """Write the page of a run."""
    from iic_tf.export.report import write_report

    say(f"written: {write_report(opened(given['run']), given.get('out'))}")


def report_of(run: Any, say: Callable[[str], None]) -> None:
    """Write the page of a run that something was just done with, and name it."""
    from iic_tf.export.report import write_report
    from iic_tf.training.strategy import is_chief

    # Of several machines the chief alone writes.
    if is_chief():
        say(f"report: {write_report(run)}")


def opened(folder: str) -> Any:
    """A run; of a folder of several seeds the one that answers for them, which is told."""
    from iic_tf.training.run import Run
    from iic_tf.training.seeds_file import told_of

    run = Run.open(folder)
    told = told_of(Path(folder))
    if told is not None:
        say(told)
    return run


def agree_options() -> list[Option]:
    """The options of `iic-tf agree`."""
    runs = "two run folders or more, of other seeds on the same images; or one of train --seeds"
    one = "make one run of all: clusters matched, probabilities averaged"
    return [
        Option("runs", list[str], runs, "RUN ...", "arguments", required=True, positional=True),
        Option("consensus", str, one, "OUT"),
    ]


def run_agree(given: Given) -> None:
    """Say which of several runs the others bear out."""
    from iic_tf.training.agreement import agreement
    from iic_tf.training.run import Run
    from iic_tf.training.seeds_file import runs_in

    folders = [inner for folder in given["runs"] for inner in runs_in(Path(folder))]
    found = agreement([Run.open(folder) for folder in folders], say)
    found.keep()
    for line in found.lines():
        say(line)
    runs = list(found.runs)
    if "consensus" in given:
        from iic_tf.training.consensus import make_consensus

        runs.append(make_consensus(found, given["consensus"], say=say))
    for run in runs:
        report_of(run, say)


def label_options() -> list[Option]:
    """The options of `iic-tf label`."""
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


def run_label(given: Given) -> None:
    """Name the clusters of a run."""
    from iic_tf.training.label_run import label_run

    rest = dict(given)
    run = opened(rest.pop("run"))
    places = {key: rest.pop(key) for key in ("data", *MASK_OPTIONS) if key in rest}
    page = None
    if rest.pop("page", False):
        from iic_tf.export.naming_page import write_page

        page = partial(write_page, **({"places": rest["suggest"]} if "suggest" in rest else {}))
    label_run(run, places, **rest, page=page, say=say)


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


def _answer(rest: Json) -> Json:
    """`head` and `classes` as given, taken out of the rest."""
    head, classes = rest.pop("head", None), rest.pop("classes", None)
    if rest.pop("overclusters", False):
        if head not in (None, "overclusters"):
            raise expected("one of --head and --overclusters", f"--head {head} --overclusters")
        head = "overclusters"
    return {"head": head, "classes": classes}


def predict_options() -> list[Option]:
    """The options of `iic-tf predict`."""
    images = "an image, a folder of them, or a .txt file with a path a line"
    model = "a run folder, a SavedModel's folder or an ONNX file"
    units = "in square metres where known, else pixels"
    return [
        replace(RUN, help=model),
        replace(RUN, name="images", help=images, metavar="IMAGES"),
        Option("out", str, "folder for the results", "DIR", required=True),
        Option("confidence", bool, "also write maps of the largest probability (segmentation)"),
        Option("probabilities", bool, "also write a TIFF of all probabilities (segmentation)"),
        Option("polygons", bool, "also write regions as a GeoPackage (segmentation)"),
        Option("smallest_area", float, f"polygons of less go to a neighbour, {units}", "A"),
        Option("smooth", int, "one label for each superpixel of about N pixels a side", "N"),
        Option(
            "clip", str, "a file of polygons, outside of which is no data (segmentation)", "FILE"
        ),
        Option("resume", bool, "go on with a call that did not end (segmentation)"),
        Option("ray_workers", int, "label images in N Ray workers (segmentation)", "N"),
        *_answer_options(),
        *(replace(o, help=_of_predictions(o.help)) for o in _data_options(*MASK_OPTIONS)),
    ]


def _of_predictions(help: str) -> str:
    """What an option of data sets is for where predictions are made."""
    return help.replace("--data", "IMAGES").replace("(scores only)", "shown beside predictions")


def run_predict(given: Given) -> None:
    """Segment or label images."""
    from iic_tf.export.exported_model import find_export, load_export, refuse_other_answers

    rest = dict(given)
    source, images, out = rest.pop("run"), rest.pop("images"), rest.pop("out")
    asked = _answer(rest)
    export = find_export(source)
    model: Any
    if export is not None:
        refuse_other_answers(export, **asked)
        model = load_export(export)
        task = model.card.task
    else:
        from iic_tf.training.recipe_files import run_recipe

        model = opened(source)
        task = run_recipe(model).task
    if task == "segmentation":
        from iic_tf.export.predict import predict

        predict(model, images, out, **asked, **rest, say=say)
        return
    from iic_tf.export.predict_images import predict_images

    if rest:
        unfit = ", ".join(f"--{name.replace('_', '-')}" for name in rest)
        raise InputError(
            "Expected of these options only --head, --classes and --overclusters for a clustering "
            f"run, which labels whole images; received {unfit}."
        )
    predict_images(model, images, out, **asked, say=say)


def export_options() -> list[Option]:
    """The options of `iic-tf export`."""
    place = "RUN/export/, by the format"
    return [
        RUN,
        Option(
            "format",
            Literal["savedmodel", "onnx", "serving", "deepness", "web"],
            "of the model",
            "FORMAT",
            required=True,
        ),
        Option("out", str, "where to write it", "PATH", default=place),
        *_answer_options(),
        Option("labels_only", bool, "no probabilities, and labels as int16: smaller answers"),
        Option("uint8", bool, "take pixels as uint8: smaller requests, which can't tell no data"),
        Option("uint16", bool, "take pixels as uint16, likewise"),
        Option("int8", bool, "of onnx: weights of 8 bits; labels differ a little, and it says how"),
        Option("overwrite", bool, "replace what is there"),
    ]


def run_export(given: Given) -> None:
    """Write a model for serving."""
    from iic_tf.export.export import export
    from iic_tf.export.form import FLOAT32, INTEGERS, Form

    overwrite, asked = given.get("overwrite", False), _answer(dict(given))
    kinds = [kind for kind in INTEGERS if given.get(kind)]
    if len(kinds) > 1:
        raise expected("one of --uint8 and --uint16", "both")
    form = Form(kinds[0] if kinds else FLOAT32, given.get("labels_only", False))
    run = opened(given["run"])
    int8 = given.get("int8", False)
    place = given.get("out")
    export(run, given["format"], place, overwrite, say=say, form=form, int8=int8, **asked)


def say(line: str) -> None:
    """Show a line to the user, at once."""
    print(line, flush=True)
