"""The configuration: the paper's values, checked values, and files that come from elsewhere."""

import copy
import dataclasses
import inspect
import json
import math
import pickle
import re

import numpy as np
import pytest

from n2v_stem_keras import config as config_module
from n2v_stem_keras.config import (
    DERIVED,
    FORMAT_VERSION,
    PREPARED,
    PRESETS,
    ConfigError,
    N2VStemConfig,
    n_blurs,
)

ABOUT = {field.name: field.metadata for field in dataclasses.fields(N2VStemConfig)}
RANGES = {name: about["range"] for name, about in ABOUT.items() if "range" in about}
CHOICES = {name: about["choices"] for name, about in ABOUT.items() if "choices" in about}

# Thornley et al. 2026, Methods and Fig. 1a; where the paper is silent, what was settled instead
PAPER = {
    "channels": ("ADF", "BF"),
    "unet_n_depth": 4,
    "unet_n_first": 64,
    "unet_kern_size": 3,
    "unet_kern_size_first": 5,
    "unet_pool": "average",
    "unet_upsample": "bilinear",
    "unet_top_skip": True,
    "unet_block": "plain",
    "unet_bottleneck": "plain",
    "unet_blurs": 0,
    "unet_stem": 1,
    "unet_lattice": "none",
    "unet_lattice_window": 256,
    "unet_context": False,
    "unet_independent_detectors": False,
    "n2v_pitch": 24,
    "n2v_early_pitch": None,
    "n2v_jitter": 2,
    "n2v_manipulator": "mean",
    "n2v_neighborhood_radius": 5,
    "n2v_patch_shape": (512, 512),
    "n2v_joint_mask": True,
    "n2v_span": (1, 1),
    "n2v_background_px": None,
    "n2v_after_glow": None,
    "n2v_level_rows": False,
    "n2v_straighten_rows": False,
    "train_epochs": 32,
    "train_steps_per_epoch": None,
    "train_batch_size": 12,
    "train_gradient_accumulation_steps": 1,
    "train_learning_rate": 1e-5,
    "train_learning_rate_schedule": "constant",
    "train_loss": "mse",
    "train_ema_momentum": 0.0,
    "train_augment": False,
    "train_seed": 0,
    "train_validation_fraction": 0.1,
    "train_frame_step": 2,
    "train_precision": "float32",
    "train_tensorboard": False,
}

FIELDS = [field.name for field in dataclasses.fields(N2VStemConfig)]
# values of which neither a range nor a list of choices tells another
OTHER_VALUES = {
    "channels": ("HAADF", "ABF", "BF"),
    "unet_n_depth": 3,
    "unet_n_first": 16,
    "unet_kern_size": 5,
    "unet_kern_size_first": 7,
    "unet_pool": "max",
    "unet_upsample": "transposed",
    "unet_top_skip": False,
    "unet_block": "separable",
    "unet_bottleneck": "aspp",
    "unet_blurs": 3,
    "unet_stem": 2,
    "unet_lattice": "waves",
    "unet_lattice_window": 64,
    "unet_context": True,
    "unet_independent_detectors": True,
    "n2v_pitch": 12,
    "n2v_early_pitch": 8,
    "n2v_jitter": 1,
    "n2v_manipulator": "median",
    "n2v_neighborhood_radius": 6,
    "n2v_patch_shape": None,
    "n2v_span": (1, 5),
    "n2v_background_px": 24.0,
    "n2v_after_glow": (0.1, 0.2, 0.0),
    "n2v_level_rows": True,
    "n2v_straighten_rows": True,
    "train_learning_rate": 0.1 + 0.2,
    "train_learning_rate_schedule": "cosine",
    "train_loss": "mae",
    "train_ema_momentum": 0.999,
    "train_augment": True,
    "train_seed": 2**31 - 1,
    "train_validation_fraction": 0.5,
    "train_frame_step": 1,
    "train_precision": "mixed_bfloat16",
    "train_tensorboard": True,
}


def another_valid_configuration():
    """One with another value of every field, found in turn, each valid beside those before it."""
    config = N2VStemConfig()
    for name in FIELDS:
        value = getattr(config, name)
        ways = [*CHOICES.get(name, ()), *reversed(RANGES.get(name, ())), not value]
        ways = [OTHER_VALUES[name]] if name in OTHER_VALUES else ways
        trials = (config.replace(**{name: way}) for way in ways if way != value)
        config = next((trial for trial in trials if trial.is_valid()), config)
    return config


