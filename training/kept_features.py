"""Features of a frozen trunk: computed once before the first step, kept on the disk, bounded."""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.tiles import Tile, tiles_of
from iic_tf.graphs import as_graph
from iic_tf.quiet import meet_halves
from iic_tf.training.progress import clock, progress
from iic_tf.training.recipe import Recipe
from iic_tf.views.draws import generator
from iic_tf.views.feature_pairs import FeaturePairs, KeptTile
from iic_tf.views.numbered_batches import NumberedBatches
from iic_tf.views.pairs import Pairs
from iic_tf.views.tile_versions import TileVersions

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter

SIDE = 512
"""Scenes of larger sides are cut into parts of about so many pixels, or four crops."""
MARGIN = 64
"""Pixels around a part that the trunk sees, too: most of what its cells go by."""
SPARED = 4
"""Kept features are of at most one in so many of the pixels that steps would be of otherwise."""
FEWEST = 100
"""Crops that must find room beside one another, where not all scenes do."""


@contextlib.contextmanager
def on_features(
    model: Segmenter,
    recipe: Recipe,
    pairs: NumberedBatches,
    fixed: NumberedBatches,
    folder: Path | None,
    tell: Callable[[str], None],
) -> Iterator[tuple[NumberedBatches, NumberedBatches]]:
    """Pairs of kept features in place of pairs of images, where a recipe asks and it can be done.

    The features follow from the weights, the recipe and the pairs' seed alone, so that a resumed
    run has the same ones. They are in a file without a name, which is gone behind the body, and
    whatever ends the process. Under a strategy every process keeps all of them.

    Args:
        model: of the training; what it fits before the first epoch is fitted first.
        recipe: what it is trained by.
        pairs: of the training.
        fixed: those that an epoch is judged by.
        folder: where there is to be room; None: among the system's temporary files.
        tell: gets the line that says what is kept, or why nothing is.

    Yields:
        Pairs and fixed pairs, the given ones where nothing is kept.

    Raises:
        OSError: there is no room.
    """
    if not recipe.kept[0]:
        yield pairs, fixed
        return
    found = _plan(model, recipe, pairs)
    if isinstance(found, str):
        tell(f"features not kept: {found}")
        yield pairs, fixed
        return
    assert isinstance(pairs, Pairs)
    assert isinstance(fixed, Pairs)
    started = time.monotonic()
    model.before_epoch(pairs, 0)
    tiles = _keep(model, found, folder)
    size = sum(tile.features.nbytes for tile in tiles) / 1e6
    room = f"{size / 1e3:.1f} GB" if size >= 1e3 else f"{size:.0f} MB"
    tell(f"features kept: {found.text}, {room}, in {clock(time.monotonic() - started)}")

    def drawn_from(images: Pairs) -> FeaturePairs:
        crop = images.crops.size // model.trunk.stride
        return FeaturePairs(
            *(tiles, crop, images.batch, images.steps, images.seed),
            plain_x=not images.jitter_x,
            holes=images.crops.holes,
            batch_scenes=images.batch_scenes,
        )

    meet_halves()
    try:
        yield drawn_from(pairs), drawn_from(fixed)
    finally:
        # TensorFlow holds on to pairs that it has read.
        tiles.clear()


@dataclass(frozen=True)
class _Plan:
    """What is kept."""

    source: TileVersions
    tiles: Sequence[Tile]
    versions: int
    text: str


