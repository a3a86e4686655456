"""Curves are drawn as a training goes on, but not oftener than anybody looks."""

import types

from iic_tf.training import look
from iic_tf.training.look import OFTENEST, DrawCurves


def test_short_epochs_are_drawn_together_and_the_last_one_always(tmp_path, monkeypatch):
    now, drawn = [100.0], []
    monkeypatch.setattr(look.time, "monotonic", lambda: now[0])
    row = {"epoch": 1, "main_loss": -0.1, "main_bound": -1.0, "main_share_0": 1.0}
    record = types.SimpleNamespace(rows=[row])
    (tmp_path / "pictures").mkdir()
    curves = DrawCurves(types.SimpleNamespace(pictures=tmp_path / "pictures"), record, "loss")
    real = curves._draw
    monkeypatch.setattr(curves, "_draw", lambda: (drawn.append(len(record.rows)), real()))
    # Epochs of half the time: every second one, and what is left at the end.
    curves.on_train_begin()
    for epoch in range(5):
        now[0] += OFTENEST / 2
        curves.on_epoch_end(epoch)
        record.rows.append({**row, "epoch": epoch + 2})
    assert drawn == [2, 4]
    record.rows.pop()
    curves.on_train_end()
    assert drawn == [2, 4, 5]
    # Nothing is behind: nothing is drawn again.
    curves.on_train_end()
    assert drawn == [2, 4, 5]
    assert {file.name for file in (tmp_path / "pictures").iterdir()} == {
        "losses.png",
        "main_shares.png",
    }