OTHER = dataclasses.asdict(another_valid_configuration())

OPTIONAL = dict.fromkeys(("train_steps_per_epoch", "n2v_early_pitch"), "None or ")

# every range can be used from end to end on top of these
ROOMY = {"n2v_pitch": 512, "n2v_jitter": 0, "train_batch_size": 4096, "unet_n_depth": 2}


def through_json(config, **changes):
    """A configuration's dictionary as it comes back from a file, with some values changed."""
    return json.loads(json.dumps({**config.to_dict(), **changes}))


# Values


def test_the_defaults_are_the_papers():
    assert dataclasses.asdict(N2VStemConfig()) == PAPER
    assert N2VStemConfig().problems() == {}


def test_a_blind_spot_in_576_pixels_and_images_in_multiples_of_16():
    config = N2VStemConfig()
    assert math.isclose(config.n2v_perc_pix, 100 / 576)
    assert config.size_multiple == 16


def test_channels_in_and_out_follow_from_detectors_and_context():
    config = N2VStemConfig(channels=("A", "B", "C"), unet_context=True)
    assert (config.axes, config.n_channel_in, config.n_channel_out) == ("YXC", 15, 3)
    assert (N2VStemConfig().n_channel_in, N2VStemConfig().n_channel_out) == (2, 2)


@pytest.mark.parametrize("context", [False, True])
def test_each_detector_has_a_visible_share(context):
    config = N2VStemConfig(channels=("A", "B", "C"), n2v_pitch=8, unet_context=context)
    assert config.visible_shares == [1 - 1 / 64] * 3


def test_the_signature_names_every_field_for_the_editor():
    assert list(inspect.signature(N2VStemConfig).parameters) == FIELDS


def test_a_configuration_does_not_change():
    config = N2VStemConfig()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.n2v_pitch = 12
    with pytest.raises(AttributeError):
        config.axes = "XYC"
    assert config == N2VStemConfig()


def test_replace_gives_a_changed_copy():
    config = N2VStemConfig()
    assert config.replace(n2v_pitch=12).n2v_pitch == 12
    assert config.n2v_pitch == 24
    assert config.replace() == config


def test_lists_become_tuples():
    config = N2VStemConfig(channels=["BF"], n2v_patch_shape=[64, 32], n2v_span=[1, 3])
    assert (config.channels, config.n2v_patch_shape, config.n2v_span) == (("BF",), (64, 32), (1, 3))
    assert config == N2VStemConfig(channels=("BF",), n2v_patch_shape=(64, 32), n2v_span=(1, 3))


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda c: dataclasses.replace(c)])
def test_copies_are_equal(duplicate):
    config = N2VStemConfig(**OTHER)
    assert duplicate(config) == config
    assert hash(duplicate(config)) == hash(config)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_pickling_keeps_everything(protocol):
    config = N2VStemConfig(**OTHER)
    assert pickle.loads(pickle.dumps(config, protocol)) == config


# Presets


def test_the_laptop_preset_is_valid_small_and_takes_changes():
    laptop = N2VStemConfig.preset("laptop")
    assert laptop.is_valid()
    assert laptop.unet_n_first < N2VStemConfig().unet_n_first
    changed = N2VStemConfig.preset("laptop", channels=("HAADF",), n2v_pitch=9)
    assert changed == laptop.replace(channels=("HAADF",), n2v_pitch=9)


@pytest.mark.parametrize("span", [(1, 3), (1, 11), (5, 1), (3, 3), (1, 1)])
def test_a_preset_makes_room_for_a_wider_blind_spot(span):
    for name in ("laptop", "paper"):
        preset = N2VStemConfig.preset(name)
        wider = N2VStemConfig.preset(name, n2v_span=span)
        assert wider.is_valid()
        assert wider.n2v_pitch == max(preset.n2v_pitch, 2 * preset.n2v_jitter + max(span) + 1)
        if preset.n2v_early_pitch:
            early = 2 * preset.n2v_jitter + max(span) + 1
            assert wider.n2v_early_pitch == max(preset.n2v_early_pitch, early)
        assert wider.n2v_neighborhood_radius == max(preset.n2v_neighborhood_radius, min(span))
        kept = {"n2v_span": span, "n2v_pitch": wider.n2v_pitch}
        kept["n2v_early_pitch"] = wider.n2v_early_pitch
        kept["n2v_neighborhood_radius"] = wider.n2v_neighborhood_radius
        assert wider == preset.replace(**kept)


