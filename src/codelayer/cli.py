"""The command line: the functions of `commands` as a typer app, and what can go wrong as an exit status.

Reads  signatures (types, defaults, keyword-only parameters are options) and docstrings (a summary, "name: help").
Gives  0 done; 2 wrong use or bad input, one message on stderr; 130 after Ctrl-C; 1 otherwise.
Skips  the work: typer only reads the words; the function runs outside of it, so that every error comes here.
"""

from __future__ import annotations

import errno
import inspect
import io
import os
import re
import sys
import traceback
import types
import warnings
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TextIO, Union, get_args, get_origin, get_type_hints

import typer

from . import __version__, commands
from .errors import CodelayerError
from .ship import commands as ship_commands
from .transfer import commands as transfer_commands

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130
DEBUG = "--debug"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
SHORT_OF_MEMORY = ("not enough memory", "can't allocate memory", "out of memory")
AGAIN = "free some space and give the same command again"
LINE = re.compile(r"^(\w+): (.*)$")

GROUPS = {
    "ship": ("Make a model small and fast, and measure what it costs.", ship_commands.COMMANDS),
    "transfer": ("Use nets that were trained elsewhere: features, fine-tuning, advice.", transfer_commands.COMMANDS),
}

Chosen = tuple[Callable[..., None], dict[str, Any]]


# --- from functions to an app ---------------------------------------------------------------------------------------


def make_app() -> typer.Typer:
    """One typer command per function of `commands.COMMANDS`, and per function of a group one below its name."""
    app = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
    app.callback(invoke_without_command=True)(_whole)
    for function in commands.COMMANDS:
        app.command(_name(function))(_parser_of(function))
    for name, (told, functions) in GROUPS.items():
        group = typer.Typer(rich_markup_mode=None, help=told)
        group.callback(invoke_without_command=True)(_group)
        for function in functions:
            group.command(_name(function))(_parser_of(function))
        app.add_typer(group, name=name)
    return app


def _group(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(WRONG_USE)


def _whole(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option(DEBUG, help="Anywhere: show where an error comes from.")] = False,
) -> None:
    """Which representation should I use? Learn codes from unlabelled data, measure them, use the best one.

    Begin with: codelayer study digits
    """
    if version:
        print(f"codelayer {__version__}")
        raise typer.Exit(DONE)
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(WRONG_USE)


