"""Commands and their options as values, and cyclopts' parser made of them when a command is given.

Nothing here knows what the options are for: `cli.py` says that, from the typed values of recipes
and data sets. Mistakes come out as `InputError`, in this package's one form of message.
"""

from __future__ import annotations

import difflib
import inspect
import io
import shutil
import sys
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal

import cyclopts
from rich.console import Console

from iic_tf.errors import InputError, expected

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from iic_tf.data.registry import Option as SourceOption

Given = dict[str, Any]
"""What was given on the command line, by the options' names; nothing else is in it."""

ALL = "--help-all"
"""Help with rare options, too."""

WIDEST = 100
"""Columns of help, at the most."""


@dataclass(frozen=True)
class Option:
    """An option of a command, or one of its positional arguments.

    Attributes:
        name: as in Python; `class_file` is `--class-file`.
        kind: bool (a flag), int, float, str, a `Literal`, a tuple of so many of these, or
            list[str], which may be given again and again.
        help: what it is, in a line.
        metavar: what stands for its value.
        group: the heading that it stands under.
        default: what help says of it; never part of what was given.
        required: whether it must be there.
        positional: whether it goes by its place.
        rare: whether `--help` leaves it to `--help-all`.
    """

    name: str
    kind: Any
    help: str
    metavar: str | None = None
    group: str = "options"
    default: object = None
    required: bool = False
    positional: bool = False
    rare: bool = False

    @property
    def flag(self) -> str:
        """As it is written: `--class-file`, or what stands for a positional argument."""
        if self.positional:
            return self.metavar or self.name.upper()
        return f"--{self.name.replace('_', '-')}"


@dataclass(frozen=True)
class Verb:
    """A command: `options` are asked for only when it is given, `run` gets what was."""

    name: str
    about: str
    run: Callable[[Given], None]
    options: Callable[[], Sequence[Option]] = tuple
    examples: str = ""


def from_source(option: SourceOption, group: str = "options") -> Option:
    """The command's option for one of data sets."""
    kind: Any = option.type
    if option.choices:
        kind = Literal.__getitem__(option.choices)
    elif option.parts:
        kind = types.GenericAlias(tuple, (option.type,) * option.parts)
    shown = option.metavar
    metavar = " ".join(shown) if isinstance(shown, tuple) else shown
    return Option(option.name, kind, option.help, metavar, group)


def from_field(name: str, field: FieldInfo, metavar: str | None, group: str = "options") -> Option:
    """The command's option for a field of a recipe. Bounds are the recipe's to check."""
    return Option(name, field.annotation, field.description or "", metavar, group)


def command(
    program: str, version: str, about: str, verbs: Sequence[Verb], arguments: Sequence[str]
) -> Callable[[], None]:
    """What the arguments ask for, ready to be called: a verb, or help, or the version.

    Raises:
        InputError: an unknown command or option, or a value that is missing or unfit.
    """
    for word in arguments:
        if "\0" in word:
            # No path and no name has one; a command line cannot hold one at all.
            raise expected("words without a zero byte", repr(word))
    verb, options = _asked(arguments, verbs)
    whole = ALL in arguments
    text = io.StringIO()
    width = min(shutil.get_terminal_size().columns, WIDEST)
    # Not straight to stdout: rich would end the program where its reader has gone.
    console = Console(file=text, width=width, force_terminal=sys.stdout.isatty())
    app = _made(program, about, verbs, {verb: options} if verb else {}, whole)
    app.console, app.version = console, f"{program} {version}"
    words = ["--help" if word == ALL else word for word in arguments] or ["--help"]
    try:
        run, bound, _ = app.parse_args(words, print_error=False, exit_on_error=False)
    except cyclopts.CycloptsError as error:
        raise _in_our_form(error, verb, options, verbs) from error

    def say_or_run() -> None:
        run(*bound.args, **bound.kwargs)
        if text.getvalue():
            print(text.getvalue(), end="", flush=True)

    return say_or_run


def _asked(words: Sequence[str], verbs: Sequence[Verb]) -> tuple[Verb | None, list[Option]]:
    asked = next((word for word in words if not word.startswith("-")), None)
    verb = next((v for v in verbs if v.name == asked), None)
    return verb, list(verb.options()) if verb else []


def completion(program: str, about: str, verbs: Sequence[Verb], shell: str) -> str:
    """A script by which a shell completes commands and options: bash, zsh or fish."""
    app = _made(program, about, verbs, {one: list(one.options()) for one in verbs}, True)
    return app.generate_completion(prog_name=program, shell=shell)  # type: ignore[arg-type]


def _made(
    program: str,
    about: str,
    verbs: Sequence[Verb],
    options: Mapping[Verb, Sequence[Option]],
    whole: bool,
) -> cyclopts.App:
    """The parser; of the verbs in `options` with these, and with the rare ones in help if whole."""
    app = _app(program, about)
    for place, one in enumerate(verbs):
        own = options.get(one, ())
        rare = 0 if whole else sum(option.rare for option in own)
        examples = f"{one.examples}\n" if one.examples else ""
        more = f"{examples}{program} {one.name} {ALL} shows {rare} more options." if rare else ""
        about_verb = f"{one.about[0].upper()}{one.about[1:]}.\n\n{more or one.examples}"
        part = _app(one.name, about_verb, sort_key=place, version_flags=())
        if one in options:
            part.default(_function(one, own, whole))
        app.command(part)
    return app


