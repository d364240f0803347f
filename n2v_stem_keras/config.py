"""Every choice of a model in one frozen object: its value, its range, its reason and its source.

Defaults are those of the paper (Thornley et al., npj Comput. Mater. 12, 68 (2026), Methods and
Fig. 1a); where the paper is silent, the comment above the field says what was settled and why. What
a field may hold stands beside its default. `N2VStemConfig.preset` starts from the named sets of
values in `PRESETS`, at the end of this file. Names keep CSBDeep's prefixes: ``unet_`` for the
network, ``n2v_`` for the blind spots, ``train_`` for the training.
"""

from __future__ import annotations

import difflib
import inspect
import math
import sys
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from .escaping import ShownError
from .lattice import KINDS as LATTICES
from .lattice import LatticeImage
from .preparation import EACH, Preparation
from .temporal import N_IMAGES

FORMAT_VERSION = 3
# Fields that came after version 1, and the version they came with. A folder of an older version
# does not have them, and they have their default: so a default is what the network was without.
SINCE: dict[str, int] = {
    "n2v_background_px": 2,
    "n2v_after_glow": 2,
    "n2v_level_rows": 2,
    "n2v_straighten_rows": 3,
}
MAX_PARAMETERS = 2**29  # of its deepest convolution: 2 GiB; the paper's has 9 million
AUTO = "auto"  # chosen by training, which writes down what it took
PREPARED = ("n2v_background_px", "n2v_after_glow", "n2v_level_rows", "n2v_straighten_rows")
DERIVED = ("axes", "n_channel_in", "n_channel_out", "n2v_perc_pix")


class ConfigError(ShownError):
    """A configuration that cannot be used; the message lists every problem found."""

    lines = True


# -- what a field may hold ------------------------------------------------------------------------
# Each function returns a field of the dataclass: its default, and a check of a value by itself
# that returns what is wrong with it, or None.
def _checked(default, problem, **about):
    return field(default=default, metadata={"problem": problem, **about})


