"""What the commands share: options for movies, exit codes."""

import argparse
import re
import sys
from collections import Counter

from ..escaping import ShownError, escaped
from ..io.movie import AXES, EXAMPLES
from ..io.read import READERS

EXIT_CODES = """\
exit codes:
  0    done
  1    an error in the program itself (with a traceback; please report it)
  2    wrong options
  3    a movie or a model folder cannot be used
  4    a file or folder cannot be read or written (missing, no permission, disk full)
  5    n2v-stem check: a test of the model failed; n2v-stem doctor: the core does not work
  130  interrupted with Ctrl-C; what was written so far is whole
"""

SMALLEST_CROP = 8  # px
MOVIE_HELP = (
    f"{', '.join(reader.kind for reader in READERS if not reader.extra)}; with the 'em' extra "
    f"{', '.join(reader.kind for reader in READERS if reader.extra)}; FILE::PLACE for an array or "
    "image inside, e.g. scan.emd::HAADF"
)


class UsageError(ShownError):
    """Options that do not make sense together."""


def user_errors() -> tuple[type[Exception], ...]:
    """Return the errors that a user can mend: shown as one sentence, without a traceback."""
    from ..config import ConfigError
    from ..folder.folder import FolderError
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
        UserWarning,  # where they are made errors
    )


def exit_code(error: Exception) -> int:
    """Return the exit code of a user error."""
    from ..config import ConfigError

    if isinstance(error, (UsageError, ConfigError)):
        return 2
    return 4 if isinstance(error, OSError) else 3


def find_model(name: str):
    """Return the configuration of the model that an option names, before anything is computed.

    Raises
    ------
    FolderError
        There is none; the nearest names are said.
    """
    from ..folder.folder import read_config
    from ..opening import find_folder

    return read_config(find_folder(name))


def open_model(name: str, engine: str = "tensorflow", threads: int | None = None):
    """Open the model that an option names; see `opening.open_model`."""
    from .. import opening
    from ..prediction import engines

    try:
        engines.check(engine, threads)
    except ValueError as error:
        raise UsageError(str(error)) from None
    return opening.open_model(name, engine, threads)


def check_model(name: str, engine: str = "tensorflow", threads: int | None = None):
    """Refuse what `open_model` would, without a network; return the configuration."""
    from ..folder import export
    from ..folder.folder import read_config
    from ..folder.record import read_record
    from ..folder.thresholds import read_thresholds
    from ..opening import find_folder
    from ..prediction import engines
    from ..prediction.predictor import ExportedModel

    try:
        engines.check(engine, threads)
    except ValueError as error:
        raise UsageError(error) from None
    folder = find_folder(name)
    config = read_config(folder)
    read_thresholds(folder, config.channels)
    read_record(folder)
    export.fingerprint_of(folder, config)
    if engine.partition(":")[0] in engines.EXPORT_ENGINES:
        ExportedModel(folder)
    return config


def parse_tiles(text: str | None, axes: str | None = None) -> tuple[int, int] | None:
    """Return the tiles along Y and X that --n-tiles says.

    There may be one number for each of the axes of a movie; without axes, before it is opened, for
    those of any.

    >>> parse_tiles("2,3")
    (2, 3)
    """
    from ..prediction.whole import image_tiles

    if not text:
        return None
    parts = text.split(",")
    try:
        return image_tiles([int(n) for n in parts], axes or AXES[-len(parts) :])
    except ValueError:
        raise UsageError(
            f"--n-tiles {text}: expected two whole numbers of at least 1 (Y, X), e.g. 2,2"
        ) from None


