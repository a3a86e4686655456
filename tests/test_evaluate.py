"""How scores are taken: folds, mapping, the chosen sub-head."""

import numpy as np
import pytest

from iic_tf.errors import InputError
from iic_tf.training.best_losses import best_losses
from iic_tf.training.evaluate import evaluate, overclustering
from iic_tf.training.folds import FoldConfusions, split_folds
from iic_tf.training.run import Run
from iic_tf.turns import OVERCLUSTERING

NAMES = ["a", "b"]


def found(*folds):
    return FoldConfusions([{OVERCLUSTERING: [np.asarray(fold, np.int64)]} for fold in folds])


def test_every_scene_is_dealt_once_and_evenly():
    names = [f"scene {i}" for i in range(13)]
    parts = split_folds(names, 5, seed=0)
    assert sorted(name for part in parts for name in part) == sorted(names)
    assert sorted(len(part) for part in parts) == [2, 2, 3, 3, 3]
    assert parts == split_folds(names, 5, seed=0)
    assert parts != split_folds(names, 5, seed=1)


def test_there_are_no_more_folds_than_scenes():
    assert sorted(split_folds(["x", "y"], 5, 0)) == [("x",), ("y",)]
    assert split_folds(["x"], 5, 0) == [("x",)]


def test_a_fold_is_scored_with_the_mapping_of_the_others():
    # Cluster 0 is a in both folds, cluster 1 is b in the first and a in the second: there the
    # first fold's mapping is wrong, and the other way round.
    both = found([[4, 0], [0, 3]], [[2, 5], [0, 0]])
    result = overclustering(both, NAMES, 0)
    assert result.accuracy == pytest.approx((4 + 0 + 2 + 0) / 14)
    # Neither NMI nor ARI knows folds: whole is [[6, 5], [0, 3]].
    assert result.nmi == pytest.approx(overclustering(found([[6, 5], [0, 3]]), NAMES, 0).nmi)
    assert result.ari == pytest.approx(overclustering(found([[6, 5], [0, 3]]), NAMES, 0).ari)


def test_a_single_scene_is_mapped_from_itself():
    assert overclustering(found([[4, 0], [1, 3]]), NAMES, 0).accuracy == pytest.approx(7 / 8)


def test_a_cluster_that_the_others_never_saw_gets_their_commonest_class():
    result = overclustering(found([[0, 6], [0, 1]], [[2, 0], [9, 0]]), NAMES, 0)
    # First fold by the second: cluster 1 unseen there, b is commonest; and a for the second.
    assert result.accuracy == pytest.approx((1 + 2) / 18)


def test_losses_are_those_of_the_best_epoch_by_the_main_head(tmp_path):
    run = Run(tmp_path)
    run.metrics_file.write_text(
        "epoch,main_loss,main_loss_0,overclustering_loss_0,overclustering_loss_1\n"
        "1,-0.5,-0.5,-1.0,-0.9\n"
        "2,-0.9,-0.9,-1.0,-1.2\n"
        "3,-0.7,-0.7,-2.0,-1.2\n"
    )
    assert best_losses(run) == {"main": [-0.9], "overclustering": [-1.0, -1.2]}
    run.metrics_file.write_text("epoch,main_loss,main_loss_0\n1,-0.5,-0.5\n")
    assert best_losses(run) == {"main": [-0.5], "overclustering": []}


def test_losses_are_those_of_the_epoch_that_is_kept_where_the_lowest_loss_is_not(tmp_path):
    run = Run(tmp_path)
    run.metrics_file.write_text(
        "epoch,best,main_loss,main_loss_0\n1,1,0.5,0.5\n2,1,0.2,0.2\n3,1,0.4,0.4\n"
    )
    assert best_losses(run) == {"main": [0.4], "overclustering": []}


def test_one_fold_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 2 folds; received folds=1"):
        evaluate(Run(tmp_path), folds=1)