def test_a_preset_makes_room_for_more_jitter():
    wider = N2VStemConfig.preset("laptop", n2v_jitter=2)
    assert (wider.n2v_pitch, wider.n2v_early_pitch) == (6, 6)
    assert wider.is_valid()


@pytest.mark.parametrize(("pixel_size_nm", "widest_px"), [(0.046, 4), (0.023, 8), (0.092, 2)])
def test_the_blurs_of_a_preset_are_as_wide_as_an_atom(pixel_size_nm, widest_px):
    config = N2VStemConfig.preset("laptop", pixel_size_nm=pixel_size_nm)
    assert config.is_valid()
    assert max(config.blur_sigmas) == widest_px
    stem = config.unet_stem
    assert config == N2VStemConfig.preset("laptop", unet_blurs=config.unet_blurs, unet_stem=stem)


@pytest.mark.parametrize(
    ("pixel_size_nm", "stem"),
    [(0.2, 1), (0.046, 1), (0.03, 1), (0.023, 2), (0.0164, 2), (0.0075, 2), (1e-3, 2)],
)
def test_fine_pixels_are_taken_together(pixel_size_nm, stem):
    config = N2VStemConfig.preset("laptop", pixel_size_nm=pixel_size_nm)
    assert config.unet_stem == stem
    assert config.is_valid()
    # the live preset has its own, and what is said holds
    assert N2VStemConfig.preset("live", pixel_size_nm=pixel_size_nm).unet_stem == 4
    assert N2VStemConfig.preset("laptop", pixel_size_nm=pixel_size_nm, unet_stem=1).unet_stem == 1
    assert N2VStemConfig.preset("paper", pixel_size_nm=pixel_size_nm).unet_stem == 1


def test_blurs_stay_within_what_a_network_can_have_and_what_was_said():
    assert [n_blurs(size) for size in (100.0, 1e-6)] == [1, 5]
    assert N2VStemConfig.preset("laptop", pixel_size_nm=0.01, unet_blurs=2).unet_blurs == 2
    assert N2VStemConfig.preset("paper", pixel_size_nm=0.01).unet_blurs == 0
    assert N2VStemConfig.preset("laptop", pixel_size_nm=None).unet_blurs == 3
    assert N2VStemConfig.preset("laptop", pixel_size_nm=np.float32(0.023)).unet_blurs == 4


@pytest.mark.parametrize("name", ["laptop", "live"])
def test_presets_look_at_the_frames_around_where_there_are_enough(name):
    preset = N2VStemConfig.preset(name)
    assert preset.unet_context
    for n_frames in (10, 11, 500):
        assert N2VStemConfig.preset(name, n_frames=n_frames) == preset
    for n_frames in (1, 9):
        few = N2VStemConfig.preset(name, n_frames=n_frames)
        assert few == preset.replace(unet_context=False)
    # what is said beside it stays
    assert N2VStemConfig.preset(name, n_frames=3, unet_context=True) == preset
    for n_frames in (None, 3, 500):
        assert N2VStemConfig.preset("paper", n_frames=n_frames) == N2VStemConfig()


@pytest.mark.parametrize("size", [0, -0.02, float("nan"), float("inf"), "0.02 nm"])
@pytest.mark.parametrize("name", ["laptop", "paper"])
def test_a_pixel_size_that_is_none_is_refused(name, size):
    with pytest.raises(ConfigError, match=r"pixel_size_nm is .*, expected a number above 0"):
        N2VStemConfig.preset(name, pixel_size_nm=size)


def test_a_preset_keeps_what_is_said_beside_a_wider_blind_spot():
    config = N2VStemConfig.preset("laptop", n2v_span=(1, 9), n2v_pitch=4)
    assert config.n2v_pitch == 4
    assert config.is_valid(return_invalid=True) == (False, ("n2v_pitch",))
    assert not N2VStemConfig.preset("laptop", n2v_span="wide").is_valid()
    assert not N2VStemConfig.preset("laptop", n2v_span=(1, 3), n2v_jitter="x").is_valid()


