"""Every choice of a model in one frozen object: its value, its reason and its source.

Defaults are those of the paper (Thornley et al., npj Comput. Mater. 12, 68 (2026), Methods and
Fig. 1a); where the paper is silent, the comment beside the field says what was settled and why.
`N2VStemConfig.preset` starts from the named sets of values in `presets`. Names keep CSBDeep's
prefixes: ``unet_`` for the network, ``n2v_`` for the blind spots, ``train_`` for the training.
"""

from __future__ import annotations

import difflib
import inspect
import sys
from dataclasses import asdict, dataclass, fields, replace

from .presets import PRESETS

FORMAT_VERSION = 9
DERIVED = ("axes", "n_channel_in", "n_channel_out", "n2v_perc_pix")

CHOICES = {
    "unet_pool": ("average", "max", "blur"),
    "unet_upsample": ("bilinear", "nearest", "transposed"),
    "unet_block": ("plain", "separable", "aspp"),
    "unet_bottleneck": ("plain", "aspp"),
    "unet_last_activation": ("linear", "relu"),
    "unet_initializer": ("pytorch", "he_normal", "glorot_uniform"),
    "n2v_manipulator": ("mean", "median", "uniform_withoutCP"),
    "train_loss": ("mse", "mae"),
    "train_learning_rate_schedule": ("constant", "cosine"),
    "train_precision": ("float32", "mixed_float16", "mixed_bfloat16"),
}

# (lowest, highest) allowed value, both ends included
RANGES = {
    "unet_n_depth": (1, 6),
    "unet_n_first": (1, 512),
    "unet_kern_size": (1, 15),
    "unet_kern_size_first": (1, 15),
    "unet_stem": (1, 8),
    "unet_wiener_window": (0, 1024),
    "unet_lattice_waves": (0, 256),
    "unet_lattice_scale": (0.01, 1000.0),
    "n2v_pitch": (2, 512),
    "n2v_early_pitch": (2, 512),
    "n2v_early_share": (0.0, 1.0),
    "n2v_early_signal": (0.0, 1000.0),
    "n2v_jitter": (0, 64),
    "n2v_neighborhood_radius": (1, 32),
    "n2v_context_frames": (0, 8),
    "train_epochs": (1, 10**6),
    "train_steps_per_epoch": (1, 10**7),
    "train_batch_size": (1, 4096),
    "train_gradient_accumulation_steps": (1, 4096),
    "train_learning_rate": (1e-12, 10.0),
    "train_ema_momentum": (0.0, 0.99999),
    "train_seed": (0, 2**31 - 1),
    "train_validation_fraction": (0.0, 0.5),
    "train_frame_step": (1, 10**6),
}
SIGMAS = (0.3, 16.0)  # of unet_blur_sigmas, likewise [px]