def add_engine_options(parser: argparse.ArgumentParser, default: str, engine_help: str) -> None:
    """Options of what runs the network; `set_engine` brings them together."""
    from ..prediction.engines import AUTO, ENGINES, EXPORT_ENGINES

    parser.add_argument("--engine", choices=ENGINES, default=default, help=engine_help)
    devices = dict.fromkeys(d for engine in EXPORT_ENGINES.values() for d in engine.DEVICES)
    parser.add_argument(
        "--device",
        choices=(AUTO, *sorted(devices)),
        default=AUTO,
        help="what the engine onnx or openvino runs on: cuda, tensorrt, dml (DirectML) and coreml "
        "are of onnx, gpu and npu (Intel's) of openvino; its first frame is compared with the "
        "CPU's. Only cpu was ever tried by the makers (default: %(default)s, a graphics card if "
        "the wheel of ONNX Runtime is for one)",
    )
    parser.add_argument("--threads", type=int, help="threads of the engine; default all cores")


def set_engine(args) -> None:
    """Put the device into the engine's name: ``onnx:cuda``, as Python knows it."""
    from ..prediction.engines import AUTO, EXPORT_ENGINES

    if args.device == AUTO or ":" in args.engine:
        return
    owners = [e for e, kind in EXPORT_ENGINES.items() if args.device in kind.DEVICES]
    if args.engine == AUTO and len(owners) == 1:
        args.engine = owners[0]
    if args.engine not in EXPORT_ENGINES:
        raise UsageError(
            f"--device {args.device}: is of --engine {' or '.join(owners)}, found {args.engine}"
        )
    args.engine = f"{args.engine}:{args.device}"


def add_file_options(parser: argparse.ArgumentParser) -> None:
    """Options that say which files make a movie."""
    group = parser.add_argument_group("one file per detector, instead of MOVIE")
    group.add_argument(
        "--detector-files",
        nargs="+",
        action="append",
        metavar="NAME=FILE",
        help="the file of each detector of one scan, e.g. ADF=a.ser BF=b.ser; may be repeated",
    )
    group.add_argument(
        "--pair",
        metavar="PATTERN",
        help="find them by their names, e.g. 'scans/{name}_{detector}.dm4'; with MOVIE, sort these",
    )


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
        "--detectors",
        metavar="A,B",
        help="names of the detectors in the file's order, e.g. ADF,BF; or, of a file that names "
        "them, those that shall be taken, e.g. ADF",
    )
    group.add_argument(
        "--frame-time", metavar="TIME", help="from frame to frame, e.g. 0.8s, 40ms; default unit s"
    )
    group.add_argument("--voltage", metavar="VOLTAGE", help="e.g. 80kV; default unit kV")


def add_part_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that takes a part of each movie."""
    parser.add_argument(
        "--frames",
        metavar="FIRST:END",
        help="take these frames of each MOVIE only, counted from 0, without END: 0:5 the first "
        "five, 10: all from the eleventh on; of separate images, these images",
    )


def add_picture_options(parser: argparse.ArgumentParser, of_a_frame: bool = True) -> None:
    """Add the options of what pictures look like, and of the frame that they show."""
    group = parser.add_argument_group("pictures")
    group.add_argument(
        "--picture-format",
        choices=("png", "svg", "pdf"),
        default="png",
        help="svg and pdf for a paper: text can be edited, pixels stay pixels (default: png)",
    )
    if of_a_frame:
        group.add_argument(
            "--crop",
            metavar="Y0:Y1,X0:X1",
            help="show this part of the frame [px], rows first, e.g. 100:300,0:200; ':,:' is all "
            "of it (default: where it differs most from its lattice)",
        )
        group.add_argument(
            "--frame", type=int, metavar="N", help="show this frame, counted from 0 as in the file"
        )


def positive(text: str) -> float | None:
    """Return the number that an option says, None if that is no positive number."""
    try:
        number = float(text)
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None


def parse_crop(text: str | None) -> tuple[slice, slice] | None:
    """Return the part of a frame that an option says.

    >>> parse_crop("100:300,:200")
    (slice(100, 300, None), slice(0, 200, None))
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d*):(\d*),(\d*):(\d*)", text.replace(" ", ""))
    if not found:
        raise UsageError(f"--crop {text}: expected Y0:Y1,X0:X1 in pixels, e.g. 100:300,0:200")
    y0, y1, x0, x1 = (int(number) if number else None for number in found.groups())
    return slice(y0 or 0, y1), slice(x0 or 0, x1)


