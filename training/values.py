"""Typed values, checked by pydantic; mistakes come out in this package's one form of message."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Strict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError, expected


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("no truth value")
    # YAML 1.1 reads 1e-4 as text: it asks for a point in the number. An integer may be beyond any
    # number that a float can be.
    try:
        return float(value) if isinstance(value, str | int) else value
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _names(value: Any) -> Any:
    return tuple(part.strip() for part in value.split(",")) if isinstance(value, str) else value


def _wholes(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    if not isinstance(value, str):
        return value
    parts = [part.strip() for part in value.split(",")]
    return tuple(int(part) if part.isdigit() else part for part in parts)


MOST = 2**31 - 1
"""Of whole numbers: what TensorFlow counts with has 32 bits."""

Whole = Annotated[int, Strict(), Field(le=MOST)]
"""A whole number of 32 bits; no text, no truth value."""
Real = Annotated[float, BeforeValidator(_number)]
"""A number, also as text, which YAML makes of 1e-4."""
Text = Annotated[str, Strict()]
Flag = Annotated[bool, Strict()]
Wholes = Annotated[tuple[Annotated[int, Strict()], ...], BeforeValidator(_wholes)]
"""Some whole numbers, as a list or with commas between them."""
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
"""Some names, as a list or with commas between them."""


class Values(BaseModel):
    """Values that are checked when they are made and never change.

    Fields may be dataclasses of this package, whose own checks hold as well.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    def __init__(self, **values: Any):
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _in_our_form(type(self), error) from error

    def replaced(self, **values: Any) -> Self:
        """A copy with other values.

        Raises:
            InputError: an unknown name, or a value that does not fit.
        """
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return type(self)(**{**own, **values})

    def to_dict(self) -> Json:
        """Plain values, ready for JSON or YAML."""
        own = {name: getattr(self, name) for name in type(self).model_fields}
        return dict(to_jsonable_python(own))


def known(kind: type[Values], values: Facts) -> Json:
    """Those of the values that a kind of values knows by name."""
    return {name: value for name, value in values.items() if name in kind.model_fields}


def _in_our_form(kind: type[Values], error: ValidationError) -> InputError:
    """The first mistake as one line: what was expected, what came."""
    first = error.errors(include_url=False)[0]
    raised = first.get("ctx", {}).get("error")
    if isinstance(raised, InputError):
        return raised
    path = [str(part) for part in first["loc"]]
    name = ".".join(path)
    if not path:
        return InputError(f"Expected fitting values; received: {first['msg']}.")
    if first["type"] == "extra_forbidden":
        return expected(f"a setting among {', '.join(sorted(kind.model_fields))}", name, "setting")
    return expected(_wanted(kind, path[0], name, first), first["input"], name)


def _wanted(kind: type[Values], field: str, name: str, error: ErrorDetails) -> str:
    inner = dataclass_in(kind.model_fields[field].annotation)
    if inner is not None and (error["type"] == "unexpected_keyword_argument" or name == field):
        names = ", ".join(f.name for f in dataclasses.fields(inner))
        return f"{field} with some of {names}"
    if error["type"] == "literal_error":
        choices = typing.get_args(kind.model_fields[field].annotation)
        return f"one of {', '.join(map(str, choices))}"
    if error["type"] in _BOUNDS:
        return f"{name} {_bound(kind.model_fields[field], error['type'])}"
    words = {"int": "int", "float": "float", "bool": "bool", "string": "str", "tuple": "tuple"}
    plain = words.get(error["type"].split("_")[0])
    if error["type"] == "value_error" and kind.model_fields[field].annotation is float:
        plain = "float"
    return f"{plain or 'a fitting value'} for '{name}'"


_BOUNDS = {"greater_than_equal", "greater_than", "finite_number", "less_than_equal"}


def _bound(field: FieldInfo, mistake: str) -> str:
    """What a field's numbers must be, as `>= 0 and finite`, `>= 1 and at most 2147483647`."""
    said = []
    for sign, name in ((">=", "ge"), (">", "gt")):
        said += [f"{sign} {getattr(b, name):g}" for b in field.metadata if hasattr(b, name)]
    if mistake == "less_than_equal":
        said.append(f"at most {min(b.le for b in field.metadata if hasattr(b, 'le'))}")
    if field.annotation is float:
        said.append("finite")
    return " and ".join(said) or "finite"


def dataclass_in(annotation: Any) -> type[Any] | None:
    """The dataclass that a field holds, or None."""
    return annotation if dataclasses.is_dataclass(annotation) else None  # type: ignore[return-value]