class ConfigError(ValueError):
    """A configuration that cannot be used; the message lists every problem found."""


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
    channels: tuple[str, ...] = ("ADF", "BF")

    # -- network (Fig. 1a) -----------------------------------------------------------------------
    #: Number of poolings. 2 to 4 were tried, 4 was best (Results, network architecture).
    unet_n_depth: int = 4
    #: Features of the first block; doubled at each level.
    unet_n_first: int = 64
    #: Kernel size [px] of all blocks but the first.
    unet_kern_size: int = 3
    #: Kernel size [px] of both convolutions of the first block: a wider receptive field.
    unet_kern_size_first: int = 5
    #: 'average' is the paper's "AvgBlurPool" (bilinear resampling by 1/2 is 2x2 averaging to the
    #: last bit); 'max' was worse; 'blur' is N2V2's max-blur pooling.
    unet_pool: str = "average"
    #: Resampling x2 without a convolution. 'transposed' makes chequerboards (Fig. 2b).
    unet_upsample: str = "bilinear"
    #: Keep the outermost skip connection. Without it (as in N2V2) results were worse.
    unet_top_skip: bool = True
    #: 'separable' (Xception) and 'aspp' were tried and rejected (Results, training).
    unet_block: str = "plain"
    #: 'aspp' adds atrous spatial pyramid pooling at the bottleneck; tried and rejected.
    unet_bottleneck: str = "plain"
    #: Activation of the 1x1 head. Standardised intensities have both signs: linear.
    unet_last_activation: str = "linear"
    #: "Default initialisation" (Methods). Fig. 1a names its blocks as PyTorch does, so 'pytorch':
    #: kernel and bias uniform in +-1/sqrt(fan_in).
    unet_initializer: str = "pytorch"
    #: Standard deviations [px] of Gaussian blurs of the frames that the first block sees beside
    #: them (`network.GaussianBlurs`); () for none (the paper). In a blur of its own width an atom
    #: stands out of the noise at once; what finds it in the frame itself has to be learnt first,
    #: which takes some initialisations several times as long as others.
    unet_blur_sigmas: tuple[float, ...] = ()
    #: Squares of so many pixels become one pixel with as many more channels before the first block,
    #: and back after the last (space to depth): a power of two; 1 for none (the paper). A network
    #: as wide and as deep is about the square of it faster.
    unet_stem: int = 1
    #: Side [px] of the windows of a Wiener filter whose output is a further input of the network
    #: (`wiener.LocalWienerFilter`), a power of two; 0 for none (the paper). Choose the largest
    #: over which the lattice is one crystal and no scan distortion blurs its Fourier spots, and a
    #: training crop not smaller than it.
    unet_wiener_window: int = 0
    #: At most so many plane waves that are fitted in each of these windows before they are filtered
    #: (`plane_waves`): of a straight lattice they hold less noise. 0 for none (the paper).
    unet_lattice_waves: int = 0
    #: In its place a filter of the whole frame (`frame_filter`): cheap enough for a live network,
    #: and a little worse where the lattice turns or bends.
    unet_frame_filter: bool = False
    #: The first block sees lattice images times this. They are several times fainter than the noise
    #: of the frames beside them, and the network learns late from what is faint.
    unet_lattice_scale: float = 1.0
    #: A UNet of its own for each detector: nothing that one shows can be drawn into another. The
    #: paper tried two single-channel networks (slower, BF converged later) and joins them.
    unet_independent_detectors: bool = False

    # -- blind spots (Fig. 2d) -------------------------------------------------------------------
    #: Distance of the unjittered grid points [px].
    n2v_pitch: int = 24
    #: Their distance [px] in the first epochs; None for the same throughout (the paper). A denser
    #: grid gives more targets a step, but the frames look less like those that prediction shows
    #: the network: so first the one, then the other.
    n2v_early_pitch: int | None = None
    #: Share of a training's epochs with `n2v_early_pitch`.
    n2v_early_share: float = 0.4
    #: Use `n2v_early_pitch` only where some detector's signal (standard deviation of the frames
    #: without their noise) is at least this many noise sigmas: where it is weaker, a dense grid
    #: hides too much of it. 0 for always.
    n2v_early_signal: float = 0.25
    #: Largest displacement of a grid point per axis [px], both ends included.
    n2v_jitter: int = 2
    #: What replaces a blind pixel: the mean of its neighbours (the paper, N2V2), their median, or
    #: one of them at random (Noise2Void; never the pixel itself).
    n2v_manipulator: str = "mean"
    #: Replacement window is (2 r + 1)^2 [px], clipped at the border. The paper is silent; 5 is
    #: the habit of n2v and N2V2.
    n2v_neighborhood_radius: int = 5
    #: Training crop (Y, X) [px]; None for whole frames. The paper trains on whole 512x512 frames.
    n2v_patch_shape: tuple[int, int] | None = (512, 512)
    #: One mask for all detectors of a sample, or one for each. The paper is silent: one.
    n2v_joint_mask: bool = True
    #: Extent (y, x) [px] of a blind spot, odd. (1, s) covers noise that is correlated along the
    #: fast scan axis (structN2V, Broaddus et al. 2020). The paper assumes white noise: (1, 1).
    n2v_span: tuple[int, int] = (1, 1)
    #: Frames before and after that the network also sees (UDVD, Sheth et al. 2021). The paper: 0.
    n2v_context_frames: int = 0

    # -- training (Methods) ----------------------------------------------------------------------
    train_epochs: int = 32
    #: None: as many as show each training frame once.
    train_steps_per_epoch: int | None = None
    #: Samples per update of the weights.
    train_batch_size: int = 12
    #: Parts in which a batch is processed, one after another, to save memory. Does not change
    #: the update beyond rounding.
    train_gradient_accumulation_steps: int = 1
    #: Adam, constant 1e-5.
    train_learning_rate: float = 1e-5
    #: 'cosine' lowers the rate to zero over the run.
    train_learning_rate_schedule: str = "constant"
    #: 'mse' or 'mae', at the blind pixels only.
    train_loss: str = "mse"
    #: Momentum of an exponential moving average of the weights, which is then what is validated
    #: and kept as best; 0 for none (the paper).
    train_ema_momentum: float = 0.0
    #: Flips and quarter turns at random; flips alone where the crop or `n2v_span` is not square.
    #: "No data augmentation was used" (Methods).
    train_augment: bool = False
    #: Crop all detectors at the same place (the paper). False: each at a place of its own in the
    #: frame, so that the network cannot learn to draw into one detector what only another shows.
    train_paired_detectors: bool = True
    #: Seed of everything random.
    train_seed: int = 0
    #: Held out for validation: whole movies where there are three or more, else the last block of
    #: time after a gap, else (fewer than five frames) the last rows of each frame.
    train_validation_fraction: float = 0.1
    #: Train on every n-th frame. The paper trains on every other one (8475 of 16950).
    train_frame_step: int = 2
    #: 'mixed_float16' or 'mixed_bfloat16' on a GPU that is faster with them.
    train_precision: str = "float32"
    #: Write TensorBoard logs to <model folder>/logs (extra ``tensorboard``).
    train_tensorboard: bool = False

    def __new__(cls, *args, **kwargs):
        """Refuse unknown names with a suggestion before the fields are set."""
        check_names(kwargs)
        return object.__new__(cls)

    def __post_init__(self):
        for field in fields(self):
            value = _plain(getattr(self, field.name))
            if field.name in ("channels", "n2v_patch_shape", "n2v_span"):
                value = tuple(map(_plain, value)) if isinstance(value, (list, tuple)) else value
            if field.name == "unet_blur_sigmas":
                value = _as_floats(value)
            object.__setattr__(self, field.name, value)

    # -- derived values --------------------------------------------------------------------------
    @property
    def axes(self) -> str:
        """Axes of one network input, as in CSBDeep: always 'YXC'."""
        return "YXC"

    @property
    def n_channel_in(self) -> int:
        """Channels of the network's input: detectors x (1 + 2 x context frames)."""
        return len(self.channels) * (1 + 2 * self.n2v_context_frames)

    @property
    def n_channel_out(self) -> int:
        """Channels of the network's output: one per detector."""
        return len(self.channels)

    @property
    def n2v_perc_pix(self) -> float:
        """Blind pixels in percent of all pixels: 100 / pitch^2."""
        return 100.0 / self.n2v_pitch**2

    @property
    def visible_shares(self) -> list[float]:
        """Share of pixels that are not replaced in each input of training: 1 - spot / pitch^2.

        With the grid of the last epochs.

        A lattice image (`wiener`) of the blinded frame is weaker than the frame's own by this
        factor: what replaces a pixel holds on average next to nothing of the lattice. Frames
        around it are not blinded.
        """
        height, width = self.n2v_span
        share = 1 - height * width / self.n2v_pitch**2
        n = self.n_channel_out
        return [share] * n + [1.0] * (self.n_channel_in - n)

    @property
    def size_multiple(self) -> int:
        """Both sides of a network input are multiples of this: stem x 2^depth [px].

        The frame filter's blocks make it 16 at least.
        """
        return max(self.unet_stem * 2**self.unet_n_depth, 16 if self.unet_frame_filter else 1)

    @property
    def tile_multiple(self) -> int:
        """Tiles start on multiples of this: the grid of the pooling and of the windows [px]."""
        return max(self.size_multiple, self.unet_wiener_window // 2)

    # -- validation ------------------------------------------------------------------------------
    def problems(self) -> dict[str, str]:
        """Return what is wrong, as field name -> sentence; empty if all is well."""
        found = {}
        for field in fields(self):
            message = _field_problem(field.name, getattr(self, field.name))
            if message:
                found[field.name] = message
        return found or _relation_problems(self)

    def is_valid(self, return_invalid: bool = False):
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
    def preset(cls, name: str, **changes) -> N2VStemConfig:
        """Return a named set of values, with changes.

        Parameters
        ----------
        name : {'paper', 'laptop', 'live'}
            'paper': the defaults. 'laptop': trains well on two CPU cores in minutes. 'live': a
            small network for frames as they come, best trained by `distill`.
        **changes
            Any field by name. Where `n2v_span` or `n2v_jitter` is among them and needs a wider
            grid or a wider replacement window than the preset's, they are made as wide as it
            needs, unless they are named, too.
        """
        if name not in PRESETS:
            raise ConfigError(f"unknown preset {name!r}; {_suggest(name, PRESETS)}")
        check_names(changes)
        config = cls(**{**PRESETS[name], **changes})
        spots = ("n2v_span", "n2v_jitter")
        if not any(field in changes for field in spots) or any(
            _field_problem(field, getattr(config, field)) for field in spots
        ):
            return config
        wider = {
            field: max(getattr(config, field), least)
            for field, least in _least_for_span(config).items()
            if field not in changes and getattr(config, field) is not None
        }
        return config.replace(**wider)

    def replace(self, **changes) -> N2VStemConfig:
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
        values = migrate(dict(values), source)
        try:
            check_names(values)
            missing = [f.name for f in fields(cls) if f.name not in values]
            if missing:
                raise ConfigError(f"missing {', '.join(missing)}; the file is incomplete")
            return cls(**values).check()
        except ConfigError as error:
            raise ConfigError(f"{source}: {error}") from None


def migrate(values: dict, source: str) -> dict:
    """Bring a stored configuration to the present `format_version` and take that key out.

    A new format adds a function to `MIGRATIONS` for the step from the version before it.
    """
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
    for step in MIGRATIONS[version - 1 :]:
        values = step(values)
    return values


def from_1_to_2(values: dict) -> dict:
    """Version 1 always cropped all detectors at the same place."""
    return {"train_paired_detectors": True, **values}


def from_2_to_3(values: dict) -> dict:
    """Version 2 knew no Wiener filter."""
    return {"unet_wiener_window": 0, **values}


def from_3_to_4(values: dict) -> dict:
    """Version 3 had one UNet for all detectors."""
    return {"unet_independent_detectors": False, **values}


def from_4_to_5(values: dict) -> dict:
    """Version 4 knew no stem and no filter of whole frames."""
    return {"unet_stem": 1, "unet_frame_filter": False, **values}


def from_5_to_6(values: dict) -> dict:
    """Version 5 showed the network lattice images as they are."""
    return {"unet_lattice_scale": 1.0, **values}


def from_6_to_7(values: dict) -> dict:
    """Version 6 had one pitch throughout."""
    early = {"n2v_early_pitch": None, "n2v_early_share": 0.4, "n2v_early_signal": 0.25}
    return {**early, **values}


def from_7_to_8(values: dict) -> dict:
    """Version 7 filtered windows without plane waves."""
    return {"unet_lattice_waves": 0, **values}


def from_8_to_9(values: dict) -> dict:
    """Version 8 showed the network no blurred frames."""
    return {"unet_blur_sigmas": [], **values}


MIGRATIONS = [
    from_1_to_2,
    from_2_to_3,
    from_3_to_4,
    from_4_to_5,
    from_5_to_6,
    from_6_to_7,
    from_7_to_8,
    from_8_to_9,
]


def check_names(names) -> None:
    """Raise `ConfigError` for the first name that is not a field, suggesting the nearest."""
    known = {field.name for field in fields(N2VStemConfig)}
    for name in names:
        if name in DERIVED:
            raise ConfigError(f"{name!r} is derived from other fields and cannot be set")
        if name not in known:
            raise ConfigError(f"unknown name {name!r}; {_suggest(name, known)}")


def _plain(value):
    """Turn a number of numpy's into one of Python's."""
    return value.item() if type(value).__module__ == "numpy" and value.ndim == 0 else value


def _as_floats(value):
    """Turn a list of numbers, or one number, into a tuple of floats; leave what is none."""
    listed = value if isinstance(value, (list, tuple)) else (value,)
    listed = tuple(map(_plain, listed))
    return tuple(map(float, listed)) if all(_is_number(v, False) for v in listed) else value


def _suggest(name, known) -> str:
    near = difflib.get_close_matches(str(name), known, n=1, cutoff=0.5)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(known))}"


