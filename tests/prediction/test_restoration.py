"""Movies restored block by block: the same whatever frames are asked for."""

import threading

import crystals
import numpy as np
import pytest

from n2v_stem_keras import N2VStemConfig
from n2v_stem_keras.deviations import movie
from n2v_stem_keras.normalize import scan
from n2v_stem_keras.prediction import ahead, restoration
from n2v_stem_keras.prediction.restoration import Restoration
from n2v_stem_keras.series import Series

CONFIG = N2VStemConfig.preset("laptop")


@pytest.fixture(scope="module")
def crystal():
    return crystals.Crystal(n_frames=9, sigma=1.0)


@pytest.fixture(autouse=True)
def _short_blocks(monkeypatch):
    monkeypatch.setattr(restoration, "BLOCK", 4)
    monkeypatch.setattr(restoration, "SPANS", (0, 1, 2))


class Denoise:
    """Gives the frames of a crystal, and counts how often it is asked for each."""

    def __init__(self, crystal):
        self.crystal, self.asked = crystal, []

    def __call__(self, numbers):
        self.asked += list(numbers)
        return iter(self.crystal.denoised[list(numbers)])


def restoration_of(crystal, raw=None, **options):
    raw = crystal.raw if raw is None else raw
    series = Series("crystal", raw, scan(raw), crystals.SIZE_NM)
    denoise = Denoise(crystal)
    return Restoration(series, CONFIG, denoise, **options), denoise


def test_what_is_missing_is_taken_away(crystal):
    found, _ = restoration_of(crystal)
    frames = np.stack(list(found.frames(range(9))))
    assert crystal.error(frames) < 0.5 * crystal.error(crystal.denoised)


@pytest.mark.parametrize("n_together", [1, 4])
def test_any_frames_are_the_same_to_the_bit(crystal, n_together):
    everything, _ = restoration_of(crystal, n_together=n_together)
    everything = list(everything.frames(range(9)))
    for numbers in ([5, 6, 7, 8], [2], [7, 1]):
        some, _ = restoration_of(crystal, n_together=n_together)
        for t, frame in zip(numbers, some.frames(numbers)):
            assert np.array_equal(frame, everything[t])


def test_from_the_first_frame_on_each_is_denoised_once(crystal):
    found, denoise = restoration_of(crystal, n_together=2)
    list(found.frames(range(9)))
    assert sorted(denoise.asked) == list(range(9))


def test_each_frame_by_itself_looks_at_no_other(crystal):
    alone, denoise = restoration_of(crystal, around=False)
    next(iter(alone.frames([4])))
    assert denoise.asked == [3, 4, 5]  # its block
    block, at = alone.block(1)
    assert block.columns[at[4]].n_frames.max() == 1
    together, _ = restoration_of(crystal)
    block, at = together.block(1)
    assert np.median(block.columns[at[4]].n_frames) == 5


def test_blank_frames_stay_as_they_are_and_tell_nothing(crystal):
    raw = crystal.raw.copy()
    raw[3] = 0
    series = Series("crystal", raw, scan(raw), crystals.SIZE_NM)
    assert series.statistics.blank_frames
    found = Restoration(series, CONFIG, Denoise(crystal))
    frames = list(found.frames(range(9)))
    assert np.array_equal(frames[3], crystal.denoised[3])
    assert np.isfinite(frames).all()


def test_small_frames_stay_as_they_are():
    small = crystals.Crystal(n_frames=3, shape=(28, 28), n_missing=1, sigma=0.3)
    found, _ = restoration_of(small)
    assert np.array_equal(np.stack(list(found.frames(range(3)))), small.denoised)


def test_large_frames_are_looked_at_few_at_a_time(crystal, monkeypatch):
    frame_bytes = 4 * restoration.COPIES * crystal.raw[0].size
    monkeypatch.setattr(restoration, "KEPT_BYTES", 4 * frame_bytes)
    found, _ = restoration_of(crystal)
    assert found.spans == (0, 1)
    assert found.length == 2
    assert len(list(found.frames(range(9)))) == 9


def test_blocks_cover_all_frames_once(crystal):
    found, _ = restoration_of(crystal)
    for t in range(9):
        _, at = found.block(t // found.length)
        assert t in at
    assert found.n_blocks == -(-9 // found.length)


def test_no_block_is_much_shorter_than_the_others(crystal):
    found, _ = restoration_of(crystal, around=False)  # nine frames in blocks of at most four
    assert (found.length, found.n_blocks) == (3, 3)


@pytest.mark.parametrize("where", ["network", "columns"])
def test_a_block_that_nobody_waits_for_is_given_up(crystal, monkeypatch, where):
    """At the next frame, while the network runs and while columns are looked at."""
    stopped, done = threading.Event(), []
    monkeypatch.setattr(ahead._here, "stopped", stopped, raising=False)
    found, denoise = restoration_of(crystal)
    if where == "network":

        def one_by_one(numbers):
            for frame in denoise(numbers):
                done.append(frame)
                if len(done) == 2:
                    stopped.set()
                yield frame

        found.denoise = one_by_one
    else:
        look = movie.Filter.look

        def one(self, *frame):
            done.append(frame)
            if len(done) == 2:
                stopped.set()
            return look(self, *frame)

        monkeypatch.setattr(movie.Filter, "look", one)
    with pytest.raises(ahead.Abandoned):
        next(found.frames(range(9)))
    assert len(done) == 2
