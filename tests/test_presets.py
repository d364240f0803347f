"""Presets: valid, and nothing in them but what differs from the paper's values."""

import dataclasses

import pytest

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.presets import PRESETS

PAPER = dataclasses.asdict(N2VStemConfig())


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