def explained(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The text above the parameters' lines of a docstring, and the help of each parameter."""
    text, helps, name = [], {}, ""
    names = inspect.signature(function).parameters
    for line in (inspect.getdoc(function) or "").splitlines():
        found = LINE.match(line)
        if found is not None and found[1] in names:
            name = found[1]
            helps[name] = found[2].strip()
        elif name and line.startswith(" "):
            helps[name] += f" {line.strip()}"
        elif not name:
            text.append(line)
    return "\n".join(text).strip(), helps


def _parser_of(function: Callable[..., None]) -> Callable[..., Chosen]:
    """A function with typer's annotations that returns what to call, and with what."""
    text, helps = explained(function)
    hints = get_type_hints(function)

    def chosen(**values: Any) -> Chosen:
        return function, {name: tuple(one) if isinstance(one, list) else one for name, one in values.items()}

    parameters = [
        _as_typer(one, hints[one.name], helps.get(one.name, ""))
        for one in inspect.signature(function).parameters.values()
    ]
    parser: Any = chosen
    parser.__name__, parser.__doc__ = _name(function), text
    parser.__annotations__ = {one.name: one.annotation for one in parameters}
    parser.__signature__ = inspect.Signature(parameters)
    return parser


def _as_typer(parameter: inspect.Parameter, hint: Any, told: str) -> inspect.Parameter:
    default: Any = ... if parameter.default is inspect.Parameter.empty else parameter.default
    if isinstance(default, tuple):
        default = list(default)
    if parameter.kind is inspect.Parameter.KEYWORD_ONLY:
        flag = f"--{parameter.name.strip('_').replace('_', '-')}"
        about = typer.Option(default, flag, help=told)
    else:
        about = typer.Argument(default, help=told, metavar=parameter.name.upper())
    return parameter.replace(annotation=_plain_type(hint), default=about, kind=inspect.Parameter.KEYWORD_ONLY)


def _name(function: Callable[..., Any]) -> str:
    return str(getattr(function, "__name__", ""))


def _plain_type(hint: Any) -> Any:
    """What typer can read: several texts for a sequence, a text where more than one type is possible."""
    if get_origin(hint) in (Union, types.UnionType):
        kinds = [one for one in get_args(hint) if one is not type(None)]
        plain = kinds[0] if len(kinds) == 1 else str
        return plain | None if len(kinds) < len(get_args(hint)) else plain
    return list[str] if get_origin(hint) is not None else hint


# --- from errors to a status ----------------------------------------------------------------------------------------


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status. With --debug anywhere an error shows where it comes from."""
    words = list(sys.argv[1:] if argv is None else argv)
    options = words[: words.index("--")] if "--" in words else words
    debug = DEBUG in options
    words = [word for i, word in enumerate(words) if not (word == DEBUG and i < len(options))]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a line is seen when it is printed, whatever characters are in it
            stream.reconfigure(line_buffering=True, errors="backslashreplace")
    with warnings.catch_warnings():
        if not debug:
            vars(warnings)["showwarning"] = _note
        try:
            status = _run(words)
            sys.stdout.flush()
        except BrokenPipeError:
            _close_quietly()
            return FAILED
        except BaseException as error:
            if isinstance(error, SystemExit):
                raise
            status, message = _told(error)
            if debug:
                traceback.print_exc()
            print(message, file=sys.stderr)
    return status


def _run(words: list[str]) -> int:
    found = make_app()(words, standalone_mode=False, prog_name="codelayer")
    if not isinstance(found, tuple):
        return int(found or DONE)  # help, or the version
    function, values = found
    function(**values)
    return DONE


def _told(error: BaseException) -> tuple[int, str]:
    """The exit status and the one message of an error."""
    cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED, f"stopped: {error}" if str(error) else "stopped"
    if isinstance(error, CodelayerError):
        full = isinstance(cause, OSError) and cause.errno in FULL
        return FAILED if full else WRONG_USE, f"error: {error}"
    words = getattr(error, "format_message", None)
    if words is not None:  # what typer says about the words themselves
        context = getattr(error, "ctx", None)
        return WRONG_USE, f"error: {words()}\n  see {context.command_path if context else 'codelayer'} --help"
    if isinstance(error, MemoryError) or any(text in str(error).lower() for text in SHORT_OF_MEMORY):
        return FAILED, "error: there is not enough memory for this\n  give fewer rows or columns, or fewer --workers"
    if type(error).__name__ == "TerminatedWorkerError":
        return FAILED, "error: a worker process was ended, most likely for want of memory\n  try --workers 1"
    if isinstance(error, OSError):
        return _told_by_system(error)
    first = (str(error).splitlines() or [""])[0]
    return FAILED, f"error: {type(error).__name__}: {first}\n  run again with {DEBUG} to see where"


def _told_by_system(error: OSError) -> tuple[int, str]:
    if error.errno in FULL:
        return FAILED, f"error: the disk is full\n  {AGAIN}"
    where = f"{error.filename}: " if error.filename else ""
    users = isinstance(error, FileNotFoundError | PermissionError | IsADirectoryError | NotADirectoryError)
    remedy = "check the path and its permissions" if users else f"run again with {DEBUG} to see where"
    return WRONG_USE if users else FAILED, f"error: {where}{error.strerror or error}\n  {remedy}"


def _note(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """A warning as one line; what other libraries warn of is not for the user of a command."""
    if category is UserWarning and f"{os.sep}codelayer{os.sep}" in filename:
        print(f"note: {message}")


def _close_quietly() -> None:
    """Whoever read our lines has gone: leave nothing for the interpreter to flush."""
    for stream in (sys.stdout, sys.stderr):
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        except (OSError, ValueError):
            continue
