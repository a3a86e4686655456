"""The report of a run: RUN/report.html, made of the files in its folder alone."""

from __future__ import annotations

import html
import json
import re
import shlex
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

from iic_tf.annotations import Facts
from iic_tf.errors import InputError
from iic_tf.export.report.about_data import data_section, training_section
from iic_tf.export.report.about_scores import agreement_section, labels_section, scores_section
from iic_tf.export.report.embedded import Embedding
from iic_tf.export.report.kept import Kept
from iic_tf.export.report.markup import Html, facts, joined, missing, percent, section, table, tag
from iic_tf.export.report.tree_chart import tree_chart
from iic_tf.training.atomic import replacing
from iic_tf.training.progress import clock
from iic_tf.training.run import Run

REPORT = "report.html"

_WORDS = (
    ("group, cluster", "what the network sorts things into; it has a number and no name"),
    ("head", "the part of the network that answers with one set of groups; `main` has as many as "
     "were asked for, `overclustering` more and finer ones"),
    ("loss", "what training lowers, without labels: two views of the same place should fall into "
     "the same group, and all groups should be used"),
    ("one to one", "each group is matched to one class, so that most is right"),
    ("many to one", "each group gets the class that most of it is, by labels of other images"),
    ("IoU", "of a class: what is rightly said, divided by all that is it or is said to be it; 1 is "
     "perfect"),
    ("NMI, ARI", "how alike groups and classes are, whatever they are called; 0 is chance, 1 the "
     "same"),
    ("k-means", "a simple method that groups pixels by their values alone: what training has to "
     "beat"),
)  # fmt: skip


def write_report(run: Run, out: str | Path | None = None) -> Path:
    """Write all that is known of a run on one page, whole or not at all.

    The page needs no other file and asks no server for anything. What a run does not have is said
    in a line. It is below 5 MB: pictures without room are named, and left in the run's folder.

    Args:
        run: finished or not, of this or an older version.
        out: where to; None: `RUN/report.html`.

    Returns:
        The path.

    Raises:
        InputError: the run's configuration cannot be read, or a folder is at `out`.
    """
    path = run.folder / REPORT if out is None else Path(out)
    if path.is_dir():
        raise InputError(f"Expected a file to write the report to; received the folder {path}.")
    page = report_page(run)
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8", errors="backslashreplace")
    return path


def report_page(run: Run) -> str:
    """The page as text."""
    kept = Kept(run)
    pictures = Embedding()
    folder = shlex.quote(str(run.folder))
    body = [
        _summary(kept),
        _found_section(kept, pictures),
        scores_section(kept, f"iic-tf evaluate {folder}"),
        _pictures_of_scores(kept, pictures),
        _tree_section(kept, folder),
        labels_section(kept),
        data_section(kept),
        training_section(kept),
        agreement_section(kept),
        _cost_section(kept),
        _warnings_section(kept, pictures),
        _again_section(kept),
        section("Words", facts("What they mean here", _WORDS)),
    ]
    parts = {
        "title": html.escape(f"{run.folder.resolve().name}: report"),
        "style": _asset("report.css"),
        "body": joined([part for part in body if part]),
    }
    # In one pass: what is put in is not looked through again.
    return re.sub(r"\{\{(\w+)\}\}", lambda found: str(parts[found[1]]), _asset("report.html"))


def _asset(name: str) -> str:
    return (resources.files("iic_tf.export.report") / "assets" / name).read_text(encoding="utf-8")


def _summary(kept: Kept) -> Html:
    config, recipe = kept.config, kept.recipe
    unit = "images" if kept.whole_images else "pixels"
    lines: list[object] = [
        tag("h1", kept.run.folder.resolve().name),
        tag(
            "p",
            f"A network sorted the {unit} of {config.get('images', 'some')} images into "
            f"{recipe.get('classes', 'some')} groups, without being told what any of them is.",
            class_="lead",
        ),
    ]
    done, asked = len(kept.rows), recipe.get("epochs", 0)
    if kept.facts.get("ended_by_budget") is True:
        minutes = (config.get("budget") or {}).get("minutes", "some")
        told = (
            f"Its budget of {minutes} minutes ended this training behind {done} of {asked} epochs."
        )
        lines.append(tag("p", told, class_="warning"))
    elif done < asked:
        lines.append(
            tag("p", f"This training is not finished: {done} of {asked} epochs.", class_="warning")
        )
    lines.append(_verdict(kept.evaluation, unit))
    return tag("header", joined(lines))


def _verdict(result: Facts, unit: str) -> Html:
    """In a sentence how good it is."""
    if not isinstance(result.get("accuracy"), int | float):
        return tag("p", "How good it is nobody has measured yet: it was not compared with labels.")
    told = (
        f"Compared with labels of {result.get('images')} images, {percent(result['accuracy'])} of "
        f"the {unit} are right."
    )
    largest = result.get("largest_class", {})
    if largest:
        told += f" Always saying “{largest['name']}” would get {percent(largest['share'])}"
    simple = [
        one["accuracy"] for name, one in result.get("baselines", {}).items() if "kmeans" in name
    ]
    if simple:
        told += f", the best of k-means {percent(max(simple))}"
    better = result["accuracy"] > max([*simple, largest.get("share", 0.0)])
    told = told.rstrip(".") + ("." if better else ": this run is no better than that.")
    return tag("p", told, class_="" if better else "warning")