def test_the_paper_preset_is_the_default():
    assert N2VStemConfig.preset("paper") == N2VStemConfig()


def test_an_unknown_preset_suggests_the_nearest():
    with pytest.raises(ConfigError, match=r"unknown preset 'laptp'; did you mean 'laptop'\?"):
        N2VStemConfig.preset("laptp")
    with pytest.raises(ConfigError, match=r"unknown preset 'zzz'; known are laptop, live, paper"):
        N2VStemConfig.preset("zzz")


# Names

WAYS_IN = {
    "constructor": lambda **names: N2VStemConfig(**names),
    "replace": lambda **names: N2VStemConfig().replace(**names),
    "preset": lambda **names: N2VStemConfig.preset("laptop", **names),
    "from_dict": lambda **names: N2VStemConfig.from_dict(through_json(N2VStemConfig(), **names)),
}


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize(
    ("wrong", "right"),
    [("n2v_pich", "n2v_pitch"), ("unet_depth", "unet_n_depth"), ("Channels", "channels")],
)
def test_an_unknown_name_suggests_the_nearest(way, wrong, right):
    with pytest.raises(ConfigError, match=f"unknown name '{wrong}'; did you mean '{right}'\\?"):
        WAYS_IN[way](**{wrong: 1})


def test_a_name_like_no_other_lists_those_known():
    with pytest.raises(
        ConfigError, match=r"unknown name 'qqq'; known are channels, n2v_after_glow"
    ):
        N2VStemConfig(qqq=1)


@pytest.mark.parametrize("way", WAYS_IN)
@pytest.mark.parametrize("name", ["axes", "n_channel_in", "n_channel_out", "n2v_perc_pix"])
def test_derived_names_cannot_be_set(way, name):
    assert name in DERIVED
    assert hasattr(N2VStemConfig(), name)
    with pytest.raises(ConfigError, match=f"'{name}' is derived from other fields"):
        WAYS_IN[way](**{name: 2})


def test_values_have_names():
    with pytest.raises(TypeError, match="positional"):
        N2VStemConfig(("ADF", "BF"))


# Checks: each sentence says what was found and what was expected, and `check` names the field


def complaint(name, value, *, roomy=False, **others):
    """The one sentence about a wrong value, as `problems`, `is_valid` and `check` all give it."""
    config = N2VStemConfig(**{**(ROOMY if roomy else {}), **others, name: value})
    problems = config.problems()
    assert list(problems) == [name]
    assert config.is_valid() is False
    assert config.is_valid(True) == (False, (name,))
    with pytest.raises(ConfigError) as error:
        config.check()
    assert f"{name}: {problems[name]}" in str(error.value)
    return problems[name]


def test_a_valid_configuration_says_so():
    config = N2VStemConfig()
    assert config.is_valid() is True
    assert config.is_valid(return_invalid=True) == (True, ())
    assert config.check() is config


@pytest.mark.parametrize("name", RANGES)
def test_numbers_are_accepted_up_to_both_ends_of_their_range_and_not_beyond(name):
    low, high = RANGES[name]
    for end in (low, high):
        assert N2VStemConfig(**{**ROOMY, name: end}).is_valid(True) == (True, ())
    step = 1 if isinstance(low, int) else 0.5 * low or 1e-9
    for beyond in (low - step, high + step):
        sentence = complaint(name, beyond, roomy=True)
        assert sentence.startswith(f"found {beyond!r}, expected {OPTIONAL.get(name, '')}a ")
        assert sentence.endswith(f"number from {low} to {high}")


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize(
    "value",
    [
        *("4", True, [4], None, math.nan, math.inf, -math.inf, 4j),
        pytest.param(10**400, id="beyond any float"),
        pytest.param(-(10**400), id="below any float"),
    ],
)
def test_numbers_must_be_numbers(name, value):
    if name in OPTIONAL and value is None:
        assert N2VStemConfig(**{name: None}).is_valid()
        return
    expected = f"found {value!r}, expected {OPTIONAL.get(name, '')}a "
    assert complaint(name, value).startswith(expected)


@pytest.mark.parametrize("name", [n for n in RANGES if isinstance(PAPER[n], int)])
def test_counts_and_pixels_are_whole_numbers(name):
    assert complaint(name, 4.0).startswith("found 4.0, expected a whole number from")


