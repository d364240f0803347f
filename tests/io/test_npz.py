"""Movies in npz files, and arrays that are not what they say."""

import zipfile

import numpy as np
import pytest

from n2v_stem_keras.cli import main
from n2v_stem_keras.io import MovieError, npz, read_movie

RNG = np.random.default_rng(0)
FRAMES = RNG.normal(100, 10, (5, 12, 16)).astype("f4")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_one_array_opens(tmp_path, save):
    save(tmp_path / "m.npz", FRAMES)
    with pytest.warns(UserWarning, match="read as axes 'TYX', a guess"):
        movie = read_movie(tmp_path / "m.npz")
    assert (movie.name, movie.axes, movie.shape) == ("m", "TYX", FRAMES.shape)
    np.testing.assert_array_equal(movie.to_array(), FRAMES)
    frame = movie.frame(0, 0)
    frame[:] = 0
    np.testing.assert_array_equal(movie.frame(0, 0)[..., 0], FRAMES[0])


def test_what_cannot_be_a_movie_is_left_aside(tmp_path):
    np.savez(tmp_path / "m.npz", times=np.arange(5.0), scan=FRAMES, name=np.array("gold"))
    np.testing.assert_array_equal(read_movie(tmp_path / "m.npz", "TYX").to_array(), FRAMES)
    np.savez(tmp_path / "m.npz", ADF=FRAMES, BF=FRAMES + 1)
    with pytest.raises(MovieError, match=r"holds 2 arrays that may be movies, .* m.npz::ADF"):
        read_movie(tmp_path / "m.npz")
    found = read_movie(f"{tmp_path / 'm.npz'}::BF", "TYX")
    np.testing.assert_array_equal(found.to_array(), FRAMES + 1)
    with pytest.raises(MovieError, match="no array 'HAADF'"):
        read_movie(f"{tmp_path / 'm.npz'}::HAADF")


def header(shape, descr="<f4"):
    import io

    made = io.BytesIO()
    about = {"descr": descr, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(made, about)
    return made.getvalue()


def bomb(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header((2**19, 256)) + bytes(2**29))


def declared(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.npy", header((10**6, 10**6)) + bytes(100))


DAMAGES = {
    "empty": (lambda path: path.write_bytes(b""), "empty"),
    "no zip": (lambda path: path.write_bytes(b"PK" + bytes(500)), "not a readable npz file"),
    "no arrays": (lambda path: zipfile.ZipFile(path, "w").close(), "holds no array"),
    "a bomb": (bomb, r"unpacks from \d+ to 5368\d+ bytes, at most 268435456 are read"),
    "a huge header": (declared, r"declares 4000000000000 bytes and holds \d+"),
    "objects": (lambda path: np.savez(path, a=np.array([{}], object)), "Python objects"),
    "text": (
        lambda path: zipfile.ZipFile(path, "w").__enter__().writestr("a.npy", "hello") or None,
        "not a readable npz file",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_sizes_are_looked_at_first(tmp_path, kind, capsys):
    make, said = DAMAGES[kind]
    path = tmp_path / "m.npz"
    if kind == "text":
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", "hello")
    else:
        make(path)
    with pytest.raises(MovieError, match=said):
        read_movie(path)
    if kind != "empty":
        with pytest.raises(MovieError, match=said):
            npz.read(path)
    assert main(["info", str(path)]) == 3
    assert "Traceback" not in capsys.readouterr().err