_SPREAD = "Windows from all over the images, then those of which the network is least sure."
"""What the picture shows, of runs that say what was seen in it; older ones had others."""


def _found_section(kept: Kept, pictures: Embedding) -> Html:
    parts: list[object] = [
        pictures.figure(
            kept.pictures("examples.png"),
            "Windows of images, what was found there, and the true classes",
            "Windows from all over the labelled images, then those of which the network is least "
            "sure; groups under the names of the classes that they were matched to.",
        ),
        pictures.figure(
            kept.pictures("confident_matched.png"),
            "The surest images of each class, right ones framed green, wrong ones red",
            "The images that the network is surest of, class by class.",
        ),
    ]
    if not any(parts):
        parts = [
            pictures.figure(
                kept.pictures("found.png"),
                "Windows of images beside the groups found there",
                (f"{_SPREAD} " if kept.found else "Windows of the images. ")
                + "True classes are shown here once the run is evaluated.",
            ),
            pictures.figure(
                kept.pictures("confident.png"),
                "The surest images of each group",
                "The images that the network is surest of, group by group.",
            ),
        ]
    parts.append(
        pictures.figure(
            kept.pictures("bars.png"),
            "Images with bars of the probability of each group",
            "Some images, drawn by chance, and how likely the network takes each group to be.",
        )
    )
    if not any(parts):
        parts = [missing("No picture: no epoch was finished, or the run is of an older version")]
    sure = kept.found.get("certainty")
    if isinstance(sure, int | float):
        parts.append(
            tag("p", f"The likeliest group has a probability of {sure:.2f} on average; "
                f"{1 / max(1, kept.recipe.get('classes', 1)):.2f} would be a guess.")
        )  # fmt: skip
    return section("What was found", *[part for part in parts if part])


def _pictures_of_scores(kept: Kept, pictures: Embedding) -> Html:
    shown = [
        pictures.figure(kept.pictures(name), alt, alt)
        for name, alt in (
            ("confusion.png", "Confusion of the classes, in percent of each true class"),
            ("confusion_overclustering.png", "The same of the finer groups, many to one"),
            ("circle_truth.png", "Images between the classes that they resemble"),
        )
    ]
    shown = [part for part in shown if part]
    return section("Where it goes wrong", *shown) if shown else Html("")


def _tree_section(kept: Kept, folder: str) -> Html:
    title = "Which groups are alike"
    if kept.tree is None:
        return section(title, missing("No tree of the groups yet", f"iic-tf label {folder}"))
    head, tree = kept.tree
    names = [f"group {i}" for i in range(len(tree))]
    if kept.meaning is not None and kept.meaning.head == head:
        for one in kept.meaning.classes:
            for cluster in one.clusters:
                names[cluster] = f"{cluster}: {one.name}"
    told = (
        f"The {len(tree)} groups of the {head} head. Two that meet near the left are hardly told "
        "apart by their surroundings; what is lost by merging them grows to the right."
    )
    return section(title, tag("figure", tree_chart(tree, names), tag("figcaption", told)))


def _cost_section(kept: Kept) -> Html:
    noted = kept.facts
    seconds = noted.get("seconds") or (kept.series("seconds")[-1] if kept.rows else None)
    rows: list[tuple[object, object]] = []
    if isinstance(seconds, int | float) and seconds == seconds:
        rows.append(("time of the training", f"{clock(float(seconds))} (h:mm:ss or m:ss)"))
    if isinstance(noted.get("pairs_per_second"), int | float):
        rows.append(("pairs of views a second", f"{noted['pairs_per_second']:.1f}"))
    if isinstance(noted.get("peak_memory_bytes"), int | float):
        rows.append(("peak memory", f"{noted['peak_memory_bytes'] / 1e9:.2f} GB"))
    machine = noted.get("machine")
    if isinstance(machine, Mapping):
        devices = machine.get("devices") or {}
        told = ", ".join(f"{count} {kind}" for kind, count in devices.items())
        rows.append(("machine", f"{machine.get('system')}, {machine.get('cores')} cores; {told}"))
    if kept.run.best.is_file():
        rows.append(("size of the model's file", f"{kept.run.best.stat().st_size / 1e6:.1f} MB"))
    parts: list[object] = [facts("Speed and memory", rows)] if rows else []
    if "peak_memory_bytes" not in noted:
        parts.append(
            missing("Memory: not recorded; this run is not finished, or of an older version")
        )
    return section("What it cost", *parts)


def _warnings_section(kept: Kept, pictures: Embedding) -> Html:
    told = [tag("li", line) for line in kept.warnings]
    told += [tag("li", f"left out of this page: {what}") for what in pictures.omitted]
    if not told:
        return section("Warnings", tag("p", "None in the run's log."))
    return section("Warnings", tag("ul", *told, class_="warnings"))


def _again_section(kept: Kept) -> Html:
    commands = kept.facts.get("commands") or []
    if commands:
        typed = joined(tag("pre", command, tabindex=0) for command in commands)
    else:
        typed = missing("The command was not recorded. All values of the run are below")
    versions = kept.config.get("versions", {})
    rows = [[name, version] for name, version in versions.items()]
    everything = json.dumps({k: v for k, v in kept.config.items() if k != "data"}, indent=1)
    values = tag("details", tag("summary", "All values of the run"), tag("pre", everything))
    return section(
        "To do it again",
        typed,
        table("Versions", ["package", "version"], rows, False) if rows else missing("No versions"),
        values,
    )
