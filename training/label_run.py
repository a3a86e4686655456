"""What `iic-tf label` does, in order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from iic_tf.errors import InputError, expected
from iic_tf.training.label import MAPPING, Naming, lines_of
from iic_tf.training.labelled import Counts
from iic_tf.training.meaning import FINE_TUNED, LINEAR, Meaning
from iic_tf.training.run import Run
from iic_tf.training.run_config import CONSENSUS


def label_run(
    run: Run,
    places: Mapping[str, str] | None = None,
    points: str | None = None,
    attribute: str | None = None,
    labelled: int | None = None,
    names: str | None = None,
    head: Literal["mapping", "linear"] | None = None,
    fine_tune: bool = False,
    page: Callable[[Naming, Meaning | None, Counts | None], Path] | None = None,
    suggest: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Name the clusters of a run, and keep the names in it; or show what there is to name.

    A run that has names keeps them until labels, names, `head` or `fine_tune` are given: without
    any of these they are shown, and the page and the suggestions go by them.

    Args:
        run: a trained run.
        places: where masks are, by the names of the data set's options.
        points: a table of points, or GeoJSON or GeoPackage.
        attribute: which attribute of shapes is the class.
        labelled: use the labels of so many images alone.
        names: a file of named classes.
        head: what labels are made into: names of clusters, or a linear classifier. None: names,
            where the run has none yet.
        fine_tune: train the trunk on with the labels, under a linear classifier.
        page: writes a page to name clusters by hand, and says where.
        suggest: how many places to suggest.
        say: gets each line shown to the user.

    Raises:
        InputError: labels that do not fit, or options that do not go together.
    """
    masks = any((places or {}).get(n) for n in _MASKS)
    anew = bool(points or labelled or masks or head or fine_tune)
    _check(points, attribute, labelled, names, head, fine_tune, suggest, masks)
    if fine_tune and CONSENSUS in run.config():
        raise InputError(
            f"Expected a run that was trained, to train it on with labels; received {run.folder}, "
            "which was made of several."
        )
    naming = Naming(run, places, None if points is None else Path(points), attribute, labelled, say)
    meaning: Meaning | None = None
    counts: Counts | None = None
    if names is not None:
        meaning = naming.by_names(Path(names))
    elif not anew and (kept := naming.kept()) is not None:
        meaning, counts = kept
        _show(naming, meaning, say)
    elif anew or naming.data.classes is not None:
        how = FINE_TUNED if fine_tune else LINEAR if head == LINEAR else MAPPING
        meaning, counts = naming.by_labels(how)
    if meaning is None or names is not None or naming.scores:
        _told(naming, meaning, counts, say)
    if suggest is not None:
        say(f"written: {naming.write_suggestions(naming.suggestions(suggest, counts))}")
    if page is not None:
        say(f"written: {page(naming, meaning, counts)}; open it in a browser")


_MASKS = ("masks", "class_file", "mask_glob")


def _check(
    points: str | None,
    attribute: str | None,
    labelled: int | None,
    names: str | None,
    head: str | None,
    fine_tune: bool,
    suggest: int | None,
    masks: bool,
) -> None:
    """Refuse what would be left out of account, before anything is read.

    Raises:
        InputError: options that do not go together, or numbers below 1.
    """
    if names is not None and (points or labelled or masks):
        raise InputError("Expected names or labels; received --names along with labels.")
    if names is not None and (head or fine_tune):
        raise InputError(
            "Expected names or a way to learn from labels; received --names along with "
            f"{'--fine-tune' if fine_tune else f'--head {head}'}."
        )
    if fine_tune and head == MAPPING:
        raise InputError(
            "Expected --head mapping or --fine-tune, which fits a classifier; received both."
        )
    if points and masks:
        raise InputError("Expected --points or masks, not both; received both.")
    if attribute is not None and not points:
        raise InputError(
            f"Expected --attribute along with --points; received --attribute {attribute} alone."
        )
    if labelled is not None and labelled < 1:
        raise expected("at least 1 labelled image", labelled, "labelled")
    if suggest is not None and suggest < 1:
        raise expected("at least 1 suggestion", suggest, "suggest")


def _show(naming: Naming, meaning: Meaning, say: Callable[[str], None]) -> None:
    """The names that there are."""
    say(f"named already, in {naming.run.classes_file}:")
    for line in lines_of(meaning, naming.tree.shares if meaning.head == naming.head else None):
        say(line)
    say("to name them anew by labels, give --head mapping or --head linear")


def _told(
    naming: Naming, meaning: Meaning | None, counts: Counts | None, say: Callable[[str], None]
) -> None:
    shares = naming.tree.shares
    if meaning is None:
        picture = naming.draw_tree(None)
        say(f"{naming.clusters} clusters of the {naming.head} head, by their shares:")
        order = sorted(range(naming.clusters), key=lambda c: -shares[c])
        say("  " + ", ".join(f"{c} {shares[c]:.1%}" for c in order))
        say(f"written: {picture}, which of them are alike")
        say("nothing is named: give --masks, --points or --names, or name them by hand: --page")
        return
    if counts is not None:
        say(f"labels of {len(naming.data.images)} of {naming.data.of} images:")
    ours = meaning.head == naming.head
    for line in lines_of(meaning, shares if ours else None):
        say(line)
    if counts is not None:
        for line in _expectation(naming, meaning, counts):
            say(line)
    say(f"written: {naming.run.classes_file}, {naming.run.pictures / 'tree.png'}")
    say("predict, evaluate and export go by it from now on")


def _expectation(naming: Naming, meaning: Meaning, counts: Counts) -> list[str]:
    """What to expect of the names, and of the other way to come by them."""
    scores = naming.scores
    mapping, linear = scores[MAPPING], scores[LINEAR]
    if mapping is None or linear is None:
        return ["how right this is cannot be told of the labels of one image"]
    majority = counts.whole.sum(1).max() / counts.whole.sum()
    lines = [
        f"expected accuracy, of each fold of labelled images by the others: clusters' names "
        f"{mapping:.3f}, a linear classifier {linear:.3f}"
        + (f", fine-tuned {scores[FINE_TUNED]:.3f}" if scores.get(FINE_TUNED) else "")
        + f"; the largest class alone {majority:.3f}"
    ]
    used = meaning.head if meaning.head in scores else MAPPING
    known = {name: score for name, score in scores.items() if score is not None}
    best = max(known, key=lambda name: known[name])
    if known[used] <= majority:
        lines.append("note: that is no better than the largest class everywhere")
    if known[best] > known[used]:
        ways = {MAPPING: "--head mapping", LINEAR: "--head linear", FINE_TUNED: "--fine-tune"}
        lines.append(f"the better one: {ways[best]} instead")
    return lines
