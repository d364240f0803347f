"""Progress: a line on a terminal, nothing in a file."""

import io

from n2v_stem_keras.progress import FrameProgress, duration


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_quick_work_shows_nothing():
    stream = Terminal()
    progress = FrameProgress("Reading", 10, stream=stream)
    for _ in range(10):
        progress.step()
    progress.close()
    assert stream.getvalue() == ""


def test_slow_work_shows_frames_and_time_left_and_clears_its_line():
    stream = Terminal()
    progress = FrameProgress("Reading", 10, stream=stream)
    progress._began -= 30
    progress._shown -= 30
    progress.step()
    assert "Reading: frame 1/10  4 min 30 s left" in stream.getvalue()
    progress.close()
    assert stream.getvalue().endswith("\r\033[K")


def test_nothing_goes_into_files_or_quiet_runs():
    for stream, show in ((io.StringIO(), True), (Terminal(), False)):
        progress = FrameProgress("Reading", 10, show, stream)
        progress._shown -= 30
        progress.step()
        progress.close()
        assert stream.getvalue() == ""


def test_durations_read_as_a_person_says_them():
    assert [duration(s) for s in (0, 59.6, 3600, 3 * 86400, 8.5 * 7 * 86400)] == [
        "0 s", "1 min 0 s", "1 h 0 min", "3.0 days", "8.5 weeks",
    ]  # fmt: skip