@pytest.mark.parametrize("name", ["unet_kern_size", "unet_kern_size_first"])
def test_kernels_have_a_centre(name):
    assert complaint(name, 4) == "found 4, expected an odd number, so that the kernel has a centre"


@pytest.mark.parametrize("value", [17, 48, 100])
def test_windows_of_the_lattice_are_powers_of_two(value):
    assert complaint("unet_lattice_window", value) == f"found {value}, expected a power of two"


@pytest.mark.parametrize("kind", ["windows", "waves"])
def test_windows_of_the_lattice_are_on_the_grid_of_the_pooling(kind):
    options = {"unet_lattice": kind, "unet_lattice_window": 32}
    assert N2VStemConfig(**options, unet_n_depth=4).is_valid()
    sentence = complaint("unet_lattice_window", 32, unet_lattice=kind, unet_n_depth=5)
    assert sentence.startswith("found 32, expected at least twice 32")
    # who has no windows does not mind
    assert N2VStemConfig(unet_lattice_window=32, unet_n_depth=5).is_valid()


def test_a_stem_and_a_lattice_image_of_frames_make_the_grid():
    assert N2VStemConfig(unet_stem=4, unet_n_depth=1).size_multiple == 8
    assert N2VStemConfig(unet_lattice="frame", unet_n_depth=1).size_multiple == 16
    sentence = complaint("n2v_patch_shape", (40, 64), unet_stem=4, unet_n_depth=2)
    assert sentence == "found (40, 64), expected multiples of 16"
    sentence = complaint("n2v_patch_shape", (40, 64), unet_lattice="frame", unet_n_depth=1)
    assert sentence == "found (40, 64), expected multiples of 16"
    assert "power of two" in complaint("unet_stem", 3)


@pytest.mark.parametrize("name", CHOICES)
@pytest.mark.parametrize("value", ["best", "", None, 3, ["plain"], True])
def test_choices_are_listed(name, value):
    sentence = complaint(name, value)
    assert sentence.startswith(f"found {value!r}, expected one of ")
    for choice in CHOICES[name]:
        assert repr(choice) in sentence
        assert N2VStemConfig(**{name: choice}).is_valid()


@pytest.mark.parametrize(
    "name", [n for n, v in PAPER.items() if isinstance(v, bool) and n not in PREPARED]
)
@pytest.mark.parametrize("value", [1, 0, "true", None])
def test_switches_are_true_or_false(name, value):
    assert complaint(name, value) == f"found {value!r}, expected true or false"


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        ("ADF", "a list of 1 to 64 detector names"),
        ((), "a list of 1 to 64 detector names"),
        (None, "a list of 1 to 64 detector names"),
        (tuple(map(str, range(65))), "a list of 1 to 64 detector names"),
        (("ADF", 2), "names of 1 to 64 characters"),
        (("ADF", ""), "names of 1 to 64 characters"),
        (("A" * 65,), "names of 1 to 64 characters"),
        ((" ADF",), "without spaces around them"),
        (("ADF", "BF", "adf"), "names that differ (ignoring case)"),
    ],
)
def test_detectors_have_names_that_differ(channels, expected):
    sentence = complaint("channels", channels)
    assert sentence.startswith(f"found {channels!r}, expected ")
    assert expected in sentence


def test_up_to_64_detectors_are_fine():
    assert N2VStemConfig(channels=tuple(map(str, range(64)))).is_valid()
    assert N2VStemConfig(channels=("A" * 64,)).is_valid()


@pytest.mark.parametrize(
    "shape",
    [512, (512,), (64, 64, 2), (64.0, 64), (4, 64), (64, 2**17), (True, 64), "64", (64, None)],
)
def test_a_crop_is_two_lengths(shape):
    expected = "expected None or two whole numbers (y, x) from 8 to 65536"
    assert complaint("n2v_patch_shape", shape) == f"found {shape!r}, {expected}"


@pytest.mark.parametrize("span", [3, (3,), None, (0, 1), (1, 33), (1.0, 3), (1, 3, 1)])
def test_a_blind_spot_has_two_extents(span):
    expected = "expected two whole numbers (y, x) from 1 to 31, or 'auto'"
    assert complaint("n2v_span", span) == f"found {span!r}, {expected}"


