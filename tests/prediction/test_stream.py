"""Streams: in order, nothing lost, the right statistics, and an honest report."""

import itertools
import threading
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from n2v_stem_keras import LiveReport, N2VStem
from n2v_stem_keras.noise.empty import empty_rows
from n2v_stem_keras.normalize import DataError, scan
from n2v_stem_keras.prediction.stream import RunningStatistics
from n2v_stem_keras.temporal.past import Past


@pytest.fixture
def model(plain_config):
    model = N2VStem(plain_config, "live", basedir=None)
    model.trained = True
    return model


def meeting(denoiser, meet=lambda number: None):
    """Make a denoiser that calls `meet` with the number of its frame, and returns the frame."""
    numbers, n = itertools.count(), denoiser.config.n_channel_out

    def denoise(frames, n_tiles=None, tta=False):
        meet(next(numbers))
        return frames[..., :n]

    denoise.config = denoiser.config
    return denoise


def test_running_statistics_are_those_of_a_movie(noisy_movie):
    running = RunningStatistics()
    for frame in noisy_movie:
        running.add(frame)
    whole = scan(noisy_movie)
    np.testing.assert_allclose(running.now.mean, whole.mean, rtol=1e-3)
    np.testing.assert_allclose(running.now.sd, whole.sd, rtol=2e-2)


def test_statistics_are_known_from_the_first_frame_and_follow_a_change():
    rng, running = np.random.default_rng(0), RunningStatistics()
    running.add(5 + 2 * rng.normal(size=(64, 64, 1)))
    np.testing.assert_allclose(running.now.sd, 2, rtol=0.05)
    for _ in range(300):
        running.add(50 + 20 * rng.normal(size=(64, 64, 1)))
    np.testing.assert_allclose(running.now.sd, 20, rtol=0.05)
    np.testing.assert_allclose(running.now.mean, 50, rtol=0.02)


def test_blank_frames_do_not_count(noisy_movie):
    running = RunningStatistics()
    running.add(np.zeros((8, 8, 2)))
    assert running.now is None
    running.add(noisy_movie[0])
    before = running.now
    running.add(np.zeros((8, 8, 2)))
    assert running.now is before


def test_a_detector_that_drops_out_and_a_scan_that_stops_do_not_count(noisy_movie):
    running, sound = RunningStatistics(), RunningStatistics()
    for t, frame in enumerate(noisy_movie[:8]):
        sound.add(frame)
        broken = frame.copy()
        if t in (0, 3, 4):
            broken[..., 1] = 0
        if t in (1, 5):
            broken[30:, :, 0] = 0
        running.add(broken, empty_rows(broken))
        if t == 0:
            np.testing.assert_array_equal(running.now.sd[1], 1)
    np.testing.assert_allclose(running.now.mean, sound.now.mean, rtol=0.002)
    np.testing.assert_allclose(running.now.sd, sound.now.sd, rtol=0.03)


def test_blank_frames_come_back_as_they_are(model, noisy_movie):
    frames = [np.full((64, 48, 2), 7.0), *noisy_movie[:2]]
    denoised = list(model.stream(iter(frames)))
    np.testing.assert_array_equal(denoised[0], frames[0])
    assert len(denoised) == 3


def test_a_scan_that_stopped_comes_back_so_and_tells_the_next_frames_nothing(
    tiny_config, monkeypatch
):
    config = tiny_config.replace(unet_context=True)
    seeing = N2VStem(config, basedir=None)
    rng = np.random.default_rng(0)
    frames = rng.normal(size=(6, 64, 48, 2)).astype(np.float32)
    frames[3, 30:] = 5
    told = []
    add = Past.add

    def listen(self, frame, *where):
        told.append(frame)
        add(self, frame, *where)

    monkeypatch.setattr(Past, "add", listen)
    denoised = list(seeing.stream(iter(frames)))
    np.testing.assert_array_equal(denoised[3][30:], 5)
    assert len(told) == 4  # of frames 0, 1, 2, 4 before the last
    assert not any((frame[30:] == 5).all() for frame in told)


