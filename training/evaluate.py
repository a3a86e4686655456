"""Scores of a run beside baselines on the same pixels or images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts, Json
from iic_tf.data.registry import check_options
from iic_tf.metrics import (
    Scores,
    adjusted_rand_index,
    apply_mapping,
    many_to_one,
    normalised_mutual_information,
    one_to_one,
    scores,
)
from iic_tf.pictures import confusion_picture
from iic_tf.training.answer import groups_of
from iic_tf.training.atomic import replacing
from iic_tf.training.best_losses import best_losses, chosen_overclusters
from iic_tf.training.best_model import best_model
from iic_tf.training.folds import FoldConfusions, Split
from iic_tf.training.json_files import write_json
from iic_tf.training.named_scores import grouped_scores, named_scores
from iic_tf.training.places import make_folder, place_of
from iic_tf.training.probe import probe_table, probed
from iic_tf.training.recipe import LAST, LOWEST
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.score_table import MANY_TO_ONE, ONE_TO_ONE, UNTRAINED, protocol, table
from iic_tf.training.tasks.registry import TASKS
from iic_tf.training.verdict import verdict
from iic_tf.turns import MAIN, OVERCLUSTERING

CHOSEN_BY = {
    LOWEST: "lowest unsupervised loss of epoch and sub-head",
    LAST: "the last epoch",
}
"""What chose the model, by `Recipe.keep`."""


def evaluate(
    run: Run,
    places: Mapping[str, str] | None = None,
    folds: int = 5,
    say: Callable[[str], None] = print,
    labelled: int | None = None,
    classes: int | None = None,
    probe: bool = False,
    known: Mapping[str, Facts] | None = None,
    untrained: bool = True,
) -> Json:
    """Score the best model of a run; write `evaluation.json` and confusion pictures.

    Of other data than those of the training they go to `RUN/evaluations/NAME`, by the name of the
    data's folder.

    The main head is matched one to one by the Hungarian method over all that is labelled (the
    papers' unsupervised protocol), where it has a cluster for each class. For the overclustering
    head, IIC*'s one head, and a main head of more or fewer clusters than the labels have classes,
    the labelled images are split into folds: each fold is scored with the many-to-one mapping that
    the others give, so that every label counts once and nothing is scored with its own. With
    `labelled` so many drawn images give the mapping, of either kind, and all others are scored.
    Sub-heads were chosen in training, by loss.

    Classes that `iic-tf label` named are scored as they are named, on images whose labels did not
    name them, where there are any.

    Args:
        run: a trained run.
        places: where else to look, by the names of the data set's options: `data`, `masks`,
            `class_file`, `image_glob`, `mask_glob`; what is left out stays as it was in training.
        folds: how many; as many as there are labelled images where these are fewer.
        say: gets each line shown to the user.
        labelled: from how many images the mapping is, in place of folds.
        classes: score so many groups of the finest head's clusters by their tree, too.
        probe: say what labels make of the features, too, see `iic_tf.training.probe`.
        known: summaries of baselines that another run of the same clusters, data and seed has.
        untrained: score the same network before training, too.

    Raises:
        InputError: nothing labelled, or no more than `labelled`, data missing, or a place that the
            run's data set does not know.
    """
    split = Split(folds, labelled)
    recipe = run_recipe(run)
    check_options(run.config()["source"].get("dataset", "folder"), places or {})
    place = place_of(run, places or {})
    if classes is not None:
        # What cannot be had is told before anything is scored.
        groups_of(run, best_model(run, recipe.model_class), classes)
    scored = TASKS[recipe.task].scored(run, recipe, place.source, split)
    names = scored.names
    matched = recipe.one_to_one and recipe.clusters[MAIN] == len(names)
    chosen = run.load_best(compiled=False).sub_head
    notes = (*place.notes, *scored.notes)
    for note in notes:
        say(f"note: {note}")
    if recipe.one_to_one and not matched:
        say(
            f"note: the labels have {len(names)} classes ({', '.join(names)}), the main head "
            f"{recipe.clusters[MAIN]} clusters: they are mapped many to one"
        )
    images = scored.images - (labelled or 0)
    say(f"scoring {images} labelled images of {scored.of}")
    # What nobody trains is its own untrained network, and k-means its own baseline.
    bare = recipe.trains and untrained
    baselines = [one for one in scored.baselines if bare or one not in UNTRAINED]
    known = known or {}
    found = {w: scored.found(w) for w in ("trained", *baselines) if w not in known}
    losses, over = best_losses(run), chosen_overclusters(run)
    result = summary(found["trained"], names, chosen, over, matched)
    counts = apply_mapping(*mapped(found["trained"], MAIN, chosen, matched), len(names))
    # Rows true, columns predicted.
    result["confusion"] = counts.tolist()
    result["sub_heads"] = sub_heads(found["trained"], names, losses[MAIN], matched)
    result["baselines"] = {
        name: known[name]
        if name in known
        else summary(found[name], names, 0, None if over is None else 0, matched)
        for name in baselines
    }
    result |= {
        "sub_head": chosen,
        "chosen_by": CHOSEN_BY[recipe.keep],
        "mapping": ONE_TO_ONE if matched else MANY_TO_ONE,
        "largest_class": largest_class(result),
        "images": images,
        "labelled": labelled,
        "folds": None if labelled else scored.folds,
        "fold_images": scored.fold_images,
        "protocol": protocol(scored, over is not None, matched, labelled),
        "source": place.source,
        "notes": notes,
    }
    if classes is not None:
        result["groups"] = grouped_scores(run, found["trained"], names, classes)
    told = named_scores(run, scored, place.source)
    if told is not None:
        result["named"] = told
    result["verdict"] = verdict(result)
    if probe:
        result["probe"] = probed(run, recipe, scored, place.source)
    shown = found["trained"].shown(MAIN, chosen)
    class_of = (one_to_one if matched else many_to_one)(shown)
    result["class_of_cluster"] = class_of.tolist()
    make_folder(place.pictures)
    write_json(place.file, result)
    drawn = _pictures(place.pictures, found["trained"], names, chosen, over, matched)
    drawn += scored.draw(class_of, place.pictures)
    for line in (*table(result), *result["verdict"]):
        say(line)
    if probe:
        for line in probe_table(result["probe"]):
            say(line)
    written = [place.file, *(place.pictures / name for name in drawn)]
    say(f"written: {', '.join(map(str, written))}")
    return result


def sub_heads(
    found: FoldConfusions, names: Sequence[str], losses: Sequence[float], matched: bool = True
) -> Json:
    """Loss and accuracy of every sub-head of the main head.

    The accuracy of the chosen one is the run's; `best_with_labels` is what labels would have
    chosen, and says nothing of what can be had without them.
    """
    accuracies = []
    for i in range(len(losses)):
        accuracies.append(scores(*mapped(found, MAIN, i, matched), names).accuracy)
    return {
        "losses": list(losses),
        "accuracies": accuracies,
        "mean": float(np.mean(accuracies)),
        "best_with_labels": max(accuracies),
    }


def summary(
    found: FoldConfusions,
    names: Sequence[str],
    main: int,
    over: int | None,
    matched: bool = True,
) -> Json:
    """Scores of one labeller: the main head at the top, `overclustering` inside, if any."""
    result = head_scores(found, names, MAIN, main, matched).to_json()
    if over is not None:
        result["overclustering"] = overclustering(found, names, over).to_json()
    return result


def mapped(
    found: FoldConfusions, head: str, sub_head: int, matched: bool
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts by class and cluster of what is scored, and the class of each of their columns.

    Args:
        found: the counts.
        head: whose.
        sub_head: its number.
        matched: one to one; else many to one, as `FoldConfusions.across`.
    """
    if matched:
        return found.whole(head, sub_head), one_to_one(found.shown(head, sub_head))
    return found.across(head, sub_head)


def overclustering(found: FoldConfusions, names: Sequence[str], over: int) -> Scores:
    """Many to one, each fold with the mapping of the others."""
    return head_scores(found, names, OVERCLUSTERING, over, matched=False)


def head_scores(
    found: FoldConfusions, names: Sequence[str], head: str, sub_head: int, matched: bool
) -> Scores:
    """Of one head, see `mapped`; NMI and ARI need no mapping."""
    whole = found.whole(head, sub_head)
    return replace(
        scores(*mapped(found, head, sub_head, matched), names),
        nmi=normalised_mutual_information(whole),
        ari=adjusted_rand_index(whole),
    )


def largest_class(result: Facts) -> Json:
    """The class that most of what is scored is of: its share is the accuracy of saying only it."""
    largest = max(result["per_class"], key=lambda line: line["share"])
    return {"name": largest["name"], "share": largest["share"]}


def _pictures(
    folder: Path,
    found: FoldConfusions,
    names: Sequence[str],
    main: int,
    over: int | None,
    matched: bool,
) -> list[str]:
    counts = apply_mapping(*mapped(found, MAIN, main, matched), len(names))
    pictures = {"confusion.png": (counts, ONE_TO_ONE if matched else MANY_TO_ONE)}
    if over is not None:
        across = apply_mapping(*found.across(OVERCLUSTERING, over), len(names))
        pictures["confusion_overclustering.png"] = (across, "overclusters, many to one")
    for file, (confusion, title) in pictures.items():
        with replacing(folder / file) as temporary:
            confusion_picture(confusion, names, title).save(temporary)
    return list(pictures)