def crop_of(crop: tuple[slice, slice] | None, shape, name: str) -> tuple[slice, slice] | None:
    """Return a part of a frame (Y, X) with its ends, after checking that the frame has it."""
    if crop is None:
        return None
    for part, n, axis in zip(crop, shape, "YX", strict=True):
        end = n if part.stop is None else part.stop
        if not (part.start + SMALLEST_CROP <= end <= n):
            raise UsageError(
                f"--crop: {axis} from {part.start} to {end}, but {name} has frames of "
                f"{shape[0]}x{shape[1]} px; expected {SMALLEST_CROP} px or more inside of them"
            )
    return tuple(slice(*part.indices(n)[:2]) for part, n in zip(crop, shape, strict=True))


def add_strict_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that makes warnings errors."""
    parser.add_argument(
        "--strict",
        action="store_true",
        help="warnings are errors: a movie that the model or the method is not for is refused "
        "before anything is written, and other warnings give exit code 3",
    )


def refuse_doubts(args, name: str, doubts) -> None:
    """Raise `DataError` of a movie that is in doubt, where --strict says so."""
    from ..normalize import DataError

    if doubts and args.strict:
        raise DataError(f"{name}: refused, as --strict says: " + " | ".join(doubts))


def parse_frames(text: str | None) -> slice | None:
    """Return the frames that an option says.

    >>> parse_frames("0:5")
    slice(0, 5, None)
    """
    if text is None:
        return None
    found = re.fullmatch(r"(\d*):(\d*)", text.strip())
    if not found or text.strip() == ":":
        raise UsageError(f"--frames {text}: expected FIRST:END, e.g. 0:5 for the first five")
    first, end = (int(number) if number else None for number in found.groups())
    if end is not None and end <= (first or 0):
        raise UsageError(f"--frames {text}: holds no frame; END comes after the last one, e.g. 0:5")
    return slice(first, end)


def length_nm(text: str | None, option: str) -> float | None:
    """Return a length [nm] that an option says, such as 0.3A; None where it says nothing."""
    from ..io import parse_length_nm

    return _with_unit(parse_length_nm, text, option)


def _with_unit(parse, text, option):
    from ..io import MovieError

    try:
        return parse(text) if text else None
    except MovieError as error:
        raise UsageError(f"{option}: {error}") from None


def check_counts(args, *names) -> None:
    """Raise `UsageError` if one of some options is a number below 1."""
    for name in names:
        if (number := getattr(args, name)) is not None and number < 1:
            option = name.replace("_", "-")
            raise UsageError(f"--{option} {number}: expected a whole number of at least 1")


def _axes(text: str | None) -> str | None:
    axes = text.upper() if text else None
    if axes and (not set(axes) <= set(AXES) or len(set(axes)) < len(axes)):
        raise UsageError(f"--axes {text}: expected letters of {AXES}, each once, e.g. {EXAMPLES}")
    return axes


def movie_options(args) -> dict:
    """Return the keyword arguments of `io.read_movie` from the parsed options."""
    from ..io import parse_time_s, parse_voltage_kV

    return {
        "axes": _axes(args.axes),
        "detectors": names(args.detectors),
        "pixel_size_nm": length_nm(args.pixel_size, "--pixel-size"),
        "frame_time_s": _with_unit(parse_time_s, args.frame_time, "--frame-time"),
        "voltage_kV": _with_unit(parse_voltage_kV, args.voltage, "--voltage"),
    }


def names(text: str | None) -> tuple[str, ...] | None:
    """Return names that are divided by commas."""
    return tuple(name.strip() for name in text.split(",")) if text else None


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Options that every long command has; see also `run_files`."""
    group = parser.add_argument_group("run")
    group.add_argument(
        "--dry-run", action="store_true", help="check everything, write nothing, say what would be"
    )
    group.add_argument("--quiet", action="store_true", help="print warnings and errors only")