def _field_problem(name: str, value) -> str | None:
    """Check one value's type and range without looking at the others."""
    if name in CHOICES:
        if not isinstance(value, str) or value not in CHOICES[name]:
            return f"found {value!r}, expected one of {', '.join(map(repr, CHOICES[name]))}"
        return None
    if name == "channels":
        return _channels_problem(value)
    if name == "n2v_patch_shape":
        return None if value is None else _pair_problem(value, 8, 65536, "None or ")
    if name == "n2v_span":
        problem = _pair_problem(value, 1, 31)
        return problem or (None if all(s % 2 for s in value) else f"found {value}, expected odd")
    if name == "unet_blur_sigmas":
        return _sigmas_problem(value)
    default = N2VStemConfig.__dataclass_fields__[name].default
    if isinstance(default, bool):
        return None if isinstance(value, bool) else f"found {value!r}, expected true or false"
    low, high = RANGES[name]
    if default is None and value is None:
        return None
    whole = not isinstance(default, float)
    if not _is_number(value, whole) or not low <= value <= high:
        kind = ("None or " if default is None else "") + ("a whole number" if whole else "a number")
        return f"found {value!r}, expected {kind} from {low} to {high}"
    if name.startswith("unet_kern") and value % 2 == 0:
        return f"found {value}, expected an odd number, so that the kernel has a centre"
    if name == "unet_stem" and value & (value - 1):
        return f"found {value}, expected a power of two from {low} to {high}"
    if name == "unet_wiener_window" and value and (value < 16 or value & (value - 1)):
        return f"found {value}, expected 0 or a power of two from 16 to {high}"
    return None