def _plan(model: Segmenter, recipe: Recipe, pairs: NumberedBatches) -> _Plan | str:
    """What is kept, or why nothing is."""
    hindered = _hindrance(model, pairs)
    if hindered is not None or not isinstance(pairs, Pairs):
        return hindered or "pairs of whole images"
    trunk, crops = model.trunk, pairs.crops
    margin = -(-min(MARGIN, trunk.receptive_radius) // trunk.align) * trunk.align
    source = TileVersions(
        *(crops, pairs.geometry, pairs.photometry, not pairs.jitter_x, pairs.seed),
        *(trunk.stride, trunk.align, margin),
    )
    side = max(SIDE, 4 * crops.size)
    tiles = tiles_of(crops.shapes, side, trunk.align)
    cells = np.asarray([np.prod(source.cells(tile)) for tile in tiles], np.int64)
    wanted, most_bytes = recipe.kept
    crop = (crops.size // trunk.stride) ** 2
    on_disk = most_bytes // (2 * trunk.features)
    worth = 2 * recipe.epochs * pairs.steps * pairs.batch * crop // SPARED
    room = min(on_disk, worth)
    versions, chosen = _fitting(cells, wanted, room, pairs.seed)
    limit = (
        f"{most_bytes / 1e9:g} GB (kept_gigabytes)"
        if on_disk < worth
        else f"a training of {recipe.epochs * pairs.steps} steps"
    )
    if len(chosen) < len(tiles) and cells[chosen].sum() < FEWEST * crop:
        return f"{limit} is too little for 2 versions of {FEWEST} crops"
    text = f"{len(crops.shapes)} images × {versions} versions"
    if len(chosen) < len(tiles):
        text = f"{len(chosen)} of {len(tiles)} parts of images × {versions} versions"
    if versions < wanted:
        text += f", as many as fit {limit}"
    return _Plan(source, [tiles[i] for i in chosen], versions, text)


def _hindrance(model: Segmenter, pairs: NumberedBatches) -> str | None:
    """Why features cannot be kept, if so."""
    if not getattr(model, "cells", False):
        return "pixels are compared, not cells"
    if not model.frozen_trunk or model.trunk.trainable_variables:
        return "the trunk, or what it sees, is trained"
    if not isinstance(pairs, Pairs):
        return "pairs of whole images"
    if pairs.geometry.affine:
        return "views are warped (rotation, shear or scale)"
    if pairs.grid is not None:
        return "an epoch is a grid of crops (steps is 0)"
    if pairs.crops.size % model.trunk.stride:
        return f"crops are no multiple of {model.trunk.stride} pixels"
    return None


def _fitting(
    cells: NDArray[np.int64], wanted: int, room: int, seed: int
) -> tuple[int, NDArray[np.int64]]:
    """How many versions of which tiles find room for so many cells.

    Fewer versions first; of 2 that are too many, some tiles, drawn evenly.
    """
    versions = min(wanted, room // int(cells.sum()))
    if versions >= 2:
        return versions, np.arange(len(cells))
    order = generator(seed, 0, 0, "kept").permutation(len(cells))
    count = int(cells[order].cumsum().searchsorted(room // 2, side="right"))
    return 2, np.sort(order[:count])


def _keep(model: Segmenter, plan: _Plan, folder: Path | None) -> list[KeptTile]:
    """Features of the planned tiles in one memory-mapped file."""
    channels = plan.source.crops.set.channels
    # Of any size, so that no result hangs on which size comes first.
    network = as_graph(
        model.features,
        input_signature=[tf.TensorSpec((None, None, None, channels), tf.float32)],
    )
    with tempfile.TemporaryFile(dir=folder) as file:
        shapes = []
        for tile in _tracked(plan.tiles):
            found = plan.source.features(tile, plan.versions, network)
            # Written, not mapped: a full disk is an error here, and a signal there.
            file.write(found.tobytes())
            shapes.append(found.shape)
        file.flush()
        every = np.asarray(np.memmap(file, np.float16, "r"))
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    return [
        KeptTile(tile.scene, part.reshape(shape), plan.source.shares(tile))
        for tile, part, shape in zip(plan.tiles, np.split(every, ends[:-1]), shapes, strict=True)
    ]


def _tracked(tiles: Sequence[Tile]) -> Iterator[Tile]:
    """Tiles under a bar of how many pixels are done."""
    with progress("features", sum(tile.height * tile.width for tile in tiles) / 1e6) as bar:
        for tile in tiles:
            yield tile
            bar.advance(tile.height * tile.width / 1e6)