def parse_settings(pairs) -> dict:
    """Turn ``["n2v_pitch=6", "n2v_span=1,5"]`` into configuration fields.

    Values are read as YAML; commas make a list.
    """
    settings = {}
    for pair in pairs or []:
        key, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"--set {pair}: expected NAME=VALUE, e.g. n2v_pitch=6")
        where = f"--set {pair}: cannot read the value"
        value = load_yaml(text, where)
        if isinstance(value, str) and "," in value:
            value = [load_yaml(part, where) for part in value.split(",")]
        if isinstance(value, str) and _is_float(value):
            value = float(value)  # YAML reads 1e-3 as a word
        elif value == "None":
            value = None  # Python's word for YAML's null
        settings[key.strip()] = value
    return settings


def load_yaml(text: str, where: str):
    """Return what YAML makes of a text, in plain types.

    Parameters
    ----------
    text : str
    where : str
        Named in errors.

    Raises
    ------
    UsageError
        It is no YAML, has a name twice, aliases (which may unfold to any size), or is nested
        deeper than options are.
    """
    import yaml

    try:
        return yaml.load(text, _loader())
    # what is no number or date, and too deep, are errors of Python
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        reason = " ".join(str(error).split())[:400]
        raise UsageError(f"{where}: not valid YAML ({reason})") from None


def _loader():
    """Return YAML's safe loader, but strict about aliases and names that are there twice."""
    import yaml

    class Strict(yaml.SafeLoader):
        def compose_node(self, parent, index):
            if self.check_event(yaml.AliasEvent):
                raise yaml.composer.ComposerError(
                    None, None, "aliases (*name) are not read", self.peek_event().start_mark
                )
            return super().compose_node(parent, index)

        def construct_mapping(self, node, deep=False):
            names = Counter(key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode))
            twice = [name for name, n in names.items() if n > 1 and name != "<<"]
            if twice:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{twice[0]!r} is there twice", node.start_mark
                )
            return super().construct_mapping(node, deep)

    return Strict


def _is_float(text) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def describe_movie(movie) -> str:
    """Return one line about a movie."""
    detectors = ", ".join(movie.detectors) if movie.detectors else "detectors not named"
    size = f"{movie.pixel_size_nm:.4g} nm/px" if movie.pixel_size_nm else "pixel size unknown"
    shape = " x ".join(map(str, movie.shape))
    text = f"{movie.name}: {shape} ({movie.axes}) {movie.dtype}, {detectors}, {size}"
    if movie.left_out:
        text += f", without {', '.join(movie.left_out)}"
    if movie.frames_taken:
        text += f", frames {movie.frames_taken[0]} to {movie.frames_taken[-1]}"
    if movie.frame_time_s:
        text += f", {movie.frame_time_s:.4g} s a frame"
    return text + (f", {movie.voltage_kV:.4g} kV" if movie.voltage_kV else "")


def show(text, lines: bool = False, file=None) -> None:
    """Print what may quote files, which cannot steer the terminal by it.

    Parameters
    ----------
    text : object
    lines : bool
        The text has several lines that are ours; otherwise a line break inside of it is escaped.
    file : file, optional
        Default the standard output.
    """
    text = str(text)
    body = text.lstrip("\n")
    print("\n" * (len(text) - len(body)) + escaped(body, lines), file=file, flush=True)


def complain(text, lines: bool = False) -> None:
    """Print to the standard error; see `show`."""
    show(text, lines, sys.stderr)


def say(args, text, lines: bool = False) -> None:
    """Print unless --quiet; see `show`."""
    if not args.quiet:
        show(text, lines)
