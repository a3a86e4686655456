"""Scores of named classes, as they are named, and of groups of clusters."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Json
from iic_tf.errors import InputError
from iic_tf.metrics import (
    adjusted_rand_index,
    normalised_mutual_information,
    one_to_one,
    scores,
)
from iic_tf.training.answer import CLASSES, answer_of, finest, groups_of
from iic_tf.training.best_model import best_model
from iic_tf.training.folds import Confusions, FoldConfusions
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.score_table import MANY_TO_ONE, ONE_TO_ONE
from iic_tf.training.scored import Scored

GROUPS = "groups"


def grouped_scores(run: Run, found: FoldConfusions, names: Any, groups: int) -> Json:
    """Scores of groups of the finest head's clusters, one to one where they are as many as classes.

    Args:
        run: a trained run.
        found: the counts of its heads.
        names: of the classes.
        groups: how many.

    Raises:
        InputError: another number than the tree can give.
    """
    model = best_model(run, run_recipe(run).model_class)
    head, sub_head = finest(run, model)
    group = groups_of(run, model, groups)
    chosen = model.sub_head if sub_head is None else sub_head
    folds: list[Confusions] = [
        {GROUPS: [merged(fold[head][chosen], group, groups)]} for fold in found.folds
    ]
    grouped = replace(found, folds=folds)
    matched = groups == len(names)
    whole = grouped.whole(GROUPS, 0)
    if matched:
        result = scores(whole, one_to_one(grouped.shown(GROUPS, 0)), names)
    else:
        result = scores(*grouped.across(GROUPS, 0), names)
    result = replace(
        result, nmi=normalised_mutual_information(whole), ari=adjusted_rand_index(whole)
    )
    mapping = ONE_TO_ONE if matched else MANY_TO_ONE
    return {**result.to_json(), "groups": groups, "mapping": mapping}


def merged(counts: NDArray[np.int64], group: NDArray[np.integer], groups: int) -> NDArray[np.int64]:
    """Counts `[classes, clusters]` of groups of clusters, `[classes, groups]`."""
    found = np.zeros((len(counts), groups), np.int64)
    np.add.at(found.T, group, counts.T)
    return found


def named_scores(run: Run, scored: Scored, source: Json) -> Json | None:
    """Scores of the classes that `iic-tf label` named; None where it has not run.

    A pixel is right where its class has the name of its label. Images whose labels named the
    classes are left out, unless there are no others.

    Args:
        run: a trained run.
        scored: the labelled data.
        source: where they are.

    Returns:
        The scores; or only `how`, why there are none: names that fit neither model nor labels cost
        nobody the scores of the clusters.
    """
    if not run.classes_file.exists():
        return None
    try:
        answer = answer_of(run, CLASSES)
    except InputError as error:
        return {"how": f"not scored. {error}"}
    assert answer.meaning is not None
    names = list(scored.names)
    others = [name for name in answer.names if name not in names]
    if len(others) == len(answer.names):
        how = f"not scored: none of {', '.join(others)} is a class of the labels"
        return {"head": answer.meaning.head, "how": how}
    used = _used(run, source)
    counts, images = scored.named(answer.served, used)
    # One more column: what is no class of the labels is never right.
    columns = [names.index(name) if name in names else len(names) for name in answer.names]
    whole = np.zeros((len(names) + 1, len(names) + 1), np.int64)
    np.add.at(whole[: len(names)].T, columns, counts.T)
    mapping = np.arange(len(names) + 1)
    result = scores(whole, mapping, [*names, "(no class of the labels)"]).to_json()
    result["per_class"] = result["per_class"][: len(names)]
    # Those that there are left besides the ones that named the classes.
    unseen = bool(used) and images < scored.images
    told = f"of {images} labelled images" + (
        f", without the {scored.images - images} that named them"
        if unseen
        else ", some of which named them: what to expect of others is said by iic-tf label"
        if used
        else ""
    )
    if others:
        told += f"; {', '.join(others)}: no class of the labels, never right"
    return {**result, "head": answer.meaning.head, "how": told, "images": images}


def _used(run: Run, source: Json) -> set[str]:
    """The names of the images whose labels named the classes, if they are of these data."""
    try:
        found = json.loads(run.naming_file.read_text(encoding="utf-8"))
        same = found["source"].get("data") == source.get("data")
        return set(found["images"]) if same else set()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return set()
