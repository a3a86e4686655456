"""Scores of a run beside baselines on the same pixels or images."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from iic_tf.data.registry import check_options
from iic_tf.errors import InputError, expected
from iic_tf.metrics import (
    Scores,
    adjusted_rand_index,
    apply_mapping,
    normalised_mutual_information,
    one_to_one,
    scores,
)
from iic_tf.pictures import confusion_picture
from iic_tf.training.atomic import replacing
from iic_tf.training.folds import FoldConfusions
from iic_tf.training.json_files import write_json
from iic_tf.training.places import make_folder, place_of
from iic_tf.training.recipe import LAST, LOWEST
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.scored import Scored
from iic_tf.training.tasks.registry import TASKS
from iic_tf.turns import MAIN, OVERCLUSTERING

BASELINES = {
    "kmeans": "k-means on pixels",
    "kmeans_features": "k-means on untrained features",
    "untrained": "untrained network",
}

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
) -> dict[str, Any]:
    """Score the best model of a run; write `evaluation.json` and confusion pictures.

    Of other data than those of the training they go to `RUN/evaluations/NAME`, by the name of the
    data's folder.

    The main head is matched one to one by the Hungarian method over all that is labelled (the
    papers' unsupervised protocol). For the overclustering head the labelled images are split into
    folds: each fold is scored with the many-to-one mapping that the others give, so that every
    label counts once and nothing is scored with its own. Sub-heads were chosen in training, by
    loss.

    Args:
        run: a trained run.
        places: where else to look, by the names of the data set's options: `data`, `masks`,
            `class_file`, `image_glob`, `mask_glob`; what is left out stays as it was in training.
        folds: how many; as many as there are labelled images where these are fewer.
        say: gets each line shown to the user.

    Raises:
        InputError: nothing labelled, another number of classes than the run has, data missing, or
            a place that the run's data set does not know.
    """
    if folds < 2:
        raise expected("at least 2 folds", folds, "folds")
    recipe = run_recipe(run)
    check_options(run.config()["source"].get("dataset", "folder"), places or {})
    place = place_of(run, places or {})
    scored = TASKS[recipe.task].scored(run, recipe, place.source, folds)
    names = scored.names
    if len(names) != recipe.classes:
        raise InputError(
            f"Expected {recipe.classes} classes in the labels, as many as the run's main head has "
            f"clusters; received {len(names)}: {', '.join(names)}."
        )
    chosen = run.load_best().sub_head
    notes = (*place.notes, *scored.notes)
    for note in notes:
        say(f"note: {note}")
    say(f"scoring {scored.images} labelled images of {scored.of}")
    found = {which: scored.found(which) for which in ("trained", *scored.baselines)}
    losses, over = best_losses(run), chosen_overclusters(run)
    result = summary(found["trained"], names, chosen, over)
    result["sub_heads"] = sub_heads(found["trained"], names, losses[MAIN])
    result["baselines"] = {
        name: summary(found[name], names, 0, None if over is None else 0)
        for name in scored.baselines
    }
    result |= {
        "sub_head": chosen,
        "chosen_by": CHOSEN_BY[recipe.keep],
        "images": scored.images,
        "folds": scored.folds,
        "fold_images": scored.fold_images,
        "protocol": protocol(scored, over is not None),
        "source": place.source,
        "notes": notes,
    }
    make_folder(place.pictures)
    write_json(place.file, result)
    drawn = _pictures(place.pictures, found["trained"], names, chosen, over)
    drawn += scored.draw(one_to_one(found["trained"].whole(MAIN, chosen)), place.pictures)
    for line in table(result):
        say(line)
    written = [place.file, *(place.pictures / name for name in drawn)]
    say(f"written: {', '.join(map(str, written))}")
    return result


def protocol(scored: Scored, overclusters: bool) -> str:
    """How scores were taken, in a sentence."""
    main = f"main head: one to one (Hungarian method) over all labelled {scored.unit}"
    if not overclusters:
        return main
    if scored.folds == 1:
        return main + "; overclustering: many to one, mapped and scored on the same one image"
    return (
        main + f"; overclustering: many to one, each of {scored.folds} folds of images with the "
        "mapping of the others"
    )


def best_losses(run: Run) -> dict[str, list[float]]:
    """The losses of each head's sub-heads in the best epoch; none where there is no such head.

    It is the one whose model is kept: the last that was the best so far, by `KeepBest`.
    """
    try:
        with run.metrics_file.open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        kept = [row for row in rows if row.get("best") == "1"]
        best = kept[-1] if kept else min(rows, key=lambda row: float(row["main_loss"]))
        losses: dict[str, list[float]] = {}
        for head in (MAIN, OVERCLUSTERING):
            found = losses[head] = []
            while f"{head}_loss_{len(found)}" in best:
                found.append(float(best[f"{head}_loss_{len(found)}"]))
        if not losses[MAIN]:
            raise ValueError("no losses of sub-heads")
        return losses
    except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
        raise InputError(
            f"Expected the figures of each epoch in {run.metrics_file}; received {error!r}."
        ) from error


def chosen_overclusters(run: Run) -> int | None:
    """The overclustering sub-head of lowest loss in the best epoch; None without such a head."""
    losses = best_losses(run)[OVERCLUSTERING]
    return int(np.argmin(losses)) if losses else None


def sub_heads(
    found: FoldConfusions, names: Sequence[str], losses: Sequence[float]
) -> dict[str, Any]:
    """Loss and accuracy of every sub-head of the main head.

    The accuracy of the chosen one is the run's; `best_with_labels` is what labels would have
    chosen, and says nothing of what can be had without them.
    """
    accuracies = []
    for i in range(len(losses)):
        matrix = found.whole(MAIN, i)
        accuracies.append(scores(matrix, one_to_one(matrix), names).accuracy)
    return {
        "losses": list(losses),
        "accuracies": accuracies,
        "mean": float(np.mean(accuracies)),
        "best_with_labels": max(accuracies),
    }


def summary(
    found: FoldConfusions, names: Sequence[str], main: int, over: int | None
) -> dict[str, Any]:
    """Scores of one labeller: the main head at the top, `overclustering` inside, if any."""
    matrix = found.whole(MAIN, main)
    result = scores(matrix, one_to_one(matrix), names).to_json()
    if over is not None:
        result["overclustering"] = overclustering(found, names, over).to_json()
    return result


def overclustering(found: FoldConfusions, names: Sequence[str], over: int) -> Scores:
    """Many to one, each fold with the mapping of the others; NMI and ARI need no mapping."""
    whole = found.whole(OVERCLUSTERING, over)
    return replace(
        scores(*found.across(OVERCLUSTERING, over), names),
        nmi=normalised_mutual_information(whole),
        ari=adjusted_rand_index(whole),
    )


def table(result: dict[str, Any]) -> list[str]:
    """The scores as lines of text."""
    lines = [f"{'':34}accuracy  mean IoU     NMI     ARI"]
    rows = [("trained, one to one", result)]
    rows += [(f"  {BASELINES[name]}", row) for name, row in result["baselines"].items()]
    if "overclustering" in result:
        rows.append(("trained, overclusters many to one", result["overclustering"]))
        rows += [
            (f"  {BASELINES[name]}", row["overclustering"])
            for name, row in result["baselines"].items()
        ]
    for name, row in rows:
        figures = (row[k] for k in ("accuracy", "mean_iou", "nmi", "ari"))
        lines.append(f"{name:34}" + "".join(f"{v:8.3f}" for v in figures))
    lines.append(f"{'class':24}  share  precision  recall    IoU")
    for line in result["per_class"]:
        cells = (line[k] for k in ("share", "precision", "recall", "iou"))
        text = ["   —" if v is None else f"{v:.3f}" for v in cells]
        lines.append(f"{line['name'][:24]:24}  {text[0]}      {text[1]}   {text[2]}  {text[3]}")
    if len(result["sub_heads"]["losses"]) > 1:
        lines += _sub_head_lines(result)
    lines.append(result["protocol"])
    return lines


def _sub_head_lines(result: dict[str, Any]) -> list[str]:
    own = result["sub_heads"]
    pairs = zip(own["losses"], own["accuracies"], strict=True)
    told = ", ".join(f"{loss:.3f} → {accuracy:.3f}" for loss, accuracy in pairs)
    return [
        f"sub-heads, loss → accuracy: {told}",
        f"  chosen by loss: {result['sub_head']}; mean accuracy {own['mean']:.3f}; the best with "
        f"labels, which nobody has: {own['best_with_labels']:.3f}",
    ]


def _pictures(
    folder: Path, found: FoldConfusions, names: Sequence[str], main: int, over: int | None
) -> list[str]:
    matrix = found.whole(MAIN, main)
    pictures = {
        "confusion.png": (apply_mapping(matrix, one_to_one(matrix), len(names)), "one to one"),
    }
    if over is not None:
        across = apply_mapping(*found.across(OVERCLUSTERING, over), len(names))
        pictures["confusion_overclustering.png"] = (across, "overclusters, many to one")
    for file, (confusion, title) in pictures.items():
        with replacing(folder / file) as temporary:
            confusion_picture(confusion, names, title).save(temporary)
    return list(pictures)
