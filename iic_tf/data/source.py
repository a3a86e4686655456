"""Where a data set comes from: its values, each perhaps an option of the command line."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

from iic_tf.annotations import Json
from iic_tf.errors import InputError, expected

T = TypeVar("T")


def option(
    default: T, *, help: str, metavar: str | tuple[str, ...] | None = None, path: bool = False
) -> T:
    """A field of a source that is an option of the command line.

    The option's type and its choices are those of the field's annotation: str, int, float, bool (a
    flag), `Literal` (choices) or a tuple of a fixed length, each perhaps `| None`.

    Args:
        default: the field's value where nothing is given.
        help: what it means, a line.
        metavar: what its value is called in help.
        path: whether the value is a path, which a run keeps as an absolute one.
    """
    how = {"help": help, "metavar": metavar, "path": path}
    made: T = field(default=default, metadata=how)
    return made


@dataclass(frozen=True)
class Option:
    """An option of data sets, as a command line needs it.

    Attributes:
        name: the field's, as `image_glob`; `flag` is `--image-glob`.
        type: str, int, float or bool; of each part, where there are several.
        help, metavar, path: as given to `option`.
        choices: the values allowed; none where all are.
        parts: how many values it takes; None for a single one.
        datasets: the names of the data sets that know it.
    """

    name: str
    type: type
    help: str
    metavar: str | tuple[str, ...] | None = None
    path: bool = False
    choices: tuple[str, ...] = ()
    parts: int | None = None
    datasets: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """How it is written on a command line."""
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a data set comes from: everything needed to load it again.

    Each data set is a subclass, registered by `iic_tf.data.registry.dataset`. Its fields are its
    values; those made by `option` are options of the command line, the others are known to the
    recipe (`classes`, `side`). Lists become tuples, paths text.

    Attributes:
        name, kind, about: of the data set, given by the registry.

    Raises:
        InputError: a value of another type than its field's, or none of its choices.
    """

    name: ClassVar[str]
    kind: ClassVar[str]
    about: ClassVar[str]

    def __post_init__(self) -> None:
        # Here, not above: whoever reads images alone does without.
        from pydantic import TypeAdapter, ValidationError

        hints = typing.get_type_hints(type(self))
        for name in field_names(type(self)):
            value = given = getattr(self, name)
            if isinstance(given, list | Path):
                value = tuple(given) if isinstance(given, list) else str(given)
            if isinstance(value, str) and "\0" in value:
                raise expected(f"{_wanted(name, hints[name])}, without a zero byte", given, name)
            try:
                fit = TypeAdapter(hints[name]).validate_python(value, strict=True)
            except ValidationError as error:
                raise expected(_wanted(name, hints[name]), given, name) from error
            object.__setattr__(self, name, fit)

    def to_dict(self) -> Json:
        """Plain values by name, the data set's name under `dataset`; see `source_from_dict`."""
        return {"dataset": self.name, **dataclasses.asdict(self)}

    def load(self) -> Any:
        """The data: a `SceneSet` or, of kind images, an `ImageSet`.

        Raises:
            DataMissingError: the files are not there.
            InputError: a value is out of its range, or something is unfit in the files.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FileSource(Source):
    """A data set in a folder of the user's."""

    data: str | None = option(None, help="folder of the data set's files", metavar="DIR", path=True)

    @property
    def folder(self) -> str:
        """The folder.

        Raises:
            InputError: none was given.
        """
        if self.data is None:
            raise InputError(
                f"Expected --data with the folder of data set '{self.name}'; received none."
            )
        return self.data


def field_names(source: type[Source]) -> tuple[str, ...]:
    """The names of a data set's values."""
    return tuple(f.name for f in dataclasses.fields(source))


def options_of(source: type[Source]) -> list[Option]:
    """The options of one data set, in the order of their fields."""
    hints = typing.get_type_hints(source)
    found = []
    for its in dataclasses.fields(source):
        if "help" in its.metadata:
            base, choices, parts = _of_hint(hints[its.name])
            found.append(Option(its.name, base, choices=choices, parts=parts, **its.metadata))
    return found


def absolute(path: str | None) -> str | None:
    """An absolute path, so that a run finds its data from any folder."""
    if path is None:
        return None
    try:
        return str(Path(path).expanduser().resolve())
    except (ValueError, RuntimeError) as error:
        # A zero byte; ~ of nobody here.
        raise expected("a path", path, "path") from error


def _of_hint(hint: Any) -> tuple[type, tuple[str, ...], int | None]:
    """Type, choices and number of parts that an annotation stands for."""
    if isinstance(hint, types.UnionType):
        (hint,) = (part for part in typing.get_args(hint) if part is not type(None))
    parts = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return type(parts[0]), parts, None
    if typing.get_origin(hint) is tuple:
        return parts[0], (), len(parts)
    return hint, (), None


def _wanted(name: str, hint: Any) -> str:
    base, choices, parts = _of_hint(hint)
    if choices:
        return f"one of {', '.join(choices)}"
    if parts is not None:
        return f"{parts} numbers for '{name}'"
    words = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}
    return f"{words.get(base, base.__name__)} for '{name}'"
