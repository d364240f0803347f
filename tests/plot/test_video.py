"""The movie before and after, as MP4."""

import sys

import numpy as np
import pytest

from n2v_stem_keras.io import Movie
from n2v_stem_keras.plot import before_after_video

pytestmark = [  # imageio's reader leaves its pipe to the garbage collector
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
RNG = np.random.default_rng(0)


def pair(shape, axes="TYXC", **known):
    after = np.zeros(shape, "f4") + RNG.normal(0, 0.1, shape).astype("f4")
    index = [slice(None)] * len(shape)
    index[axes.index("X")] = slice(shape[axes.index("X")] // 2, None)
    after[tuple(index)] += 10
    before = after + RNG.normal(0, 5, shape).astype("f4")
    return [Movie.from_array(a, axes, **known) for a in (before, after)]


def frames_of(path):
    imageio = pytest.importorskip("imageio.v2")
    with imageio.get_reader(path, format="FFMPEG") as reader:
        return np.stack([*iter(reader.iter_data())]), reader.get_meta_data()


def test_both_stand_side_by_side_on_one_scale(tmp_path):
    before, after = pair((3, 40, 60, 2), detectors=("ADF", "BF"), pixel_size_nm=0.05)
    done = []
    path = before_after_video(
        tmp_path / "m.mp4", before, after, (False, False), fps=5, progress=lambda: done.append(1)
    )
    assert [p.name for p in tmp_path.iterdir()] == ["m.mp4"]
    frames, about = frames_of(path)
    assert len(frames) == len(done) == 3
    assert about["fps"] == 5
    assert about["codec"] == "h264"
    height, width = frames.shape[1:3]
    assert (height % 2, width % 2) == (0, 0)
    grey = frames[1].mean(axis=-1)
    row = grey[height // 4]
    quarter = width // 4
    dark, bright = row[2 * quarter + 40 : 3 * quarter - 40], row[3 * quarter + 40 : -40]
    assert bright.mean() - dark.mean() > 100
    assert row[40 : quarter - 40].std() > 3 * dark.std()


def test_separate_movies_follow_one_another(tmp_path):
    before, after = pair((2, 3, 32, 32), "STYX", frame_time_s=0.5)
    frames, _ = frames_of(before_after_video(tmp_path / "m.mp4", before, after))
    assert len(frames) == 6


def test_large_frames_show_their_centre(tmp_path):
    before, after = pair((1, 700, 900), "TYX")
    frames, _ = frames_of(before_after_video(tmp_path / "m.mp4", before, after))
    assert frames.shape[1:3] == (512, 2 * 512 + 4)


def test_errors_leave_nothing(tmp_path, monkeypatch):
    before, after = pair((3, 32, 32), "TYX")
    with pytest.raises(ValueError, match="expected the same"):
        before_after_video(tmp_path / "m.mp4", before, pair((2, 32, 32), "TYX")[1])
    broken = Movie("m", "TYX", (3, 32, 32), np.dtype("f4"), lambda s, t: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        before_after_video(tmp_path / "m.mp4", broken, after)
    monkeypatch.setitem(sys.modules, "imageio_ffmpeg", None)
    with pytest.raises(ImportError, match=r'pip install "n2v_stem_keras\[movie\]"'):
        before_after_video(tmp_path / "m.mp4", before, after)
    assert not list(tmp_path.iterdir())