def test_a_blind_spot_has_a_centre():
    assert complaint("n2v_span", (1, 4)) == "found (1, 4), expected odd, or 'auto'"


def test_all_problems_are_listed_at_once():
    config = N2VStemConfig(n2v_pitch=0, unet_pool="mean", channels=())
    assert config.is_valid(True) == (False, ("channels", "unet_pool", "n2v_pitch"))
    with pytest.raises(ConfigError) as error:
        config.check()
    assert all(f"\n  {name}: found" in str(error.value) for name in config.problems())


# Relations between values


@pytest.mark.parametrize(("jitter", "span"), [(2, (1, 1)), (2, (1, 5)), (0, (1, 3)), (3, (3, 3))])
def test_blind_spots_may_not_touch(jitter, span):
    touching = 2 * jitter + max(span)
    options = {"n2v_jitter": jitter, "n2v_span": span, "n2v_neighborhood_radius": 5}
    for name in ("n2v_pitch", "n2v_early_pitch"):
        sentence = complaint(name, touching, **options)
        assert sentence.startswith(f"found {touching}, expected more than ")
        assert f"= {touching}" in sentence
        assert N2VStemConfig(**{name: touching + 1}, **options).is_valid()


@pytest.mark.parametrize(
    ("span", "least"),
    [((1, 1), 1), ((1, 5), 1), ((5, 1), 1), ((3, 3), 3), ((3, 7), 3), ((5, 5), 5)],
)
def test_the_replacement_window_reaches_out_of_a_blind_spot_in_every_corner(span, least):
    if least > 1:
        sentence = complaint("n2v_neighborhood_radius", least - 1, n2v_span=span)
        assert sentence.startswith(f"found {least - 1}, expected at least {least} for n2v_span")
    assert N2VStemConfig(n2v_neighborhood_radius=least, n2v_span=span).is_valid()


@pytest.mark.parametrize("shape", [(40, 64), (64, 40)])
def test_a_crop_fits_the_pooling(shape):
    sentence = complaint("n2v_patch_shape", shape)
    assert sentence == f"found {shape}, expected multiples of 16"
    assert N2VStemConfig(n2v_patch_shape=shape, unet_n_depth=3).is_valid()


def test_a_blind_spot_fits_into_the_crop():
    options = {"n2v_span": (1, 9), "unet_n_depth": 3}
    sentence = complaint("n2v_patch_shape", (16, 8), **options)
    assert sentence == "found (16, 8), expected more than n2v_span (1, 9)"
    assert N2VStemConfig(n2v_patch_shape=(8, 16), **options).is_valid()


def test_a_batch_divides_into_its_parts():
    sentence = complaint("train_gradient_accumulation_steps", 5)
    assert sentence == "found 5, expected a divisor of train_batch_size = 12"
    assert N2VStemConfig(train_gradient_accumulation_steps=6).is_valid()


# JSON


@pytest.mark.parametrize(
    "config", [N2VStemConfig(), N2VStemConfig(**OTHER), N2VStemConfig.preset("laptop")]
)
def test_json_and_back_is_equal_in_value_and_type(config):
    back = N2VStemConfig.from_dict(through_json(config))
    assert back == config
    for field in dataclasses.fields(config):
        assert type(getattr(back, field.name)) is type(getattr(config, field.name)), field.name


def test_the_other_values_above_differ_from_the_defaults_in_every_field():
    assert list(OTHER) == list(PAPER) == FIELDS
    assert not [name for name in PAPER if OTHER[name] == PAPER[name]]


def test_json_holds_plain_types_and_its_version():
    stored = N2VStemConfig(**OTHER).to_dict()
    assert stored["format_version"] == FORMAT_VERSION
    assert stored["n2v_span"] == [1, 5]
    assert {type(v) for v in stored.values()} <= {int, float, bool, str, list, type(None)}


def test_reading_leaves_the_dictionary_alone():
    stored = through_json(N2VStemConfig())
    before = copy.deepcopy(stored)
    N2VStemConfig.from_dict(stored)
    assert stored == before


def test_a_newer_format_asks_for_an_update():
    stored = through_json(N2VStemConfig(), format_version=FORMAT_VERSION + 1, n2v_new_field=3)
    newer = rf"my\.json: format_version {FORMAT_VERSION + 1} .* newer .*pip install -U"
    with pytest.raises(ConfigError, match=newer):
        N2VStemConfig.from_dict(stored, "my.json")


