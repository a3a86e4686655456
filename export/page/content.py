"""What the naming page shows: arrays and plain values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NO_DATA = 255
"""In label maps: no data."""


class Tree(Protocol):
    """What a page needs of a `ClusterTree`."""

    @property
    def merges(self) -> NDArray[np.integer]:
        """`[k - 1, 2]`: step i joins two nodes into node k + i; clusters are nodes 0 to k − 1."""
        ...

    @property
    def losses(self) -> NDArray[np.floating]:
        """`[k - 1]`: information that each step loses, in nats."""
        ...


class Class(Protocol):
    """What a page needs of a `NamedClass`."""

    @property
    def name(self) -> str: ...

    @property
    def colour(self) -> str:
        """`#rrggbb`."""
        ...

    @property
    def number(self) -> int:
        """What stands for it in label files."""
        ...

    @property
    def clusters(self) -> Sequence[int]: ...


@dataclass(frozen=True)
class Crop:
    """A typical place of a cluster, or a typical image.

    Attributes:
        rgb: uint8 `[h, w, 3]`, about 64 pixels a side; all crops of a page are shown as squares.
        mask: bool `[h, w]`, the cluster's pixels; the page dims the others. None: all of it.
    """

    rgb: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class PageCluster:
    """One of the finest clusters; its number is its position.

    Attributes:
        share: of all pixels (or images), 0 to 1.
        colour: `#rrggbb` before it has a name; of a palette of all different ones.
        crops: about six, the most typical first; none where it never occurs.
    """

    share: float
    colour: str
    crops: Sequence[Crop] = ()


@dataclass(frozen=True)
class Example:
    """An image on which clusters are shown and clicked.

    Attributes:
        name: of the image.
        rgb: uint8 `[h, w, 3]`, about 512 pixels at its longest side.
        labels: uint8 `[h, w]`, the cluster of each pixel, `NO_DATA` where there is none. None in
            runs that cluster whole images.
        cluster: of the whole image, in such runs.
    """

    name: str
    rgb: NDArray[np.uint8]
    labels: NDArray[np.uint8] | None = None
    cluster: int | None = None


@dataclass(frozen=True)
class Suggestion:
    """A place at which a label would tell most.

    Attributes:
        image: its name.
        row, column: in the image's own pixels.
        cluster: which lies there.
        reason: a few words.
        example: which of the page's examples shows the place, or None.
        at: row and column on that example, as shown.
        crop: uint8 `[h, w, 3]` around the place, or None.
    """

    image: str
    row: int
    column: int
    cluster: int
    reason: str = ""
    example: int | None = None
    at: tuple[int, int] | None = None
    crop: NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class PageContent:
    """All that a naming page shows.

    Attributes:
        run: its name, in the title.
        head: whose clusters these are, `main` or `overclustering`; for `classes.yaml`.
        clusters: all k, by number; 2 to 255.
        tree: how they merge.
        model: which model's clusters they are, kept in `classes.yaml`; None: not told.
        examples: the images, about eight.
        classes: named already (a `Meaning`'s): the page begins with them.
        guessed: clusters whose class nobody gave (a `Meaning`'s): the page shows them unnamed.
        suggestions: where to label next, the most useful first.
        groups: how many the page begins with; None: at most 12.
        unit: what shares are shares of, `pixels` or `images`.
        command: what to type once the file is there.
        notes: what was left out, a line each.
    """

    run: str
    head: str
    clusters: Sequence[PageCluster]
    tree: Tree
    examples: Sequence[Example] = ()
    classes: Sequence[Class] = ()
    guessed: Sequence[int] = ()
    suggestions: Sequence[Suggestion] = ()
    groups: int | None = None
    model: str | None = None
    unit: str = "pixels"
    command: str = "iic-tf label RUN --names classes.yaml"
    notes: Sequence[str] = ()
