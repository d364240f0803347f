"""Progress: a line that is written over where that can be, a line a minute elsewhere."""

import io
import re
import sys

import pytest

from n2v_stem_keras import progress
from n2v_stem_keras.progress import FrameProgress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands unless it is moved on."""

    class Clock:
        now = 1000.0

        def time(self):
            return self.now

    one = Clock()
    monkeypatch.setattr("tqdm.std.time", one.time)
    monkeypatch.setattr(progress, "time", one)
    return one


def shown(stream, clock, n_steps=10, seconds=30.0, **options):
    """What a stream has got after `n_steps` of ten frames, of so many seconds each."""
    bar = FrameProgress("Reading", 10, stream=stream, **options)
    for _ in range(n_steps):
        clock.now += seconds
        bar.step()
    bar.close()
    return stream.getvalue()


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_quick_work_shows_nothing(stream, clock):
    assert shown(stream(), clock, seconds=0.1) == ""


def test_slow_work_shows_frames_and_time_left_and_clears_its_line(clock):
    text = shown(Terminal(), clock, 3)
    assert re.search(r"\rReading: frame 1/10 \|.+\| 04:30 left", text)
    assert text.endswith(" \r")  # the last line is cleared
    assert "\n" not in text


def test_a_terminal_that_knows_no_size_of_its_own_shows_it_too(clock, monkeypatch):
    """As those that `script` and some containers open."""
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda stream: (None, -1))
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert "Reading: frame 1/10" in shown(sys.stderr, clock, 3)


def test_a_log_gets_a_line_a_minute_and_nothing_is_written_over(clock):
    text = shown(io.StringIO(), clock)
    assert "\r" not in text
    lines = text.splitlines()
    assert lines == [
        f"Reading: frame {n}/10, {left} left"
        for n, left in zip((2, 4, 6, 8, 10), ("04:00", "03:00", "02:00", "01:00", "00:00"))
    ]


def test_a_quiet_run_shows_nothing(clock):
    assert shown(Terminal(), clock, show=False) == ""


def test_what_is_done_and_counted_may_change(clock):
    stream = Terminal()
    bar = FrameProgress("Evaluating", 4, stream=stream, unit="step")
    bar.what, clock.now = "Evaluating BM3D", clock.now + 30
    bar.step()
    bar.close()
    assert "Evaluating BM3D: step 1/4" in stream.getvalue()


@pytest.mark.parametrize("kind", [Terminal, io.StringIO])
@pytest.mark.parametrize("seconds", [0.1, 100])
def test_lines_that_stay_stand_by_themselves(clock, kind, seconds):
    stream = kind()
    bar = FrameProgress("epoch 1/2", 10, stream=stream, unit="step")
    for _ in range(4):
        clock.now += seconds
        bar.step()
        bar.say("said", stream)
    bar.close()
    assert len(re.findall(r"(?<![^\r\n])said\n", stream.getvalue())) == 4


def test_a_line_said_counts_as_the_line_of_the_minute(clock):
    stream = io.StringIO()
    bar = FrameProgress("epoch", 10, stream=stream)
    for _ in range(9):
        clock.now += 59
        bar.step()
        bar.say("said", stream)
    bar.close()
    assert set(stream.getvalue().splitlines()) == {"said"}


def test_the_cell_of_a_notebook_is_written_over_too():
    stream = type("OutStream", (io.StringIO,), {"__module__": "ipykernel.iostream"})()
    assert progress.can_be_written_over(stream)
    assert progress.can_be_written_over(Terminal())
    assert not progress.can_be_written_over(io.StringIO())


def test_durations_read_as_a_person_says_them():
    assert [duration(s) for s in (0, 59.6, 3600, 3 * 86400, 8.5 * 7 * 86400)] == [
        "0 s", "1 min 0 s", "1 h 0 min", "3.0 days", "8.5 weeks",
    ]  # fmt: skip
