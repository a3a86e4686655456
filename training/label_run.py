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


def label_run(
    run: Run,
    places: Mapping[str, str] | None = None,
    points: str | None = None,
    attribute: str | None = None,
    labelled: int | None = None,
    names: str | None = None,
    head: Literal["mapping", "linear"] = "mapping",
    fine_tune: bool = False,
    page: Callable[[Naming, Meaning | None, Counts | None], Path] | None = None,
    suggest: int | None = None,
    say: Callable[[str], None] = print,
) -> None:
    """Name the clusters of a run, and keep the names in it; or show what there is to name.

    Args:
        run: a trained run.
        places: where masks are, by the names of the data set's options.
        points: a table of points, or GeoJSON or GeoPackage.
        attribute: which attribute of shapes is the class.
        labelled: use the labels of so many images alone.
        names: a file of named classes.
        head: what labels are made into: names of clusters, or a linear classifier.
        fine_tune: train the trunk on with the labels, under a linear classifier.
        page: writes a page to name clusters by hand, and says where.
        suggest: how many places to suggest.
        say: gets each line shown to the user.

    Raises:
        InputError: labels that do not fit, or options that do not go together.
    """
    if names is not None and (points or labelled or any((places or {}).get(n) for n in _MASKS)):
        raise InputError("Expected names or labels; received --names along with labels.")
    if labelled is not None and labelled < 1:
        raise expected("at least 1 labelled image", labelled, "labelled")
    naming = Naming(run, places, None if points is None else Path(points), attribute, labelled, say)
    meaning: Meaning | None = None
    counts: Counts | None = None
    if names is not None:
        meaning = naming.by_names(Path(names))
    elif points or labelled or naming.data.classes is not None:
        how = FINE_TUNED if fine_tune else LINEAR if head == LINEAR else MAPPING
        meaning, counts = naming.by_labels(how)
    _told(naming, meaning, counts, say)
    if suggest is not None:
        say(f"written: {naming.write_suggestions(naming.suggestions(suggest, counts))}")
    if page is not None:
        say(f"written: {page(naming, meaning, counts)}; open it in a browser")


_MASKS = ("masks", "class_file", "mask_glob")


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
    of = len(naming.data.images) if counts is not None else 0
    if counts is not None:
        say(f"labels of {of} of {naming.data.of} images:")
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
    if known[best] > known[used]:
        ways = {MAPPING: "--head mapping", LINEAR: "--head linear", FINE_TUNED: "--fine-tune"}
        lines.append(f"the better one: {ways[best]} instead")
    return lines