def test_numbers_of_a_stream_that_make_no_sense_are_refused(model, noisy_movie):
    with pytest.raises(ValueError, match=r"mean has shape \(3,\), expected one number, or one"):
        list(model.stream(iter(noisy_movie), mean=[1, 2, 3], sd=[1, 1, 1]))
    with pytest.raises(ValueError, match=r"n_waiting is 1\.5, expected a whole number"):
        list(model.stream(iter(noisy_movie), n_waiting=1.5))


def test_a_changing_gain_is_given_back(model, noisy_movie):
    """The intensities that come out are those that went in, whatever the statistics do."""
    model.denoiser_on = lambda *_: meeting(model.denoiser)
    frames = [gain * frame for gain, frame in zip((1, 3, 0.1, 20), noisy_movie)]
    for expected, found in zip(frames, model.stream(iter(frames))):
        np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_reading_denoising_and_using_go_on_side_by_side(model, noisy_movie):
    """Each frame is used while the next is denoised and the one after it is read."""
    meetings = [threading.Barrier(3, timeout=30) for _ in noisy_movie[2:]]

    def meet(frame_in_use):
        if 0 <= frame_in_use < len(meetings):
            meetings[frame_in_use].wait()

    model.denoiser_on = lambda *_: meeting(model.denoiser, lambda number: meet(number - 1))

    def source():
        for number, frame in enumerate(noisy_movie):
            meet(number - 2)
            yield frame

    report = LiveReport()
    for number, _ in enumerate(model.stream(source(), report=report)):
        meet(number)
    assert report.n_frames == len(noisy_movie)
    assert report.dropped == []


def test_frames_side_by_side_stay_in_order(model, noisy_movie):
    """Two frames at a time, the later of which is ready first."""
    pairs = [(threading.Barrier(2, timeout=30), threading.Event()) for _ in noisy_movie[::2]]

    def meet(number):
        both_began, later_is_ready = pairs[number // 2]
        both_began.wait()
        if number % 2:
            later_is_ready.set()
        else:
            assert later_is_ready.wait(30)

    model.denoiser_on = lambda *_: meeting(model.denoiser, meet)
    found = list(model.stream(iter(noisy_movie), n_parallel=2))
    np.testing.assert_allclose(found, noisy_movie, rtol=1e-5)


def test_a_source_that_does_not_wait_loses_the_oldest(model, noisy_movie):
    all_came, report = threading.Event(), LiveReport()
    model.denoiser_on = lambda *_: meeting(model.denoiser, lambda number: all_came.wait(30))

    def camera():
        for number in range(12):
            yield np.full((16, 16, 2), number, np.float32) + noisy_movie[0, :16, :16]
        all_came.set()

    seen = list(model.stream(camera(), when_behind="drop", report=report))
    assert report.n_frames == len(seen)
    assert len(report.dropped) + len(seen) == 12
    assert len(report.dropped) >= 4
    # the network's own waiting frames were there before; of the others the newest stay
    np.testing.assert_allclose(seen[-1], 11 + noisy_movie[0, :16, :16], rtol=1e-5)
    assert "dropped" in str(report)


def test_a_source_that_waits_loses_nothing(model, noisy_movie):
    # slept through, this is the latency that is measured
    model.denoiser_on = lambda *_: meeting(model.denoiser, lambda number: time.sleep(0.02))
    report = LiveReport()
    assert len(list(model.stream(iter(noisy_movie), report=report))) == len(noisy_movie)
    assert report.dropped == []
    assert len(report.latency_s) == len(noisy_movie)
    assert report.latency(99) >= report.latency(50) >= 0.02


def test_few_frames_wait(model, noisy_movie, wait_until):
    """However fast the source, it is asked for a few frames more than were used."""
    model.denoiser_on = lambda *_: meeting(model.denoiser)
    given, unused, n_used = [], [], 0

    def source():
        for number in range(100):
            given.append(number)
            unused.append(len(given) - n_used)
            yield noisy_movie[0]

    stream = model.stream(source(), n_waiting=2)
    for n_used in range(5):
        next(stream)
        wait_until(lambda n=n_used: len(given) >= n + 1 + 2 + 2)
    stream.close()
    assert max(unused) <= 1 + 2 + 2 + 3  # in use, before and behind the network, in hand


def test_a_stream_that_is_left_ends_its_threads(model, noisy_movie):
    """Even if the source would never give another frame."""
    model.denoiser_on = lambda *_: meeting(model.denoiser)
    silence = threading.Event()

    def source():
        yield noisy_movie[0]
        silence.wait()

    stream = model.stream(source())
    next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 2
    silence.set()


def test_numpys_matrix_products_take_one_thread_meanwhile(model, noisy_movie):
    """Two frames side by side would otherwise take twice as many threads as there are cores."""

    def threads():
        return {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}

    with threadpool_limits(2, "blas"):
        stream = model.stream(iter(noisy_movie))
        next(stream)
        assert threads() == {1}
        stream.close()
        assert threads() == {2}


def test_an_error_of_the_source_comes_after_the_frames_before_it(model, noisy_movie):
    def source():
        yield from noisy_movie[:3]
        raise OSError("the cable is out")

    seen = []
    with pytest.raises(OSError, match="the cable is out"):
        seen.extend(model.stream(source()))
    assert len(seen) == 3


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 3), (1, 16, 16, 2)])
def test_frames_of_another_shape_are_refused(model, shape):
    with pytest.raises(ValueError, match=r"frame 0 of the stream has shape .*, expected \(Y, X, 2"):
        list(model.stream(iter([np.zeros(shape)])))


