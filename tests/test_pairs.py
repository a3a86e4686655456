"""Batches of pairs of crops: which, in which order, and what training takes of them."""

import numpy as np
import pytest
import tensorflow as tf

from iic_tf.data.array_scene import from_arrays
from iic_tf.data.crops import box_mean
from iic_tf.data.scene import ClassTable
from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.views.geometry import Geometry, undo
from iic_tf.views.pairs import Pairs
from iic_tf.views.photometry import Photometry

AFFINE = Geometry(rotation=30, shear=10, scale=(0.8, 1.2))
STILL = Photometry(0, 0, 0, 0)


def scenes(sizes=((23, 31), (20, 20), (30, 22)), bands=4, masks=True, seed=0):
    rng = np.random.default_rng(seed)
    images = [rng.integers(0, 256, (*size, bands)).astype(np.uint8) for size in sizes]
    table = ClassTable(("a", "b"), np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    labels = [rng.integers(-1, 2, size) for size in sizes] if masks else None
    return from_arrays(images, labels, table if masks else None)


def assert_same(batch, other):
    assert set(batch) == set(other)
    for name in batch:
        np.testing.assert_array_equal(batch[name], other[name], err_msg=name)


def assert_differ(batch, other):
    assert np.abs(batch["x"] - other["x"]).max() > 0.1


OPTIONS = {
    "grid": {"crop": 10, "batch": 5},
    "random places": {"crop": 8, "batch": 3, "steps": 3},
    "quarter turns": {"crop": 9, "batch": 5, "geometry": Geometry(0.5, 0.5, quarter_turns=True)},
    "affine": {"crop": 10, "batch": 4, "geometry": AFFINE},
    "both views jittered": {"crop": 10, "batch": 4, "jitter_x": True},
    "masks": {"crop": 10, "batch": 4, "masks": True},
    "halved": {"crop": 6, "batch": 4, "downscale": 2, "masks": True},
    "larger than some scenes": {"crop": 22, "batch": 2},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_batches_are_those_of_the_dataset_bit_for_bit(name):
    pairs = Pairs(scenes(), seed=3, **OPTIONS[name])
    again = Pairs(scenes(), seed=3, **OPTIONS[name])
    number = 0
    dataset = again.dataset(0, 2 * len(pairs))
    assert int(dataset.cardinality()) == 2 * len(pairs)
    stream = iter(dataset.as_numpy_iterator())
    for epoch in (0, 1):
        pairs.on_epoch_begin()
        for step in range(len(pairs)):
            batch = {k: v.numpy() for k, v in pairs[step].items()}
            assert_same(batch, next(stream))
            assert (batch["epoch"] == epoch).all()
            number += 1
        pairs.on_epoch_end()
    middle = again.dataset(len(pairs), len(pairs) + 1).as_numpy_iterator()
    assert_same(
        next(middle),
        {k: v.numpy() for k, v in Pairs(scenes(), seed=3, epoch=1, **OPTIONS[name])[0].items()},
    )


@pytest.mark.parametrize("name", ["grid", "random places"])
def test_batches_differ_by_seed_and_epoch(name):
    first = Pairs(scenes(), seed=3, **OPTIONS[name])[0]
    assert_differ(first, Pairs(scenes(), seed=4, **OPTIONS[name])[0])
    assert_differ(first, Pairs(scenes(), seed=3, epoch=1, **OPTIONS[name])[0])
    assert_differ(first, Pairs(scenes(), seed=3, **OPTIONS[name])[1])


def test_shapes_types_and_ranges_of_a_batch():
    batch = Pairs(scenes(), crop=10, batch=5, masks=True)[0]
    assert {k: (tuple(v.shape), v.dtype.name) for k, v in batch.items()} == {
        "x": ((5, 10, 10, 4), "float32"),
        "gx": ((5, 10, 10, 4), "float32"),
        "flip": ((5, 2, 2), "float32"),
        "valid": ((5, 10, 10), "float32"),
        "epoch": ((5,), "int32"),
        "scene": ((5,), "int32"),
        "number": ((5,), "int32"),
    }
    for name in ("x", "gx", "valid"):
        assert float(tf.reduce_min(batch[name])) >= 0
        assert float(tf.reduce_max(batch[name])) <= 1
    assert "valid" not in Pairs(scenes(), crop=10, batch=5)[0]


@pytest.mark.parametrize("masks", [False, True])
def test_plain_views_come_in_the_order_of_the_numbers(masks):
    """Of an epoch, whatever part of it a batch is."""
    pairs = Pairs(scenes(), crop=10, batch=5, masks=masks, photometry=STILL)
    views, valid = zip(*pairs.plain_views(2), strict=True)
    views = np.concatenate(views)
    pairs.epoch = 2
    for step in range(len(pairs)):
        batch = pairs[step]
        assert batch["number"].numpy().tolist() == list(range(5 * step, 5 * step + len(batch["x"])))
        np.testing.assert_array_equal(views[batch["number"]], batch["x"])
        if masks:
            np.testing.assert_array_equal(np.concatenate(valid)[batch["number"]], batch["valid"])
    assert masks or set(valid) == {None}


def test_a_grid_gives_every_crop_once_an_epoch_in_an_order_of_its_own():
    source = scenes()
    pairs = Pairs(source, crop=10, batch=5, photometry=STILL)
    places = [(0, t, x) for t in (0, 10) for x in (0, 10, 20)]
    places += [(1, t, x) for t in (0, 10) for x in (0, 10)]
    places += [(2, t, x) for t in (0, 10, 20) for x in (0, 10)]
    assert len(pairs) == 4
    assert [len(pairs[i]["x"]) for i in range(4)] == [5, 5, 5, 1]
    known = {
        source.normalise(source.scenes[s].read(t, x, 10, 10)).tobytes(): (s, t, x)
        for s, t, x in places
    }
    orders = []
    for epoch in (0, 1):
        pairs.epoch = epoch
        batches = [pairs[i] for i in range(4)]
        orders.append([known[x.numpy().tobytes()] for b in batches for x in b["x"]])
        assert [int(s) for b in batches for s in b["scene"]] == [s for s, _, _ in orders[-1]]
    assert sorted(orders[0]) == sorted(orders[1]) == sorted(places)
    assert orders[0] != orders[1]
    with pytest.raises(IndexError):
        pairs[4]


def test_the_second_view_is_the_first_one_flipped():
    pairs = Pairs(scenes(), crop=10, batch=16, geometry=Geometry(0.5, 0.5), photometry=STILL)
    batch = {k: v.numpy() for k, v in pairs[0].items()}
    assert len({tuple(np.diag(m)) for m in batch["flip"]}) == 4
    for x, gx, m in zip(batch["x"], batch["gx"], batch["flip"], strict=True):
        np.testing.assert_allclose(gx, x[:: int(m[1, 1]), :: int(m[0, 0])], atol=2e-7)
    np.testing.assert_allclose(undo(batch["gx"], batch), batch["x"], atol=2e-7)


def test_the_first_view_stays_as_it_is_unless_told_else():
    source = scenes()
    plain, both = (Pairs(source, crop=10, batch=16, jitter_x=v)[0] for v in (False, True))
    # The second view's draws are the same either way.
    np.testing.assert_array_equal(plain["gx"], both["gx"])
    assert_differ(plain, both)
    np.testing.assert_array_equal(plain["x"][..., 3], both["x"][..., 3])


def test_masks_follow_their_crops():
    rng = np.random.default_rng(0)
    labels = [rng.integers(-1, 2, size) for size in ((23, 31), (30, 22))]
    images = [np.repeat((m != -1)[..., None] * 255, 3, axis=-1).astype(np.uint8) for m in labels]
    table = ClassTable(("a", "b"), np.array([[0, 0, 0], [9, 9, 9]], np.uint8))
    source = from_arrays(images, labels, table)
    for options in ({"steps": 2}, {}, {"downscale": 2}, {"downscale": 3, "steps": 2}):
        batch = Pairs(source, crop=7, batch=6, masks=True, **options)[0]
        np.testing.assert_allclose(batch["valid"], batch["x"][..., 0], atol=1e-6)
        assert 0.2 < float(tf.reduce_mean(batch["valid"])) < 0.9


def test_scenes_without_a_mask_are_valid_everywhere():
    source = scenes(((20, 20), (20, 20)))
    images = [s.image for s in source.scenes]
    labels = [np.full((20, 20), -1), None]
    batch = Pairs(from_arrays(images, labels, source.classes), crop=10, batch=8, masks=True)[0]
    for scene, valid in zip(batch["scene"], batch["valid"], strict=True):
        assert (valid.numpy() == int(scene)).all()


def test_crops_larger_than_a_scene_are_padded_and_not_valid_there():
    source = scenes(((9, 14), (20, 20)), masks=False)
    for options in ({}, {"steps": 3}):
        pairs = Pairs(source, crop=12, batch=8, **options)
        seen = set()
        for i in range(len(pairs)):
            for scene, x, valid in zip(
                *(pairs[i][k].numpy() for k in ("scene", "x", "valid")), strict=True
            ):
                height = (9, 12)[scene]
                assert (valid[:height] == 1).all()
                assert (valid[height:] == 0).all()
                assert (x[height:] == 0).all()
                assert (x[:height] > 0).mean() > 0.9
                seen.add(int(scene))
        assert seen == {0, 1}


@pytest.mark.parametrize("downscale", [1, 2, 3])
@pytest.mark.parametrize("steps", [None, 2])
def test_kept_scenes_give_the_pixels_of_windows_read_anew(downscale, steps):
    options = {"crop": 6, "batch": 5, "downscale": downscale, "steps": steps, "masks": True}
    kept = Pairs(scenes(), cache_bytes=1 << 30, **options)
    anew = Pairs(scenes(), cache_bytes=0, **options)
    assert kept.crops._keep
    assert not anew.crops._keep
    for i in range(len(kept)):
        assert_same(kept[i], anew[i])
    assert kept.crops._kept
    assert not anew.crops._kept


@pytest.mark.parametrize("downscale", [2, 3])
def test_scaling_down_takes_means_of_boxes(downscale):
    source = scenes()
    pairs = Pairs(source, crop=6, batch=50, downscale=downscale, photometry=STILL)
    whole = [box_mean(source.normalise(s.image), downscale) for s in source.scenes]
    batch = pairs[0]
    for scene, x in zip(batch["scene"], batch["x"], strict=True):
        grid = whole[int(scene)]
        crops = [
            grid[t : t + 6, left : left + 6]
            for t in range(0, grid.shape[0] - 5, 6)
            for left in range(0, grid.shape[1] - 5, 6)
        ]
        assert any(np.array_equal(x, crop) for crop in crops)


class Recorder(IICSegmenter):
    """A model that takes no step, but notes what it was given."""

    def train_phase(self, data, phase):
        self.given.append({k: v.numpy() for k, v in data.items()} | {"turn": phase})
        return {"loss": tf.constant(0.0)}


def recorder(**compiled):
    model = Recorder(2, 3, channels=4, width=0.05, radius=1)
    model.compile(run_eagerly=True, **compiled)
    model.given = []
    return model


@pytest.mark.parametrize("name", ["grid", "random places"])
@pytest.mark.parametrize("first", [0, 5])
def test_fit_sees_the_epochs_in_turn_and_their_batches_in_order(name, first):
    pairs = Pairs(scenes(), epoch=first, **OPTIONS[name])
    model = recorder()
    model.fit(pairs, epochs=3, verbose=0)
    expected = list(pairs.dataset(first * len(pairs), (first + 3) * len(pairs)).as_numpy_iterator())
    assert len(model.given) == len(expected)
    for number, (given, batch) in enumerate(zip(model.given, expected, strict=True)):
        epoch = first + number // len(pairs)
        assert given.pop("turn") == ("overclustering", "main")[epoch % 2]
        assert (given["epoch"] == epoch).all()
        assert_same(given, batch)
    # A second call goes on where the first one stopped.
    model.given.clear()
    model.fit(pairs, epochs=1, verbose=0)
    assert {int(e) for given in model.given for e in given["epoch"]} == {first + 3}


def test_fit_sees_the_epochs_in_turn_from_a_dataset():
    pairs = Pairs(scenes(), **OPTIONS["grid"])
    model = recorder()
    steps = len(pairs)
    model.fit(pairs.dataset(0, 3 * steps), steps_per_epoch=steps, epochs=3, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * steps + [1] * steps + [2] * steps


def test_fit_with_several_steps_an_execution_takes_every_batch():
    pairs = Pairs(scenes(), **OPTIONS["grid"])
    model = recorder(steps_per_execution=3)  # 4 batches an epoch
    model.fit(pairs, epochs=2, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * 4 + [1] * 4


def test_evaluation_between_epochs_does_not_move_the_training_pairs_on():
    pairs, held_out = (Pairs(scenes(seed=s), **OPTIONS["grid"]) for s in (0, 1))
    model = recorder()
    model.fit(pairs, validation_data=held_out, epochs=2, verbose=0)
    assert [int(g["epoch"][0]) for g in model.given] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"batch": 0}, "at least 1 pair; received batch=0"),
        ({"steps": 0}, "at least 1 step"),
        ({"steps": -2}, "at least 1 step"),
        ({"seed": -1}, "seed >= 0"),
        ({"crop": 1}, "at least 2 pixels; received crop=1"),
        ({"downscale": 0}, "downscale >= 1"),
    ],
)
def test_pairs_messages(wrong, message):
    with pytest.raises(InputError, match=message):
        Pairs(scenes(), **wrong)


def test_masks_of_a_set_without_masks_are_refused():
    with pytest.raises(InputError, match="masks in data set 'arrays'; received images only"):
        Pairs(scenes(masks=False), masks=True)