def _is_number(value, whole: bool) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # not math.isfinite: JSON knows whole numbers that no float can hold
    return isinstance(value, int) if whole else abs(value) <= sys.float_info.max


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


def _pair_problem(value, low, high, also="") -> str | None:
    good = (
        isinstance(value, tuple)
        and len(value) == 2
        and all(_is_number(v, whole=True) and low <= v <= high for v in value)
    )
    expected = f"{also}two whole numbers (y, x) from {low} to {high}"
    return None if good else f"found {value!r}, expected {expected}"


def _sigmas_problem(value) -> str | None:
    low, high = SIGMAS
    good = isinstance(value, tuple) and len(value) <= 8
    if good and all(_is_number(v, whole=False) and low <= v <= high for v in value):
        return None
    expected = f"up to 8 numbers from {low} to {high} [px], e.g. [1, 2], or []"
    return f"found {value!r}, expected {expected}"


def _least_for_span(config: N2VStemConfig) -> dict[str, int]:
    """Return the densest grid and the smallest window that the blind spot's extent allows."""
    pitch = 2 * config.n2v_jitter + max(config.n2v_span) + 1
    return {
        "n2v_pitch": pitch,
        "n2v_early_pitch": pitch,
        # past the short side of the spot, because in a corner one half of the window remains
        "n2v_neighborhood_radius": min(config.n2v_span),
    }


def _grid(config: N2VStemConfig) -> str:
    """Say what sides of network inputs are multiples of, and why."""
    multiple = config.size_multiple
    if multiple > config.unet_stem * 2**config.unet_n_depth:
        return f"{multiple}, for unet_frame_filter"
    stem = "unet_stem x " if config.unet_stem > 1 else ""
    return f"{stem}2^unet_n_depth = {multiple}"


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
    multiple = config.size_multiple
    if config.unet_wiener_window and config.unet_wiener_window < 2 * multiple:
        found["unet_wiener_window"] = (
            f"found {config.unet_wiener_window}, expected 0 or at least twice {_grid(config)}, so "
            "that tiles can start on both its grid and the pooling's"
        )
    if config.unet_wiener_window and config.unet_frame_filter:
        found["unet_frame_filter"] = "found true, expected false beside a unet_wiener_window"
    patch = config.n2v_patch_shape
    if patch is not None and any(side % multiple for side in patch):
        found["n2v_patch_shape"] = f"found {patch}, expected multiples of {_grid(config)}"
    elif patch is not None and any(a <= b for a, b in zip(patch, config.n2v_span)):
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