def _app(name: str, about: str, **how: Any) -> cyclopts.App:
    app = cyclopts.App(
        name,
        help=about,
        help_format="plaintext",
        version_format="plaintext",
        group_commands=cyclopts.Group("commands"),
        **how,
    )
    for flag in (*app.help_flags, *app.version_flags):
        app[flag].show = False
    return app


def _function(verb: Verb, options: Sequence[Option], whole: bool) -> Callable[..., None]:
    """A function whose signature has the options, as cyclopts wants it."""
    groups = list(dict.fromkeys(option.group for option in options))
    signature = inspect.Signature(
        [
            _parameter(option, groups.index(option.group), whole or not option.rare)
            for option in options
        ]
    )

    def function(*args: Any, **kwargs: Any) -> None:
        verb.run(dict(signature.bind(*args, **kwargs).arguments))

    function.__signature__ = signature  # type: ignore[attr-defined]
    function.__annotations__ = {n: p.annotation for n, p in signature.parameters.items()}
    return function


def _parameter(option: Option, place: int, show: bool) -> inspect.Parameter:
    how = cyclopts.Parameter(
        name=option.flag,
        help=option.help,
        metavar=option.metavar,
        group=cyclopts.Group(option.group, sort_key=place),
        required=option.required,
        show=show,
        show_default=False if option.default is None else str(option.default),
        negative=(),
        json_list=False,
        # The last one counts, so that a command can be taken up and changed at its end.
        allow_repeating=None if option.kind == list[str] else True,
        converter=_whole if option.kind is int else None,
    )
    kind = option.kind if option.required else option.kind | None
    return inspect.Parameter(
        option.name,
        inspect.Parameter.POSITIONAL_ONLY if option.positional else inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if option.required else None,
        annotation=Annotated[kind, how],
    )


def _whole(kind: Any, tokens: Sequence[cyclopts.Token]) -> int:
    # cyclopts would take 2.5 for 2.
    return int(tokens[-1].value)


def _in_our_form(
    error: cyclopts.CycloptsError,
    verb: Verb | None,
    options: Sequence[Option],
    verbs: Sequence[Verb],
) -> InputError:
    """The mistake as one line: what was expected, what came."""
    of = {option.flag: option for option in options}
    if verb is None:
        word = (error.unused_tokens or error.root_input_tokens or [""])[0]
        names = [one.name for one in verbs]
        return _meant(f"a command among {', '.join(names)}", word, names)
    unknown = partial(_meant, f"an option of {verb.name}", near=[*of, "--help"])
    if isinstance(error, cyclopts.UnknownOptionError):
        return unknown(error.token.keyword or error.token.value)
    if isinstance(error, cyclopts.MissingArgumentError) and error.argument is not None:
        option = of[error.argument.name]
        if error.keyword is None and not error.argument.tokens:
            more = [word for word in error.unused_tokens or () if word.startswith("--")]
            what = option.flag if option.positional else f"{option.flag} {option.metavar or ''}"
            return unknown(more[0]) if more else expected(what.strip(), "none")
        return expected(f"{_wanted(option)} after {option.flag}", *_came(error.tokens_so_far))
    if isinstance(error, cyclopts.CoercionError) and error.argument is not None:
        option = of[error.argument.name]
        words = [token.value for token in error.argument.tokens]
        return expected(
            f"{_wanted(option)} {'as' if option.positional else 'after'} {option.flag}",
            *_came(words),
        )
    if isinstance(error, cyclopts.UnusedCliTokensError):
        places = " ".join(option.flag for option in options if option.positional)
        after = f"{verb.name} {places}".strip()
        return expected(f"nothing but options after {after}", *_came(error.unused_tokens or []))
    return InputError(" ".join(f"Expected a fitting command; received: {error}".split()))


def _came(words: Sequence[str]) -> tuple[str]:
    return (" ".join(word or "''" for word in words) or "none",)


def _meant(what: str, word: str, near: Sequence[str]) -> InputError:
    close = difflib.get_close_matches(word.partition("=")[0], near, n=1)
    hint = f" Did you mean {close[0]}?" if close else ""
    return InputError(f"{expected(what, word)}{hint}")


_KINDS: Mapping[Any, str] = {int: "a whole number", float: "a number", bool: "true or false"}


def _wanted(option: Option) -> str:
    """What its value must be, in words."""
    inner = typing.get_args(option.kind)
    origin = typing.get_origin(option.kind)
    if origin is Literal:
        return f"one of {', '.join(map(str, inner))}"
    if origin is tuple:
        return f"{len(inner)} {'values' if str in inner else 'numbers'}"
    if origin is list:
        return option.metavar or "a value"
    return _KINDS.get(option.kind, "a value")