def _is_number(value, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # not math.isfinite: JSON knows whole numbers that no float can hold
    return isinstance(value, int) if whole else abs(value) <= sys.float_info.max


def _choice(*values: str):
    """One of some words; the first is the default."""

    def problem(value):
        if isinstance(value, str) and value in values:
            return None
        return f"found {value!r}, expected one of {', '.join(map(repr, values))}"

    return _checked(values[0], problem, choices=values)


def _switch(default: bool):
    def problem(value):
        return None if isinstance(value, bool) else f"found {value!r}, expected true or false"

    return _checked(default, problem)


def _number(default, low, high, also=None):
    """Any number from `low` to `high`, whole if these are; `also` returns what else is wrong."""
    whole, optional = isinstance(low, int), default is None

    def problem(value):
        if optional and value is None:
            return None
        if _is_number(value, whole) and low <= value <= high:
            return also(value) if also else None
        kind = ("None or " if optional else "") + ("a whole number" if whole else "a number")
        return f"found {value!r}, expected {kind} from {low} to {high}"

    return _checked(default, problem, range=(low, high))


def _pair(default, low, high, odd=False, optional=False):
    """Two whole numbers (y, x)."""

    def problem(value):
        if optional and value is None:
            return None
        good = isinstance(value, tuple) and len(value) == 2
        if not good or not all(_is_number(v, whole=True) and low <= v <= high for v in value):
            kind = ("None or " if optional else "") + "two whole numbers (y, x)"
            return f"found {value!r}, expected {kind} from {low} to {high}"
        return f"found {value}, expected odd" if odd and not all(v % 2 for v in value) else None

    return _checked(default, problem)


def _or_word(checked, *words):
    """Allow words beside what another check allows."""
    problem = checked.metadata["problem"]

    def also(value):
        if isinstance(value, str) and value in words:
            return None
        wrong = problem(value)
        return f"{wrong}, or {' or '.join(map(repr, words))}" if wrong else None

    several = checked.metadata.get("several", False)
    return _checked(checked.default, also, several=several)


def _odd(value):
    if value % 2 == 0:
        return f"found {value}, expected an odd number, so that the kernel has a centre"
    return None


def _power_of_two(value):
    return f"found {value}, expected a power of two" if value & (value - 1) else None


def _after_glow_problem(value) -> str | None:
    if value is None:
        return None
    if isinstance(value, tuple) and all(_is_number(v, whole=False) and 0 <= v < 1 for v in value):
        return None
    return f"found {value!r}, expected None or a number from 0 to below 1 a detector"


def _channels_problem(value) -> str | None:
    if not isinstance(value, tuple) or not 1 <= len(value) <= 64:
        return f"found {value!r}, expected a list of 1 to 64 detector names, e.g. ['ADF', 'BF']"
    if not all(isinstance(c, str) and c.strip() == c and 0 < len(c) <= 64 for c in value):
        return f"found {value!r}, expected names of 1 to 64 characters without spaces around them"
    if not all(c.isprintable() and not set(c) & set(',"/\\') for c in value):
        return f"found {value!r}, expected names without commas, quotes, slashes or line breaks"
    if any(c.lower() == "format_version" for c in value):
        return "found 'format_version', expected names of detectors"
    if len({c.lower() for c in value}) != len(value):
        return f"found {value!r}, expected names that differ (ignoring case)"
    return None


@dataclass(frozen=True, kw_only=True)
class N2VStemConfig:
    """Configuration of an `N2VStem` model.

    All arguments are keywords; all have the paper's value as default. Building an object checks
    the names; `is_valid` and `check` check the values, and so does `N2VStem`.

    Examples
    --------
    >>> config = N2VStemConfig(channels=("HAADF",), n2v_pitch=12)
    >>> config.n_channel_in, config.axes
    (1, 'YXC')
    >>> N2VStemConfig(n2v_pich=12)
    Traceback (most recent call last):
    ...
    n2v_stem_keras.config.ConfigError: unknown name 'n2v_pich'; did you mean 'n2v_pitch'?
    """

    # -- data ------------------------------------------------------------------------------------
    #: Detector names in the order of the channel axis. ADF and BF recorded at once: Results,
    #: "Modification to support multiple channels".
    channels: tuple[str, ...] = _checked(("ADF", "BF"), _channels_problem)

    # -- network (Fig. 1a) -----------------------------------------------------------------------
    #: Number of poolings. 2 to 4 were tried, 4 was best (Results, network architecture).
    unet_n_depth: int = _number(4, 1, 6)
    #: Features of the first block; doubled at each level.
    unet_n_first: int = _number(64, 1, 512)
    #: Kernel size [px] of all blocks but the first.
    unet_kern_size: int = _number(3, 1, 15, _odd)
    #: Kernel size [px] of both convolutions of the first block: a wider receptive field.
    unet_kern_size_first: int = _number(5, 1, 15, _odd)
    #: 'average' is the paper's "AvgBlurPool" (bilinear resampling by 1/2 is 2x2 averaging to the
    #: last bit); 'max' was worse; 'blur' is N2V2's max-blur pooling.
    unet_pool: str = _choice("average", "max", "blur")
    #: Resampling x2 without a convolution. 'transposed' makes chequerboards (Fig. 2b).
    unet_upsample: str = _choice("bilinear", "nearest", "transposed")
    #: Keep the outermost skip connection. Without it (as in N2V2) results were worse.
    unet_top_skip: bool = _switch(True)
    #: 'separable' (Xception) and 'aspp' were tried and rejected (Results, training).
    unet_block: str = _choice("plain", "separable", "aspp")
    #: 'aspp' adds atrous spatial pyramid pooling at the bottleneck; tried and rejected.
    unet_bottleneck: str = _choice("plain", "aspp")
    #: Gaussian blurs of the frames that the first block sees beside them, of standard deviations 1,
    #: 2, 4, ... px, so many (`network.layers.GaussianBlurs`); 0 for none (the paper). In a blur of
    #: its own width an atom stands out of the noise at once; what finds it in the frame has to be
    #: learnt first, which takes some initialisations several times as long as others. The presets
    #: choose their number from the pixel size.
    unet_blurs: int = _number(0, 0, 6)
    #: Squares of so many pixels become one pixel with as many more channels before the first block,
    #: and back after the last (space to depth): a power of two; 1 for none (the paper). A network
    #: as wide and as deep is about the square of it faster, and sees as much farther. The preset
    #: 'laptop' chooses it from the pixel size.
    unet_stem: int = _number(1, 1, 8, _power_of_two)
    #: A lattice image as a further input (`lattice`): 'none' (the paper); a Wiener filter of
    #: 'windows'; the same with plane 'waves', for lattices that are straight over a window; of the
    #: whole 'frame', cheap enough for a live network.
    unet_lattice: str = _choice(*LATTICES)
    #: Side of these windows [px]. Choose the largest over which the lattice is one crystal and no
    #: scan distortion blurs its Fourier spots, and a training crop not smaller than it.
    unet_lattice_window: int = _number(256, 16, 1024, _power_of_two)
    #: What the other frames of the movie show at the same place, as further inputs: their mean, its
    #: standard error, and a mean of the nearest ones (`temporal`). The paper sees single frames.
    unet_context: bool = _switch(False)
    #: A UNet of its own for each detector: nothing that one shows can be drawn into another. The
    #: paper tried two single-channel networks (slower, BF converged later) and joins them.
    unet_independent_detectors: bool = _switch(False)

    # -- blind spots (Fig. 2d) -------------------------------------------------------------------
    #: Distance of the unjittered grid points [px].
    n2v_pitch: int = _number(24, 2, 512)
    #: Their distance [px] in the first epochs, where the signal is strong (`training.data`); None
    #: for the same throughout (the paper). A denser grid gives more targets a step, but the frames
    #: look less like those that prediction shows the network: so first the one, then the other.
    n2v_early_pitch: int | None = _number(None, 2, 512)
    #: Largest displacement of a grid point per axis [px], both ends included.
    n2v_jitter: int = _number(2, 0, 64)
    #: What replaces a blind pixel: the mean of its neighbours (the paper, N2V2), their median, or
    #: one of them at random (Noise2Void; never the pixel itself).
    n2v_manipulator: str = _choice("mean", "median", "uniform_withoutCP")
    #: Replacement window is (2 r + 1)^2 [px], clipped at the border. The paper is silent; 5 is
    #: the habit of n2v and N2V2.
    n2v_neighborhood_radius: int = _number(5, 1, 32)
    #: Training crop (Y, X) [px]; None for whole frames. The paper trains on whole 512x512 frames.
    n2v_patch_shape: tuple[int, int] | None = _pair((512, 512), 8, 65536, optional=True)
    #: One mask for all detectors of a sample, or one for each. The paper is silent: one.
    n2v_joint_mask: bool = _switch(True)
    #: Extent (y, x) [px] of a blind spot, odd. (1, s) covers noise that is correlated along the
    #: fast scan axis (structN2V, Broaddus et al. 2020). The paper assumes white noise: (1, 1).
    #: 'auto': training measures the noise, and writes down the span that it took.
    n2v_span: tuple[int, int] | str = _or_word(_pair((1, 1), 1, 31, odd=True), AUTO)

    # -- frames, before they are blinded (`preparation`). 'auto': training looks at its movies and
    # writes down what it took. 'each': every movie is looked at by itself, in use as in training,
    # which suits a model for movies of many microscopes.
    #: Standard deviation [px] of the Gaussian whose blur of a frame is its background, which is
    #: taken off before and put back after; None for none (the paper). 'auto': training takes off
    #: that of 16 px or 0.47 nm, where it varies more than all else.
    n2v_background_px: float | str | None = _or_word(_number(None, 4.0, 256.0), AUTO, EACH)
    #: For each detector the share of what a pixel showed that the next one shows, too; frames are
    #: made sharp by it before, and glow on again after. None for none (the paper). 'auto': training
    #: takes what leaves the noise white, where it is not.
    n2v_after_glow: tuple[float, ...] | str | None = _or_word(
        _checked(None, _after_glow_problem, several=True), AUTO, EACH
    )
    #: Whether offsets of rows, which are noise that no blind spot covers, are taken off; the paper
    #: leaves them. 'auto': training looks whether there are any.
    n2v_level_rows: bool | str = _or_word(_switch(False), AUTO, EACH)
    #: Whether rows that lie beside their places along x are put back before, as the frame's own
    #: lattice and the rows around each tell, and displaced again after; the paper leaves them.
    #: 'auto': training looks whether they lie so far off that it tells.
    n2v_straighten_rows: bool | str = _or_word(_switch(False), AUTO, EACH)

    # -- training (Methods) ----------------------------------------------------------------------
    train_epochs: int = _number(32, 1, 10**6)
    #: None: as many as show each training frame once.
    train_steps_per_epoch: int | None = _number(None, 1, 10**7)
    #: Samples per update of the weights.
    train_batch_size: int = _number(12, 1, 4096)
    #: Parts in which a batch is processed, one after another, to save memory. Does not change
    #: the update beyond rounding.
    train_gradient_accumulation_steps: int = _number(1, 1, 4096)
    #: Adam, constant 1e-5.
    train_learning_rate: float = _number(1e-5, 1e-12, 10.0)
    #: 'cosine' lowers the rate to zero over the run.
    train_learning_rate_schedule: str = _choice("constant", "cosine")
    #: 'mse' or 'mae', at the blind pixels only.
    train_loss: str = _choice("mse", "mae")
    #: Momentum of an exponential moving average of the weights, which is then what is validated
    #: and kept as best; 0 for none (the paper).
    train_ema_momentum: float = _number(0.0, 0.0, 0.99999)
    #: Flips and quarter turns at random; flips alone where the crop or `n2v_span` is not square.
    #: "No data augmentation was used" (Methods).
    train_augment: bool = _switch(False)
    #: Seed of everything random.
    train_seed: int = _number(0, 0, 2**31 - 1)
    #: Held out for validation: whole movies where there are three or more, else the last block of
    #: time after a gap, else (fewer than five frames) the last rows of each frame.
    train_validation_fraction: float = _number(0.1, 0.0, 0.5)
    #: Train on every n-th frame. The paper trains on every other one (8475 of 16950).
    train_frame_step: int = _number(2, 1, 10**6)
    #: 'mixed_float16' or 'mixed_bfloat16' on a GPU that is faster with them.
    train_precision: str = _choice("float32", "mixed_float16", "mixed_bfloat16")
    #: Write TensorBoard logs to <model folder>/logs (extra ``tensorboard``).
    train_tensorboard: bool = _switch(False)

    def __new__(cls, *args: Any, **kwargs: Any) -> N2VStemConfig:
        """Refuse unknown names with a suggestion before the fields are set."""
        check_names(kwargs)
        return object.__new__(cls)

    def __post_init__(self):
        for one in fields(self):
            value = _plain(getattr(self, one.name))
            several = isinstance(one.default, tuple) or one.metadata.get("several")
            if several and isinstance(value, (list, tuple)):
                value = tuple(map(_plain, value))
            object.__setattr__(self, one.name, value)

    # -- derived values --------------------------------------------------------------------------
    @property
    def axes(self) -> str:
        """Axes of one network input, as in CSBDeep: always 'YXC'."""
        return "YXC"

    @property
    def n_channel_in(self) -> int:
        """Channels of the network's input: detectors x (1 + images of the other frames)."""
        return len(self.channels) * (1 + (N_IMAGES if self.unet_context else 0))

    @property
    def n_channel_out(self) -> int:
        """Channels of the network's output: one per detector."""
        return len(self.channels)

    @property
    def n2v_perc_pix(self) -> float:
        """Blind pixels in percent of all pixels: 100 / pitch^2."""
        return 100.0 / self.n2v_pitch**2

    @property
    def least_parameters(self) -> int:
        """A number of parameters that the network surely has: those of its deepest convolution."""
        widest = self.unet_n_first * 2**self.unet_n_depth
        kernel = 1 if self.unet_block == "separable" else self.unet_kern_size**2
        n_networks = len(self.channels) if self.unet_independent_detectors else 1
        return n_networks * kernel * widest**2

    @property
    def most_parameters(self) -> int:
        """A number of parameters that the network surely does not reach."""
        return 64 * self.least_parameters + 10**7

    @property
    def span(self) -> tuple[int, int]:
        """Extent (y, x) of a blind spot [px]; one pixel until a training has chosen it."""
        return (1, 1) if self.n2v_span == AUTO else self.n2v_span

    @property
    def preparation(self) -> Preparation:
        """What is done to frames before the network sees them; nothing that is not chosen yet."""
        return Preparation(
            None if self.n2v_background_px == AUTO else self.n2v_background_px,
            None if self.n2v_after_glow == AUTO else self.n2v_after_glow,
            False if self.n2v_level_rows == AUTO else self.n2v_level_rows,
            False if self.n2v_straighten_rows == AUTO else self.n2v_straighten_rows,
        )

    def chosen_as(self, other: N2VStemConfig) -> N2VStemConfig:
        """Return a copy in which what is left to choose is chosen as another configuration does."""
        found = self
        if self.n2v_span == AUTO:
            found = found.with_span(other.n2v_span)
        chosen = {n: getattr(other, n) for n in PREPARED if getattr(self, n) == AUTO}
        return found.replace(**chosen)

    def with_span(self, span: tuple[int, int]) -> N2VStemConfig:
        """Return a copy with another span, and a grid and window as wide as it needs.

        Parameters
        ----------
        span : (int, int)
            `n2v_span`.
        """
        config = self.replace(n2v_span=span)
        wider = {
            name: max(value, least)
            for name, least in _least_for_span(config).items()
            if (value := getattr(config, name)) is not None
        }
        return config.replace(**wider)

    @property
    def visible_shares(self) -> list[float]:
        """Share of pixels that are not replaced in each input of training: 1 - spot / pitch^2.

        With the grid of the last epochs.

        A lattice image (`lattice`) of the blinded frame is weaker than the frame's own by this
        factor: what replaces a pixel holds on average next to nothing of the lattice.
        """
        height, width = self.span
        return [1 - height * width / self.n2v_pitch**2] * self.n_channel_out

    @property
    def blur_sigmas(self) -> list[float]:
        """Standard deviations of the blurs [px]."""
        return [2.0**i for i in range(self.unet_blurs)]

    @property
    def lattice(self) -> LatticeImage:
        """The lattice image, which says what it needs; false if there is none."""
        return LATTICES[self.unet_lattice](self.unet_lattice_window)

    @property
    def size_multiple(self) -> int:
        """Both sides of a network input are multiples of this: stem x 2^depth, or more [px].

        All are powers of two.
        """
        return max(self.unet_stem * 2**self.unet_n_depth, self.lattice.size_multiple)

    @property
    def tile_multiple(self) -> int:
        """Tiles start on multiples of this: the grid of pooling and lattice image [px]."""
        return max(self.size_multiple, self.lattice.grid)

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Names of all fields."""
        return tuple(one.name for one in fields(cls))

    # -- validation ------------------------------------------------------------------------------
    def problems(self) -> dict[str, str]:
        """Return what is wrong, as field name -> sentence; empty if all is well."""
        found = {}
        for one in fields(self):
            message = one.metadata["problem"](getattr(self, one.name))
            if message:
                found[one.name] = message
        return found or _relation_problems(self)

    def is_valid(self, return_invalid: bool = False) -> bool | tuple[bool, tuple[str, ...]]:
        """Check all values, as CSBDeep's configurations do.

        Parameters
        ----------
        return_invalid : bool
            Also return the names of the invalid fields.

        Returns
        -------
        bool, or (bool, tuple of str)
        """
        invalid = tuple(self.problems())
        return (not invalid, invalid) if return_invalid else not invalid

    def check(self) -> N2VStemConfig:
        """Raise `ConfigError` naming every problem; return the configuration itself if none."""
        problems = self.problems()
        if problems:
            lines = "\n".join(f"  {name}: {message}" for name, message in problems.items())
            raise ConfigError(f"the configuration cannot be used:\n{lines}")
        return self

    # -- presets and JSON ------------------------------------------------------------------------
    @classmethod
    def preset(
        cls,
        name: str,
        *,
        pixel_size_nm: float | None = None,
        n_frames: int | None = None,
        **changes: Any,
    ) -> N2VStemConfig:
        """Return a named set of values, with changes.

        Parameters
        ----------
        name : {'paper', 'laptop', 'live'}
            'paper': the defaults. 'laptop': trains well on two CPU cores in minutes. 'live': a
            small network for frames as they come, best trained by `distill`.
        pixel_size_nm : float, optional
            Size of the pixels of the movies [nm/px]: the blurs of 'laptop' go up to the width of
            an atom, and pixels of half the paper's or less are taken together, two by two
            (`unet_stem`). Default 0.046, the paper's.
        n_frames : int, optional
            Frames of the longest movie: of ten or more, 'laptop' and 'live' look at those around
            each. So they do by default.
        **changes
            Any field by name. Where `n2v_span` or `n2v_jitter` is among them and needs a wider
            grid or a wider replacement window than the preset's, they are made as wide as it
            needs, unless they are named, too.

        Raises
        ------
        ConfigError
            There is no such preset or field, or the pixel size is not above 0.
        """
        if name not in PRESETS:
            raise ConfigError(f"unknown preset {name!r}; {_suggest(name, PRESETS)}")
        check_names(changes)
        size = _plain(pixel_size_nm)
        if size is not None and not (_is_number(size, whole=False) and size > 0):
            raise ConfigError(f"pixel_size_nm is {size!r}, expected a number above 0 [nm/px]")
        config = cls(**{**PRESETS[name], **changes})
        if config.unet_blurs and size:
            fitting = {"unet_blurs": n_blurs(size), "unet_stem": stem_for(size)}
            config = config.replace(**{k: v for k, v in fitting.items() if k not in changes})
        if n_frames is not None and n_frames < FEW_FRAMES and "unet_context" not in changes:
            config = config.replace(unet_context=False)
        spots = ("n2v_span", "n2v_jitter")
        if not any(name in changes for name in spots) or set(spots) & set(config.problems()):
            return config
        wider = {
            name: max(getattr(config, name), least)
            for name, least in _least_for_span(config).items()
            if name not in changes and getattr(config, name) is not None
        }
        return config.replace(**wider)

    def replace(self, **changes: Any) -> N2VStemConfig:
        """Return a copy with some fields changed."""
        check_names(changes)
        return replace(self, **changes)

    def to_dict(self) -> dict:
        """Return plain JSON types, `format_version` included."""
        values = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        return {"format_version": FORMAT_VERSION, **values}

    @classmethod
    def from_dict(cls, values: dict, source: str = "config.json") -> N2VStemConfig:
        """Build a configuration from `to_dict`'s output, trusting nothing.

        Parameters
        ----------
        values : dict
        source : str
            Named in errors.

        Raises
        ------
        ConfigError
            Unknown or missing keys, wrong types, values out of range, or an unknown
            `format_version`.
        """
        if not isinstance(values, dict):
            raise ConfigError(f"{source}: expected a JSON object, found {type(values).__name__}")
        values = dict(values)
        version = take_version(values, source)
        try:
            check_names(values)
            new = [name for name, since in SINCE.items() if since > version]
            missing = [name for name in cls.names() if name not in values and name not in new]
            if missing:
                raise ConfigError(f"missing {', '.join(missing)}; the file is incomplete")
            return cls(**values).check()
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None


def take_version(values: dict, source: str) -> int:
    """Take `format_version` out of a stored configuration and check it."""
    version = values.pop("format_version", None)
    if type(version) is int and version > FORMAT_VERSION:
        raise ConfigError(
            f"{source}: format_version {version} was written by a newer n2v_stem_keras (this one "
            f"reads up to {FORMAT_VERSION}); update the package: pip install -U n2v_stem_keras"
        )
    if type(version) is not int or version < 1:
        raise ConfigError(
            f"{source}: format_version is {version!r}, expected 1 to {FORMAT_VERSION}; "
            "the file was not written by n2v_stem_keras or is damaged"
        )
    return version


def n_blurs(pixel_size_nm: float) -> int:
    """Return how many blurs of 1, 2, 4, ... px go up to the width of an atom, about 0.18 nm.

    Three of them were measured, at 0.046 nm/px.

    Examples
    --------
    >>> n_blurs(0.046), n_blurs(0.023), n_blurs(0.09)
    (3, 4, 2)
    """
    return min(max(1 + round(math.log2(WIDEST_BLUR_NM / pixel_size_nm)), 1), 5)


def stem_for(pixel_size_nm: float) -> int:
    """Return into squares of how many pixels a side finer pixels are joined: 1 or 2.

    Two where the squares are no larger than the pixels that the preset was measured with, 0.046
    nm. Squares of four leave a mesh of their size in what is smooth.

    Examples
    --------
    >>> stem_for(0.046), stem_for(0.016), stem_for(0.0075), stem_for(0.2)
    (1, 2, 2, 1)
    """
    return 2 if 2 * pixel_size_nm <= MEASURED_PIXEL_NM * (1 + 1e-9) else 1


def check_names(names) -> None:
    """Raise `ConfigError` for the first name that is not a field, suggesting the nearest."""
    known = set(N2VStemConfig.names())
    for name in names:
        if name in DERIVED:
            raise ConfigError(f"{name!r} is derived from other fields and cannot be set")
        if name not in known:
            raise ConfigError(f"unknown name {name!r}; {_suggest(name, known)}")


def _plain(value):
    """Turn a number of numpy's into one of Python's."""
    return value.item() if type(value).__module__ == "numpy" and value.ndim == 0 else value


def _suggest(name, known) -> str:
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"


def _least_for_span(config: N2VStemConfig) -> dict[str, int]:
    """Return the densest grid and the smallest window that the blind spot's extent allows."""
    pitch = 2 * config.n2v_jitter + max(config.span) + 1
    return {
        "n2v_pitch": pitch,
        "n2v_early_pitch": pitch,
        # past the short side of the spot, because in a corner one half of the window remains
        "n2v_neighborhood_radius": min(config.span),
    }


def _relation_problems(config: N2VStemConfig) -> dict[str, str]:
    """Check the values against each other; each is known to be sound by itself."""
    found, least = {}, _least_for_span(config)
    for name in ("n2v_pitch", "n2v_early_pitch"):
        pitch = getattr(config, name)
        if pitch is not None and pitch < least[name]:
            found[name] = (
                f"found {pitch}, expected more than 2 * n2v_jitter + n2v_span = "
                f"{least[name] - 1}, or blind spots would touch"
            )
    radius = least["n2v_neighborhood_radius"]
    if config.n2v_neighborhood_radius < radius:
        found["n2v_neighborhood_radius"] = (
            f"found {config.n2v_neighborhood_radius}, expected at least {radius} for n2v_span "
            f"{config.n2v_span}, or in a corner nothing is left to replace a blind spot with"
        )
    glow, n = config.n2v_after_glow, len(config.channels)
    if isinstance(glow, tuple) and len(glow) != n:
        found["n2v_after_glow"] = (
            f"found {len(glow)} numbers, expected one for each of {n} detectors"
        )
    if config.least_parameters > MAX_PARAMETERS:
        found["unet_n_first"] = (
            f"found {config.unet_n_first} at a depth of {config.unet_n_depth}: at least "
            f"{config.least_parameters} parameters, expected at most {MAX_PARAMETERS}"
        )
    multiple = config.size_multiple
    if wrong := config.lattice.problem(multiple):
        found["unet_lattice_window"] = f"found {config.unet_lattice_window}, {wrong}"
    patch = config.n2v_patch_shape
    if patch is not None and any(side % multiple for side in patch):
        found["n2v_patch_shape"] = f"found {patch}, expected multiples of {multiple}"
    elif patch is not None and any(a <= b for a, b in zip(patch, config.span)):
        found["n2v_patch_shape"] = f"found {patch}, expected more than n2v_span {config.n2v_span}"
    if config.train_batch_size % config.train_gradient_accumulation_steps:
        found["train_gradient_accumulation_steps"] = (
            f"found {config.train_gradient_accumulation_steps}, expected a divisor of "
            f"train_batch_size = {config.train_batch_size}"
        )
    return found


N2VStemConfig.__signature__ = inspect.signature(N2VStemConfig.__init__).replace(
    parameters=list(inspect.signature(N2VStemConfig.__init__).parameters.values())[1:]
)


# -- presets: what differs from the paper, and why ------------------------------------------------
FEW_FRAMES = 10  # a movie of fewer has little to say of each
WIDEST_BLUR_NM = 0.184  # 4 px of 0.046 nm: an atom as a probe of 80 kV shows it, with its tails
MEASURED_PIXEL_NM = 0.046  # of the movies that the preset was measured with
# The laptop's choices were made by benchmarks/recipe.py. A random one of the 8 nearest neighbours
# looks like a pixel; the mean of a window does not, the network learns to trust it, and draws too
# strong a contrast where the pixel's own value stands in its place. In blurs as wide as they are,
# atoms stand out of the noise; without them, some initialisations need several times as long as
# others to begin with atoms, and end lower. The Wiener filter sees the lattice below the noise, in
# windows (and so crops) wide enough to hold hundreds of its cells; its image is four times as
# strong as it is, or the network learns from it twice as late. At twice the learning rate the one
# training that was tried (reference movies, 16/16 dB) was lost. Four times as many hidden pixels
# give the first epochs four times as many targets, with which the network learns what is wrong
# with the image of a strong lattice (benchmarks/gains.py).
PRESETS = {
    "paper": {},
    "laptop": {
        "unet_n_depth": 3,
        "unet_n_first": 16,
        "unet_blurs": 3,
        "unet_lattice": "waves",
        "unet_context": True,
        "n2v_pitch": 4,
        "n2v_early_pitch": 2,
        "n2v_span": AUTO,
        "n2v_background_px": AUTO,
        "n2v_after_glow": AUTO,
        "n2v_level_rows": AUTO,
        "n2v_straighten_rows": AUTO,
        "n2v_jitter": 0,
        "n2v_manipulator": "uniform_withoutCP",
        "n2v_neighborhood_radius": 1,
        "n2v_patch_shape": (256, 256),
        "train_epochs": 15,
        "train_steps_per_epoch": 100,
        "train_batch_size": 1,
        "train_learning_rate": 2e-3,
        "train_learning_rate_schedule": "cosine",
        "train_ema_momentum": 0.99,
        "train_augment": True,
        "train_frame_step": 1,
    },
    # small enough for frames as they come (benchmarks/live)
    "live": {
        "unet_stem": 4,
        "unet_n_depth": 1,
        "unet_n_first": 16,
        "unet_kern_size_first": 3,
        "unet_lattice": "frame",
        "unet_context": True,
        "n2v_pitch": 4,
        "n2v_span": AUTO,
        "n2v_background_px": AUTO,
        "n2v_after_glow": AUTO,
        "n2v_level_rows": AUTO,
        "n2v_jitter": 0,
        "n2v_manipulator": "uniform_withoutCP",
        "n2v_neighborhood_radius": 1,
        "n2v_patch_shape": (256, 256),
        "train_epochs": 30,
        "train_steps_per_epoch": 100,
        "train_batch_size": 2,
        "train_learning_rate": 2e-3,
        "train_learning_rate_schedule": "cosine",
        "train_ema_momentum": 0.99,
        "train_augment": True,
        "train_frame_step": 1,
    },
}
