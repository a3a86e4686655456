"""The small YAML file that says what the masks of a folder mean.

An example for masks in colours::

    classes:
      land:            {colours: ["#8429F6"]}
      built:           {colours: ["#3C1098", "#6EC1E4"]}   # a merge: two colours, one class
      green and water: {colours: ["#FEDD3A", "#E2A929"], show: "#2E8B57"}
    ignore: {colours: ["#9B9B9B", "#000000"]}

and one for masks that hold numbers (grey, or the indices of a palette)::

    classes:
      built-up: {values: [0], show: "#C0392B"}
      green:    {values: [1, 4]}
      water:    {values: [2]}
    ignore: {values: [255]}

- `classes`: at least two, by name; their indices are 0, 1, 2, ... in the order of the file. Each
  has `colours` ("#RRGGBB", in quotes: YAML takes a bare # for a comment) or `values` (0 to 65535),
  or both, if some mask files have colours and others numbers. Several make one merged class.
- `show` is the colour of the class in pictures. Without it the first of `colours` is taken, or one
  is chosen.
- `ignore` (may be left out): what is neither trained on nor scored. So is whatever is not listed.

Colours must match exactly: masks of which more than 1 % of the pixels are off by a little, as JPEG
leaves them, are refused; a note says how many pixels have colours that are not listed. 16-bit
colours count by their upper 8 bits.
"""

from __future__ import annotations

import re
from pathlib import Path

from iic_tf.annotations import Json
from iic_tf.data.mask_code import ClassCode, Colour, MaskCode, make_mask_code
from iic_tf.errors import InputError

__all__ = ["MaskCode", "load_classes"]

_EXAMPLE = 'land: {colours: ["#8429F6"]} or land: {values: [3, 4]}'


def load_classes(path: str | Path) -> MaskCode:
    """Read a classes file, as described at the top of this module.

    Returns:
        the code with `.table` (names, colours) and `.decode(mask)`.

    Raises:
        DataMissingError: there is no such file.
        InputError: the file is no YAML or has a mistake; the message names file and key.
    """
    path = Path(path)
    # Here, not above: whoever reads images alone does without YAML.
    from iic_tf.data.yaml_file import read_yaml

    document = read_yaml(path, "a classes file (YAML)", _EXAMPLE)
    where = f"'{path}'"
    top = _mapping(document, where, {"classes", "ignore"})
    classes = top.get("classes")
    if not isinstance(classes, dict) or not classes:
        raise _mistake(where, "classes", f"at least 2 classes, such as {_EXAMPLE}", classes)
    codes = [_class(name, entry, where) for name, entry in classes.items()]
    ignore = None
    if top.get("ignore") is not None:
        ignore = _code("ignore", top["ignore"], where, "ignore", {"colours", "values"})
    try:
        return make_mask_code(codes, ignore)
    except InputError as error:
        raise InputError(f"In {where}: {error}") from error


def _class(name: object, entry: object, where: str) -> ClassCode:
    if not isinstance(name, str) or not name.strip():
        raise _mistake(where, "classes", "class names as text (put it in quotes)", name)
    key = f"classes: {name}"
    code = _code(name, entry, where, key, {"colours", "values", "show"})
    if not code.colours and not code.values:
        raise _mistake(where, key, f"colours or values, such as {_EXAMPLE}", entry)
    return code


def _code(name: str, entry: object, where: str, key: str, allowed: set[str]) -> ClassCode:
    found = _mapping(entry, f"{where}, {key}", allowed)
    show = found.get("show")
    return ClassCode(
        name,
        tuple(_colour(c, where, f"{key}: colours") for c in _list(found, "colours", where, key)),
        tuple(_value(v, where, f"{key}: values") for v in _list(found, "values", where, key)),
        None if show is None else _colour(show, where, f"{key}: show"),
    )


def _mapping(entry: object, where: str, allowed: set[str]) -> Json:
    keys = " and ".join(sorted(allowed))
    if not isinstance(entry, dict):
        raise InputError(f"In {where}: Expected a mapping with the keys {keys}; received {entry}.")
    unknown = [str(k) for k in entry if k not in allowed]
    if unknown:
        raise InputError(f"In {where}: Expected the keys {keys}; received '{unknown[0]}'.")
    return entry


def _list(entry: Json, name: str, where: str, key: str) -> list[object]:
    found = entry.get(name, [])
    if not isinstance(found, list):
        raise _mistake(where, f"{key}: {name}", "a list in square brackets", found)
    return found


def _colour(found: object, where: str, key: str) -> Colour:
    if not isinstance(found, str) or not re.fullmatch(r"#[0-9a-fA-F]{6}", found):
        raise _mistake(where, key, 'a colour "#RRGGBB" in quotes', found)
    return int(found[1:3], 16), int(found[3:5], 16), int(found[5:7], 16)


def _value(found: object, where: str, key: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or not 0 <= found <= 65535:
        raise _mistake(where, key, "whole numbers 0 to 65535", found)
    return found


def _mistake(where: str, key: str, what: str, found: object) -> InputError:
    return InputError(f"In {where}, {key}: Expected {what}; received {found!r}.")
