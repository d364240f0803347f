"""Run files: the options of a command in YAML, for all commands alike.

``n2v-stem COMMAND --run FILE`` takes them, ``n2v-stem COMMAND --run-template`` prints one. Both are
made of the command's own parser, which also checks what a file says, so there is nothing to keep in
step: an option that exists on the command line exists here under the same name.
"""

from __future__ import annotations

import argparse
import copy
import difflib
import os
import re
import textwrap
from pathlib import Path

from ..io.files import path_problem
from .options import UsageError, load_yaml

TITLE = "run"  # of the group of options that these join
NOT_IN_FILES = ("help", "run", "run_template")
PAIRS = "NAME=VALUE"  # metavar of options that are a mapping in a file
WIDTH = 98
MOST_BYTES = 2**20  # of a file: a hundred thousand file names


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add --run and --run-template to a command."""
    groups = [group for group in parser._action_groups if group.title == TITLE]
    group = groups[0] if groups else parser.add_argument_group(TITLE)
    group.add_argument(
        "--run",
        metavar="FILE",
        help="YAML file with the same options, e.g. 'pixel_size: 0.0293nm'; "
        "the command line has the last word",
    )
    group.add_argument(
        "--run-template",
        action=_PrintTemplate,
        help="print such a file with all options, their defaults and what they do, and exit",
    )


class _PrintTemplate(argparse.Action):
    """Print a run file with all options of a command."""

    def __init__(self, option_strings, dest, help=None):
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser, namespace, values, option_string=None):
        print(template(parser), end="")
        parser.exit()


def _actions(parser) -> dict:
    """Return the options that a file may give, by name."""
    return {a.dest: a for a in parser._actions if a.dest not in NOT_IN_FILES}


# -- reading --------------------------------------------------------------------------------------
def with_run_file(args: argparse.Namespace, argv) -> argparse.Namespace:
    """Return options with those of the run file where the command line gives none.

    Parameters
    ----------
    args : argparse.Namespace
        As parsed from the command line; `args.parser` is the command's parser.
    argv : list of str
        The command line, the command's name included.

    Raises
    ------
    UsageError
        The file is no YAML mapping, names an unknown option, or gives one a value that the
        command line would refuse.
    OSError
        It cannot be read.
    """
    if not args.run:
        return args
    parser, path = args.parser, args.run
    actions = _actions(parser)
    values = read(path, actions)
    said = _said(parser, actions, argv[argv.index(args.command) + 1 :])
    for group in parser._mutually_exclusive_groups:
        members = {action.dest for action in group._group_actions}
        if members & set(said):
            values = {key: value for key, value in values.items() if key not in members}
    found = _parse(parser, path, values, actions)
    merged = copy.copy(args)
    for key in values:
        if key not in said:
            setattr(merged, key, getattr(found, key))
        elif actions[key].metavar == PAIRS:  # names that the command line leaves out stay
            setattr(merged, key, [*(getattr(found, key) or []), *said[key]])
    return merged


def read(path, actions: dict) -> dict:
    """Read a run file: option -> value as YAML has it.

    Parameters
    ----------
    path : path
    actions : dict
        Options that the command has.
    """
    if problem := path_problem(path):
        raise UsageError(f"{path!r}: {problem}")
    size = os.path.getsize(path)
    if size > MOST_BYTES:
        raise UsageError(f"{path}: {size} bytes, expected at most {MOST_BYTES}")
    try:
        text = Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not valid YAML ({error})") from None
    values = load_yaml(text, str(path))
    values = {} if values is None else values  # a template as it is printed
    if not isinstance(values, dict):
        raise UsageError(f"{path}: found {type(values).__name__}, expected 'option: value' lines")
    found = {}
    for name, value in values.items():
        key = str(name).replace("-", "_")
        if key not in actions:
            near = difflib.get_close_matches(key, actions, n=1)
            known = f"known are {', '.join(sorted(actions))}"
            hint = f"did you mean {near[0]!r}?" if near else known
            raise UsageError(f"{path}: unknown option {str(name)!r}; {hint}")
        if key in found:
            raise UsageError(f"{path}: option {key!r} is there twice; keep one")
        found[key] = value
    return found


def _said(parser, actions, argv) -> dict:
    """Return what the command line gives, without any default."""
    nothing = argparse.Namespace(**dict.fromkeys(actions))
    found = vars(parser.parse_args(argv, nothing))
    return {key: found[key] for key in actions if found[key] is not None and found[key] != []}


def _parse(parser, path, values, actions):
    """Let the command's parser read a file's values, so that it checks them as its own."""
    words = {True: [], False: []}
    for key, value in values.items():
        positional = not actions[key].option_strings
        words[positional] += as_words(path, key, actions[key], value)

    def refuse(message):
        message = re.sub(r"^argument (?:--)?([\w-]+)(?:/\S+)?: ", _named, message)
        raise UsageError(f"{path}: {message}")

    parser.error = refuse
    try:
        return parser.parse_args([*words[True], *words[False]])
    finally:
        del parser.error


def _named(match) -> str:
    return match[1].replace("-", "_") + ": "


def as_words(path, key: str, action, value) -> list[str]:
    """Turn one value of a run file into words of a command line.

    Parameters
    ----------
    path, key
        Named in errors.
    action : argparse.Action
    value : what YAML made of the text
    """
    if value is None:
        return []
    option = action.option_strings[-1:]
    if action.nargs == 0:
        if not isinstance(value, bool):
            raise UsageError(f"{path}: {key}: found {value!r}, expected true or false")
        if isinstance(action, argparse.BooleanOptionalAction):
            return action.option_strings[:1] if value else option  # the last one says no
        return option if value else []
    if isinstance(value, dict):
        value = _pairs(path, key, action, value)
    if isinstance(action, argparse._AppendAction):
        if action.nargs is None:
            many = value if isinstance(value, list) else [value]
            return [f"{option[0]}={_text(path, key, one)}" for one in many]
        nested = isinstance(value, list) and any(isinstance(one, (list, dict)) for one in value)
        groups = value if nested else [value]
        return [word for group in groups for word in (*option, *_list(path, key, action, group))]
    if action.nargs in ("*", "+"):
        found = _list(path, key, action, value)
        return [*option, *found] if found else []
    text = _text(path, key, value)
    return [f"{option[0]}={text}"] if option else [text]


def _pairs(path, key, action, value) -> list[str]:
    """Turn a mapping into NAME=VALUE, where the option takes that."""
    if action.metavar == PAIRS:
        return [f"{name}={_yaml_text(one)}" for name, one in value.items()]
    if "=" in str(action.metavar):
        return [f"{name}={_text(path, key, one)}" for name, one in value.items()]
    raise UsageError(f"{path}: {key}: found {value!r}, expected one value")


def _list(path, key, action, value) -> list[str]:
    if isinstance(value, dict):
        return _pairs(path, key, action, value)
    return [_text(path, key, one) for one in (value if isinstance(value, list) else [value])]


def _text(path, key, value) -> str:
    """Return one value as the command line writes it: lists with commas."""
    if isinstance(value, list) and value:
        return ",".join(_text(path, key, one) for one in value)
    if isinstance(value, bool):  # YAML takes on, off, yes and no for these
        raise UsageError(f"{path}: {key}: found {value!r}, expected a value; text needs quotes")
    if isinstance(value, (dict, list)) or value is None:
        raise UsageError(f"{path}: {key}: found {value!r}, expected one value")
    return str(value)


def _yaml_text(value) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True, width=10**6).splitlines()[0]


# -- the template ---------------------------------------------------------------------------------
def template(parser: argparse.ArgumentParser) -> str:
    """Return a run file with all options of a command, each commented out.

    Parameters
    ----------
    parser : argparse.ArgumentParser
        Parser of the command.
    """
    lines = [
        f"# {parser.prog} --run FILE",
        "#",
        "# All options with their defaults. Take away the '#' of those that you set; the command",
        "# line has the last word.",
    ]
    for group in parser._action_groups:
        actions = [a for a in group._group_actions if a.dest not in NOT_IN_FILES]
        if actions and group.title not in ("positional arguments", "options", "optional arguments"):
            lines += ["", f"# ---- {group.title} ----"]
        for action in actions:
            lines += ["", *_explained(parser, action), _line(action)]
    return "\n".join(lines) + "\n"


def _explained(parser, action) -> list[str]:
    """Say what an option does, as comments."""
    said = parser._get_formatter()._expand_help(action) if action.help else ""
    others = [
        other.dest
        for group in parser._mutually_exclusive_groups
        if action in group._group_actions
        for other in group._group_actions
        if other is not action
    ]
    notes = [
        said,
        f"one of {', '.join(map(str, action.choices))}" if action.choices else "",
        _kind(action),
        f"not together with {', '.join(others)}" if others else "",
    ]
    text = "; ".join(filter(None, notes))
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False)]


def _kind(action) -> str:
    """Say how an option with several values is written."""
    if "=" in str(action.metavar):
        return f"here {{{action.metavar.replace('=', ': ')}, ...}}"
    if isinstance(action, argparse._AppendAction) or action.nargs in ("*", "+"):
        return f"here a list of {action.metavar or action.dest}"
    return ""


def _line(action) -> str:
    value = action.default
    if value is None or value is argparse.SUPPRESS:
        value = [] if action.nargs == "*" else None
    return f"#{action.dest}:" + ("" if value is None else f" {_yaml_text(value)}")
