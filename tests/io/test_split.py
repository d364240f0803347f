"""A file for each detector: the frames of each, and runs that were cut off between two files."""

import numpy as np
import pytest

from n2v_stem_keras.io import MovieError, MovieWriter, read_movie
from n2v_stem_keras.io.split import SplitWriter

SHAPE, NAMES = (4, 12, 10), ("ADF", "BF")


@pytest.fixture
def frames():
    return np.random.default_rng(0).normal(size=(*SHAPE, 2)).astype(np.float32)


def writers(folder, key="0123456789abcdef"):
    known = {"axes": "TYX", "shape": SHAPE, "key": key}
    return [MovieWriter(folder / f"a_{name}.ome.tif", detectors=[name], **known) for name in NAMES]


def cut_off(folder, frames, n_more=0):
    """Write a frame into both files, more into the first, and stop as Ctrl-C does."""
    split = SplitWriter(writers(folder))
    split.__enter__()
    split.write(frames[0])
    for frame in frames[1 : 1 + n_more]:
        split.writers[0].write(frame[..., :1])
    split.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)


def test_each_file_has_its_detector(tmp_path, frames):
    with SplitWriter(writers(tmp_path)) as split:
        assert split.n_frames == 4
        for t, frame in enumerate(frames):
            assert split.n_written == t
            split.write(frame)
        np.testing.assert_array_equal(split.read(2), frames[2])
    for c, name in enumerate(NAMES):
        movie = read_movie(tmp_path / f"a_{name}.ome.tif")
        assert movie.detectors == (name,)
        np.testing.assert_array_equal(movie.to_array(), frames[..., c])


def test_what_was_cut_off_between_two_files_goes_on(tmp_path, frames):
    """One file has a frame more than the other: it is written into the other only."""
    cut_off(tmp_path, frames, n_more=1)
    assert not list(tmp_path.glob("a_*.ome.tif"))
    with SplitWriter(writers(tmp_path)) as split:
        assert [writer.n_written for writer in split.writers] == [2, 1]
        assert split.n_written == 1
        for frame in frames[1:]:
            split.write(frame)
    for c, name in enumerate(NAMES):
        found = read_movie(tmp_path / f"a_{name}.ome.tif").to_array()
        np.testing.assert_array_equal(found, frames[..., c])


def test_nothing_is_begun_where_one_file_may_not_be_written(tmp_path, frames):
    (tmp_path / "a_BF.ome.tif").write_bytes(b"there")
    with pytest.raises(MovieError, match="exists"), SplitWriter(writers(tmp_path)):
        pass
    assert (tmp_path / "a_BF.ome.tif").read_bytes() == b"there"
    assert not (tmp_path / "a_ADF.ome.tif").exists()


def test_unfinished_files_of_other_settings_are_named_for_each(tmp_path, frames):
    cut_off(tmp_path, frames)
    again = writers(tmp_path, "fedcba9876543210")
    with SplitWriter(again) as split:
        assert len(split.others) == 2
        for frame in frames:
            split.write(frame)
