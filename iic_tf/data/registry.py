"""The data sets by name. Each registers itself, in its own file, with its own options::

    @dataset("potsdam", SCENES, "ISPRS Potsdam, ...")
    @dataclass(frozen=True, kw_only=True)
    class Potsdam(FileSource):
        classes: int = 3
        bands: Bands = option("RGBIR", help="bands of the tiles")

        def load(self) -> SceneSet: ...

What a data set has is said by `Source`, what an option may be by `option`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import cache
from typing import TypeVar

from iic_tf.annotations import Facts
from iic_tf.data.source import (
    FileSource,
    Option,
    Source,
    absolute,
    field_names,
    option,
    options_of,
)
from iic_tf.errors import InputError, expected

__all__ = [
    "IMAGES",
    "SCENES",
    "FileSource",
    "Option",
    "Source",
    "absolute",
    "check_options",
    "dataset",
    "dataset_names",
    "option",
    "options",
    "source_class",
    "source_from_dict",
]

SCENES, IMAGES = "scenes", "images"
"""Kinds of data: scenes that crops are cut from, and small images that are taken whole."""

S = TypeVar("S", bound=type[Source])
_REGISTERED: dict[str, type[Source]] = {}


def dataset(name: str, kind: str, about: str) -> Callable[[S], S]:
    """Register a data set: a class decorator, outside `dataclass`.

    Args:
        name: as on the command line.
        kind: `SCENES`, whose `load` gives a `SceneSet`, or `IMAGES`, whose gives an `ImageSet`.
        about: what it holds, in a line.

    Raises:
        ValueError: there is another data set of this name.
    """

    def register(source: S) -> S:
        if name in _REGISTERED:
            raise ValueError(f"Expected one data set called '{name}'; received another one.")
        source.name, source.kind, source.about = name, kind, about
        _REGISTERED[name] = source
        return source

    return register


@cache
def _import_all() -> None:
    """Import every module of this folder, so that its data sets are registered."""
    # Only when names are asked for: the modules of data sets import this one.
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules(importlib.import_module(package).__path__):
        importlib.import_module(f"{package}.{module.name}")


def dataset_names(kind: str | None = None) -> list[str]:
    """The names of all data sets, or of those of one kind; sorted within their kind."""
    _import_all()
    found = [c for c in _REGISTERED.values() if kind in (None, c.kind)]
    return [c.name for c in sorted(found, key=lambda c: (c.kind, c.name))]


def source_class(name: str, kind: str | None = None) -> type[Source]:
    """The class of a data set.

    Args:
        name: the data set's.
        kind: what kind of data it must be, or None for any.

    Raises:
        InputError: there is none of this name and kind.
    """
    if name not in dataset_names(kind):
        raise expected(f"a data set among {', '.join(dataset_names(kind))}", name, "dataset")
    return _REGISTERED[name]


def source_from_dict(values: Facts, kind: str | None = None) -> Source:
    """A source from plain values, as a run's config.json and a command line hold them.

    Args:
        values: the data set's name under `dataset` (none: folder), and values of data sets. Those
            that only other data sets know are left out: older run folders hold the values of all.
        kind: what kind of data it must be, or None for any.

    Raises:
        InputError: an unknown data set or one of another kind, a name that no data set knows, or a
            value that doesn't fit.
    """
    rest = dict(values)
    source = source_class(rest.pop("dataset", "folder"), kind)
    known = {field for name in dataset_names() for field in field_names(source_class(name))}
    for name, value in rest.items():
        if name not in known:
            raise expected(f"a value of a data set among {', '.join(sorted(known))}", value, name)
    if source.name == "folder" and "data_seed" in rest:
        # A run of before 0.2, whose bands are Potsdam's.
        rest.pop("bands", None)
    return source(**{name: rest[name] for name in field_names(source) if name in rest})


def options(name: str | None = None) -> list[Option]:
    """The options of all data sets, or of one, each with the names of all sets that know it.

    Where sets differ in their choices, an option takes what any of them does, which is for each to
    check, and its help says what each of them wants.

    Raises:
        InputError: there is no data set of this name.
    """
    found: dict[str, list[Option]] = {}
    for source in map(source_class, dataset_names()):
        for its in options_of(source):
            found.setdefault(its.name, []).append(replace(its, datasets=(source.name,)))
    wanted = None if name is None else source_class(name).name
    merged = [_merged(same) for same in found.values()]
    return [o for o in merged if wanted is None or wanted in o.datasets]


def _merged(same: list[Option]) -> Option:
    """One option of the same name in several data sets."""
    first = replace(same[0], datasets=tuple(name for o in same for name in o.datasets))
    if all(o.choices == first.choices for o in same):
        return first
    help = "; ".join(
        f"{', '.join(o.datasets)}: {o.help}" + (f" ({', '.join(o.choices)})" if o.choices else "")
        for o in same
    )
    free = not all(o.choices for o in same)
    choices = () if free else tuple(dict.fromkeys(c for o in same for c in o.choices))
    return replace(first, choices=choices, help=help)


def check_options(name: str, given: Iterable[str]) -> None:
    """Refuse options that other data sets know, but this one doesn't.

    Args:
        name: the data set's.
        given: names of options, as `image_glob`; what is no option of any data set is passed over.

    Raises:
        InputError: names the first such option, and who knows it; or an unknown data set.
    """
    source, names = source_class(name), set(given)
    for its in options():
        if its.name in names and source.name not in its.datasets:
            sets = f"data set{'s' * (len(its.datasets) > 1)} {', '.join(its.datasets)}"
            raise InputError(f"Expected {its.flag} only with {sets}; received it with {name}.")