@pytest.mark.parametrize("version", [1, 2])
def test_a_key_newer_than_a_folder_has_its_default(version, monkeypatch):
    monkeypatch.setattr(config_module, "FORMAT_VERSION", 3)
    monkeypatch.setattr(config_module, "SINCE", {"unet_blurs": 2, "n2v_joint_mask": 3})
    stored = through_json(N2VStemConfig(**OTHER), format_version=version)
    del stored["n2v_joint_mask"]
    if version == 1:
        del stored["unet_blurs"]
    read = N2VStemConfig.from_dict(stored)
    blurs = PAPER["unet_blurs"] if version == 1 else OTHER["unet_blurs"]
    assert read == N2VStemConfig(**{**OTHER, "n2v_joint_mask": True, "unet_blurs": blurs})
    # an old key may not be missing, nor a new one from a new folder
    del stored["unet_n_depth"]
    with pytest.raises(ConfigError, match="missing unet_n_depth"):
        N2VStemConfig.from_dict(stored)
    with pytest.raises(ConfigError, match=r"missing .*n2v_joint_mask"):
        N2VStemConfig.from_dict({**stored, "format_version": 3})


@pytest.mark.parametrize("version", [0, -1, "1", 1.0, True, None, [1]])
def test_a_wrong_format_version_is_named(version):
    stored = through_json(N2VStemConfig(), format_version=version)
    with pytest.raises(ConfigError) as error:
        N2VStemConfig.from_dict(stored)
    assert re.search(
        rf"format_version is {re.escape(repr(version))}, expected [^;]*\b{FORMAT_VERSION}\b",
        str(error.value),
    )


def test_a_missing_format_version_is_said():
    stored = through_json(N2VStemConfig())
    del stored["format_version"]
    expected = rf"format_version is None, expected [^;]*\b{FORMAT_VERSION}\b"
    with pytest.raises(ConfigError, match=expected):
        N2VStemConfig.from_dict(stored)


@pytest.mark.parametrize("name", FIELDS)
def test_a_missing_key_is_named_not_filled_in(name):
    stored = through_json(N2VStemConfig())
    del stored[name]
    with pytest.raises(ConfigError, match=f"^config.json: missing {name}; the file is incomplete"):
        N2VStemConfig.from_dict(stored)


@pytest.mark.parametrize("name", FIELDS)
def test_a_value_of_a_wrong_type_is_named(name):
    with pytest.raises(ConfigError, match=f"^x.json: [^\n]*\n  {name}: found {{}}, expected"):
        N2VStemConfig.from_dict(through_json(N2VStemConfig(), **{name: {}}), "x.json")


@pytest.mark.parametrize("values", [None, [], "text", 3])
def test_a_file_that_is_no_object_is_refused(values):
    with pytest.raises(ConfigError, match=f"expected a JSON object, found {type(values).__name__}"):
        N2VStemConfig.from_dict(values)


def test_numbers_of_numpy_are_numbers():
    config = N2VStemConfig(n2v_pitch=np.int64(12), n2v_span=np.array([1, 3]).tolist(),
                           train_learning_rate=np.float32(0.5))  # fmt: skip
    assert config.check() == N2VStemConfig(n2v_pitch=12, n2v_span=(1, 3), train_learning_rate=0.5)
    assert type(config.n2v_pitch) is int


@pytest.mark.parametrize("name", ["A,B", 'A"', "A\nB", "A/B", "format_version"])
def test_channel_names_that_would_break_files_are_refused(name):
    assert "channels" in N2VStemConfig(channels=(name,)).problems()


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_valid_and_says_only_what_it_changes(name):
    values = PRESETS[name]
    assert N2VStemConfig.preset(name).is_valid(True) == (True, ())
    assert dataclasses.asdict(N2VStemConfig.preset(name)) == {**PAPER, **values}
    assert [field for field in values if values[field] == PAPER[field]] == []


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_cannot_be_changed_by_accident(name):
    before = dict(PRESETS[name])
    N2VStemConfig.preset(name, n2v_pitch=64, n2v_span=(3, 3))
    assert PRESETS[name] == before
