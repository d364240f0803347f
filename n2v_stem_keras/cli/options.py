"""What the commands share: options for movies, run files, exit codes."""

import argparse
import difflib
import sys
from pathlib import Path

EXIT_CODES = """\
exit codes:
  0    done
  1    an error in the program itself (with a traceback; please report it)
  2    wrong options
  3    a movie or a model folder cannot be used
  4    a file cannot be read or written (missing, no permission, disk full)
  5    n2v-stem check: a test of the model failed
  130  interrupted with Ctrl-C; what was written so far is whole
"""


class UsageError(ValueError):
    """Options that do not make sense together."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return the errors that a user can mend: shown as one sentence, without a traceback."""
    from ..config import ConfigError
    from ..folder import FolderError
    from ..io import MovieError
    from ..normalize import DataError

    return (
        UsageError,
        ConfigError,
        FolderError,
        MovieError,
        DataError,
        OSError,
        ImportError,
        FloatingPointError,
    )


def exit_code(error: Exception) -> int:
    """Return the exit code of a user error."""
    from ..config import ConfigError

    if isinstance(error, (UsageError, ConfigError)):
        return 2
    return 4 if isinstance(error, OSError) else 3


def import_tensorflow() -> None:
    """Import TensorFlow without its start-up chatter.

    Its C++ side writes to the standard error before any log level applies; what it wrote is shown
    only if the import fails.
    """
    import os
    import tempfile

    kept = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import tensorflow  # noqa: F401
        except BaseException:
            chatter.seek(0)
            os.write(kept, chatter.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def add_movie_options(parser: argparse.ArgumentParser) -> None:
    """Options that say what a file does not."""
    group = parser.add_argument_group("what the files do not say")
    group.add_argument(
        "--axes",
        help="meaning of the file's axes, letters of S (separate movies), T (frames), "
        "C (detectors), Y, X; e.g. SYX for a stack of separate images",
    )
    group.add_argument(
        "--pixel-size", metavar="LENGTH", help="e.g. 0.0293nm, 29.3pm, 0.293A; default unit nm"
    )
    group.add_argument(
        "--detectors", metavar="A,B", help="names of the detectors in the file's order, e.g. ADF,BF"
    )


def movie_options(args) -> dict:
    """Return the keyword arguments of `io.read_movie` from the parsed options."""
    from ..io import parse_length_nm

    return {
        "axes": args.axes.upper() if args.axes else None,
        "detectors": tuple(args.detectors.split(",")) if args.detectors else None,
        "pixel_size_nm": parse_length_nm(args.pixel_size) if args.pixel_size else None,
    }


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that every long command has."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--run",
        metavar="FILE",
        help="YAML file with the same options, e.g. 'pixel_size: 0.0293nm'; "
        "the command line has the last word",
    )
    group.add_argument(
        "--dry-run", action="store_true", help="check everything, write nothing, say what would be"
    )
    group.add_argument("--quiet", action="store_true", help="print warnings and errors only")


def with_run_file(parser, args, argv):
    """Parse again with the values of the run file as defaults, if there is one.

    Raises
    ------
    UsageError
        The file is no YAML mapping, or holds an unknown key or a value of the wrong kind.
    """
    path = getattr(args, "run", None)
    if not path:
        return args
    command = args.parser
    actions = {
        action.dest: action for action in command._actions if action.dest not in ("help", "run")
    }
    command.set_defaults(
        **{key: _run_value(path, key, value, actions) for key, value in _read_yaml(path).items()}
    )
    # what the command line does not give comes from the file; positionals keep argparse's []
    again = parser.parse_args(argv)
    for key in ("movies", "models"):
        if key in actions and not getattr(again, key):
            setattr(again, key, command.get_default(key) or [])
    return again


def _read_yaml(path) -> dict:
    import yaml

    try:
        values = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(values, dict):
        raise UsageError(f"{path}: found {type(values).__name__}, expected 'option: value' lines")
    return {str(key).replace("-", "_"): value for key, value in values.items()}


def _run_value(path, key, value, actions):
    """Check one value of a run file and turn it into what argparse expects as a default."""
    if key not in actions:
        near = difflib.get_close_matches(key, actions, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(actions))}"
        raise UsageError(f"{path}: unknown option {key!r}; {hint}")
    action = actions[key]
    if isinstance(action, (argparse._StoreTrueAction, argparse._StoreFalseAction)):
        if not isinstance(value, bool):
            raise UsageError(f"{path}: {key}: found {value!r}, expected true or false")
        return value
    if isinstance(value, dict) and key == "set":
        return [f"{k}={_yaml_text(v)}" for k, v in value.items()]
    if action.nargs in ("*", "+") or isinstance(action, argparse._AppendAction):
        return [_text(path, key, v) for v in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        return ",".join(_text(path, key, v) for v in value)
    return None if value is None else _text(path, key, value)


def _text(path, key, value) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise UsageError(f"{path}: {key}: found {value!r}, expected one value")
    return str(value)


def _yaml_text(value) -> str:
    import yaml

    return yaml.safe_dump(value, default_flow_style=True).splitlines()[0]


def parse_settings(pairs) -> dict:
    """Turn ``["n2v_pitch=6", "n2v_span=1,5"]`` into configuration fields.

    Values are read as YAML; commas make a list.
    """
    import yaml

    settings = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: expected NAME=VALUE, e.g. n2v_pitch=6")
        try:
            value = yaml.safe_load(text)
            if isinstance(value, str) and "," in value:
                value = [yaml.safe_load(part) for part in value.split(",")]
        except yaml.YAMLError:
            raise UsageError(f"--set {pair}: cannot read the value") from None
        if isinstance(value, str) and _is_float(value):
            value = float(value)  # YAML reads 1e-3 as a word
        settings[key.strip()] = value
    return settings


def _is_float(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def read_movies(args, paths=None) -> list:
    """Open the movies named on the command line, without reading their frames."""
    from ..io import read_movie

    paths = paths or args.movies
    if not paths:
        raise UsageError("no movie given; name one or more TIFF or npy files")
    return [read_movie(path, **movie_options(args)) for path in paths]


def describe_movie(movie) -> str:
    """Return one line about a movie."""
    detectors = ", ".join(movie.detectors) if movie.detectors else "detectors not named"
    size = f"{movie.pixel_size_nm:.4g} nm/px" if movie.pixel_size_nm else "pixel size unknown"
    shape = " x ".join(map(str, movie.shape))
    return f"{movie.name}: {shape} ({movie.axes}) {movie.dtype}, {detectors}, {size}"


def say(args, *words) -> None:
    """Print unless --quiet."""
    if not args.quiet:
        print(*words)
        sys.stdout.flush()
