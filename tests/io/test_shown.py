"""What notebooks show of movies: what is known, escaped, without reading a frame."""

import numpy as np

from n2v_stem_keras import Movie
from n2v_stem_keras.io.shown import as_table


def unread(s, t):
    raise AssertionError("a frame was read")


def test_a_movie_shows_what_it_knows_and_reads_nothing():
    known = {"detectors": ("ADF", "<BF>"), "pixel_size_nm": 0.05, "frame_time_s": 0.5}
    movie = Movie("a", "TYXC", (7, 40, 60, 2), np.dtype("uint16"), unread, **known)
    shown = movie._repr_html_()
    for part in (
        "TYXC, 7 x 40 x 60 x 2", "ADF, &lt;BF&gt;", "uint16", "0.5 s",
        "0.05 nm, frames of 2 x 3 nm (Y, X)",
    ):  # fmt: skip
        assert part in shown
    assert "voltage" not in shown
    assert "guessed" not in shown


def test_what_is_not_known_or_guessed_is_said():
    movie = Movie("a", "TYX", (7, 4, 6), np.dtype("f4"), unread, axes_guessed=True)
    shown = movie._repr_html_()
    assert "<td>not known</td>" in shown
    assert "not named" in shown
    assert "7 x 4 x 6 (guessed)" in shown


def test_names_are_text():
    assert "<script>" not in as_table("<script>", {"<script>": "<script>"})
