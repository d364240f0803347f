"""A file that is written to while it is read: no reader gives a frame of another movie."""

import os
import pickle
import shutil
import time

import numpy as np
import pytest
import tifffile
from hyperspy_signals import hs
from instrument_files import write_emi, write_gatan, write_mrc, write_ser, write_velox

from n2v_stem_keras.cli import main
from n2v_stem_keras.io import Movie, MovieError, read_movie, write_movie

pytest.importorskip("rsciio")
pytestmark = pytest.mark.filterwarnings("ignore:.*a guess, as the file", "ignore:.*frames are also")
FIRST, SECOND = np.random.default_rng(0).integers(0, 30000, (2, 4, 16, 20)).astype("u2")


def npy(path, frames):
    np.save(path, frames)


def ome(path, frames):
    write_movie(path, Movie.from_array(frames, "TYX"), dtype="u2", overwrite=True)


def compressed(path, frames):
    tifffile.imwrite(
        path, frames, compression="zlib", metadata={"axes": "TYX"}, photometric="minisblack"
    )


def hdf5(path, frames):
    import h5py

    with h5py.File(path, "w") as file:
        file.create_dataset("scan", data=frames).attrs["axes"] = "TYX"


def hspy(path, frames):
    signal = hs.signals.Signal2D(frames.copy())
    signal.axes_manager._axes[0].name = "time"
    signal.save(path, overwrite=True)


KINDS = {
    "npy": npy,
    "ome.tif": ome,
    "tif": compressed,
    "h5": hdf5,
    "hspy": hspy,
    "ser": write_ser,
    "mrc": write_mrc,
    "dm4": lambda path, frames: write_gatan(path, frames, version=4),
    "emd": lambda path, frames: write_velox(path, {"HAADF": frames}),
}


def later(path, seconds=2):
    """Give a file a later time, as if the clock had gone on."""
    found = os.stat(path)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + seconds * 10**9))


def in_place(path, written):
    """Overwrite a file with the content of another, as a program does that opens it again."""
    with open(path, "r+b") as file:
        file.write(written.read_bytes())
        file.truncate()
    later(path)


def replaced(path, written):
    shutil.copyfile(written, path.with_suffix(".new"))
    os.replace(path.with_suffix(".new"), path)
    later(path)


def grown(path, written):
    with open(path, "ab") as file:
        file.write(bytes(1000))
    later(path)


@pytest.mark.parametrize("how", [in_place, replaced, grown])
@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_of_another_movie_comes_out(tmp_path, kind, how):
    path, other = tmp_path / f"m.{kind}", tmp_path / f"other.{kind}"
    KINDS[kind](path, FIRST)
    KINDS[kind](other, SECOND)
    movie = read_movie(path)
    assert np.array_equal(movie.frame(0, 0)[..., 0], FIRST[0])
    how(path, other)
    with pytest.raises(MovieError, match=r"written to or replaced after it was opened|cannot be"):
        movie.frame(0, 1)
    with pytest.raises(MovieError, match=rf"m\.{kind}"):
        movie.select([0]).frame(0, 2)


def test_files_that_belong_to_the_one_that_was_opened(tmp_path):
    for number in (1, 2):
        write_ser(tmp_path / f"m_{number}.ser", FIRST)
    movie = read_movie(write_emi(tmp_path / "m.emi"))
    joined = read_movie({"ADF": tmp_path / "m_1.ser", "BF": tmp_path / "m_2.ser"})
    movie.frame(0, 0), joined.frame(0, 0)
    write_ser(tmp_path / "m_2.ser", SECOND)
    later(tmp_path / "m_2.ser")
    for one in (movie, joined):
        with pytest.raises(MovieError, match=r"m_2\.ser: was written to or replaced"):
            one.frame(0, 1)


def test_a_folder_that_is_one_movie(tmp_path):
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "m.zarr"
    array = zarr.create_array(str(path), data=FIRST, chunks=(1, 16, 20))
    movie = read_movie(path, "TYX")
    for t in range(3):
        assert np.array_equal(movie.frame(0, t)[..., 0], FIRST[t])
        time.sleep(0.05)  # it is not looked at all the time
    array[3] = SECOND[3]
    with pytest.raises(MovieError, match=r"m\.zarr: was written to or replaced"):
        movie.frame(0, 3)


def test_a_movie_that_stays_as_it_is_is_read_and_sent(tmp_path):
    npy(tmp_path / "m.npy", FIRST)
    movie = read_movie(tmp_path / "m.npy")
    os.utime(tmp_path / "m.npy", ns=(0, os.stat(tmp_path / "m.npy").st_mtime_ns))  # only looked at
    assert np.array_equal(movie.to_array(), FIRST)
    pickle.loads(pickle.dumps(movie.check_source))()
    (tmp_path / "m.npy").unlink()
    with pytest.raises(MovieError, match="gone"):
        movie.check_source()


def test_denoise_writes_no_mixture(exported_model, tmp_path, monkeypatch, capsys):
    """The input is overwritten when half of it has been denoised."""
    basedir, frames = exported_model
    path = tmp_path / "m.npy"
    np.save(path, frames)
    real, reads = Movie.frame, []

    def frame(self, s, t):
        reads.append(t)
        if len(reads) == len(frames) + 3:  # once through for the statistics
            np.save(path, frames[::-1] + 100)
            later(path)
        return real(self, s, t)

    monkeypatch.setattr(Movie, "frame", frame)
    command = ["denoise", str(path), "--axes", "TYXC", "--detectors", "ADF,BF", "--engine", "onnx"]
    command += ["--model", str(basedir / "m"), "--out", str(tmp_path / "out"), "--no-picture"]
    assert main([*command, "--quiet"]) != 0
    assert "was written to or replaced after it was opened" in capsys.readouterr().err
    assert not list((tmp_path / "out").glob("*.ome.tif"))