def test_bad_pixels_are_named(model, noisy_movie):
    noisy_movie[1, 3, 4, 0] = np.nan
    with pytest.raises(DataError, match="stream: frame 1 has 1 NaN"):
        list(model.stream(iter(noisy_movie)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": 0}, "give both mean and sd"),
        ({"mean": 0, "sd": 0}, "sd positive"),
        ({"when_behind": "panic"}, "when_behind is 'panic', expected one of"),
        ({"n_waiting": 0}, "n_waiting is 0, expected a whole number of at least 1"),
        ({"n_parallel": 0}, "n_parallel is 0, expected a whole number of at least 1"),
        ({"context": "both"}, "context is 'both', expected 'past' or 'none' of a stream"),
    ],
)
def test_wrong_options_are_refused(model, noisy_movie, options, message):
    with pytest.raises(ValueError, match=message):
        list(model.stream(iter(noisy_movie), **options))


@pytest.mark.parametrize("context", ["past", "none"])
def test_margins_of_frames_that_were_aligned_come_back(tiny_config, noisy_movie, context):
    model = N2VStem(tiny_config.replace(unet_context=True), basedir=None)
    model.trained = True
    movie = noisy_movie[:5]
    frames = movie.copy()
    outside = np.zeros(frames.shape[:3], bool)
    for t, one in enumerate(outside):
        one[:t] = one[:, one.shape[1] - 2 * t :] = True
    found = []
    for fill in (0.0, np.nan):
        frames[outside] = fill
        found.append(np.stack(list(model.stream(iter(frames), context=context))))
        np.testing.assert_array_equal(found[-1][outside], frames[outside])
    np.testing.assert_array_equal(found[0][~outside], found[1][~outside])
    # and say nothing of the frames that come: the mean of those is not that of the margins
    frames[outside] = 0
    expected = np.stack(list(model.stream(iter(movie), context=context)))
    inner = np.s_[:, 24:, :-24]
    assert np.sqrt(np.mean((found[0] - expected)[inner] ** 2)) < 0.05 * movie.std()
