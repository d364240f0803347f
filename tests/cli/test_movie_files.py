"""Which movies a command line means, and what their results are called."""

import argparse
from pathlib import Path

import pytest

from n2v_stem_keras.cli import options
from n2v_stem_keras.cli.movie_files import (
    find_movies,
    is_original,
    movie_sources,
    movie_stem,
    movies_below,
)


def said(*movies, pair=None, detector_files=None):
    return argparse.Namespace(
        movies=[str(m) for m in movies], pair=pair, detector_files=detector_files
    )


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_stems():
    assert movie_stem("/a/b.c.ome.tif") == "b.c"
    assert movie_stem("b.npy") == "b"
    assert movie_stem("scan.emd::/data/HAADF") == "scan-data-HAADF"


def test_a_folder_means_the_movies_below_it_without_results_of_earlier_runs(tmp_path):
    make(tmp_path, "a.tif", "day 2/b.dm4", "a_denoised.ome.tif", "a_residual.ome.tif", "notes.txt")
    make(tmp_path, "a_standard_error.ome.tif", "a_undistorted.ome.tif")
    found = find_movies(said(tmp_path))
    assert found == [(Path("a"), tmp_path / "a.tif"), (Path("day 2/b"), tmp_path / "day 2/b.dm4")]
    assert not is_original(tmp_path / "a_denoised.ome.tif")


def test_a_pattern_means_what_it_matches_and_a_name_itself(tmp_path):
    make(tmp_path, "a1.npy", "a2.npy", "b.npy")
    found = find_movies(said(tmp_path / "a*.npy", tmp_path / "b.npy"))
    assert [str(place) for place, _ in found] == ["a1", "a2", "b"]


def test_nothing_is_said_plainly(tmp_path):
    with pytest.raises(options.UsageError, match="no movies there"):
        find_movies(said(tmp_path))
    with pytest.raises(options.UsageError, match="no movie given"):
        find_movies(said())


def test_files_of_detectors_are_one_movie_named_by_what_they_share():
    sources = movie_sources(said(detector_files=[["ADF=scan_7_ADF.ser", "BF=scan_7_BF.ser"]]), [])
    assert sources == [("scan_7", {"ADF": "scan_7_ADF.ser", "BF": "scan_7_BF.ser"})]
    for wrong in (["ADF"], ["ADF=a.ser", "ADF=b.ser"], ["=a.ser"]):
        with pytest.raises(options.UsageError, match="expected NAME=FILE, each name once"):
            movie_sources(said(detector_files=[wrong]), [])


def test_folders_that_are_movies_and_linked_ones_are_found(tmp_path):
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for name in ("in/a.npy", "in/deep/b.tif", "in/.hidden.npy", "in/a_denoised.tif"):
        (tmp_path / name).write_bytes(b"x")
    for name in ("in/stack.zarr/0", "in/deep/scan.zspy/data", "in/old_undistorted.zarr"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "in/stack.zarr/0/c.npy").write_bytes(b"x")
    (tmp_path / "else").mkdir()
    (tmp_path / "else/d.npy").write_bytes(b"x")
    (tmp_path / "in/link").symlink_to(tmp_path / "else")
    (tmp_path / "else/back").symlink_to(tmp_path / "in")
    found = movies_below(tmp_path / "in")
    names = sorted(str(path.relative_to(tmp_path / "in")) for path in found)
    assert names == ["a.npy", "deep/b.tif", "deep/scan.zspy", "link/d.npy", "stack.zarr"]
