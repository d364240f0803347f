"""Columns taken out of a movie: gone from it, found, and measured in what is drawn."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, maximum_filter

from n2v_stem_keras.check import Report, implants_drawn, write_page
from n2v_stem_keras.check.report import _about_implants
from n2v_stem_keras.noise import add_white_noise
from n2v_stem_keras.simulate import simulate_movie

SIGNS = (1, -1)


def movie(n_frames=3, lattice="mos2", size=0.03, psnr_db=20, seed=0):
    """(clean, noisy) frames that drift a little."""
    options = {"pixel_size_nm": size, "lattice": lattice, "density_nm2": 0.0, "drift_px": 0.3}
    clean = simulate_movie(seed, (256, 256), n_frames, **options).clean
    return clean, add_white_noise(clean, psnr_db, seed)


def blur(frames):
    return gaussian_filter(frames, (0, 0.7, 0.7, 0))


def test_what_is_drawn_as_it_is_shows_each_column_missing():
    _, noisy = movie()
    found = implants_drawn(blur, noisy, SIGNS, 0.03)
    assert [f.words for f in found] == ["brightest columns", "fainter columns"]
    for one in found:
        assert one.contrast == pytest.approx(1, abs=0.1)
        assert abs(one.seams) < 0.1
        assert one.n_frames == 3
        assert one.n_defects >= 12
        assert one.recall == one.recall_raw == 1
        assert one.d_prime_together == pytest.approx(3**0.5 * one.d_prime)
        # in the picture the columns are gone
        y, x = np.rint(one.places).astype(int).T
        assert one.noisy[y, x].mean() < np.median(one.noisy) < np.quantile(one.noisy, 0.9)


def test_a_crystal_painted_over_is_found_out():
    clean, noisy = movie()
    for found in implants_drawn(lambda frames: clean, noisy, SIGNS, 0.03):
        assert abs(found.contrast) < 0.05
        assert found.recall < 0.3
        assert found.recall_raw == 1
        (answer,) = _about_implants([found], ("ADF", "BF"))
        assert answer.verdict == "FAIL"
        assert "taken out of your movie" in answer.question


def test_d_prime_falls_with_the_noise():
    quiet, loud = (movie(1, psnr_db=db)[1] for db in (20, 14))
    quiet, loud = (
        implants_drawn(lambda f: blur(blur(f)), f, SIGNS, 0.03)[0] for f in (quiet, loud)
    )
    assert quiet.d_prime / loud.d_prime == pytest.approx(2, rel=0.25)


def test_one_detector_of_one_kind_of_column_is_enough():
    _, noisy = movie(1, "hbn", 0.02)
    found = implants_drawn(blur, noisy[..., :1], SIGNS[:1], 0.02)
    assert found
    for one in found:
        assert one.contrast == pytest.approx(1, abs=0.15)


def test_without_a_lattice_nothing_is_asked(tmp_path):
    noise = np.random.default_rng(0).standard_normal((1, 64, 64, 1)).astype(np.float32)
    assert implants_drawn(np.zeros_like, noise, (1,), 0.046) == []
    (answer,) = _about_implants([], ("ADF",))
    assert answer.verdict == "not asked"


def test_the_page_shows_where_columns_were_taken_out(tmp_path):
    report = Report(10, 0.03, implants=implants_drawn(blur, movie(1)[1], SIGNS, 0.03))
    report.answers = list(_about_implants(report.implants, ("ADF", "BF")))
    text = write_page(tmp_path / "p.html", report, "a model").read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == len(report.implants) == 2
    assert "taken out where the circles are" in text


def test_where_something_stands_everywhere_columns_become_the_faintest():
    frame = np.zeros((256, 256))
    for i in range(-30, 60):
        for j in range(-30, 60):
            y, x = round(8.66 * i), round(10 * j + 5 * i)
            if 0 <= y < 256 and 0 <= x < 256:
                frame[y, x] = 1.0 if (i - j) % 3 else 0.5
    frame = 100 * gaussian_filter(frame, 2.2)
    noisy = frame + 0.1 * np.random.default_rng(0).standard_normal(frame.shape)
    (found,) = implants_drawn(blur, noisy[None, ..., None].astype(np.float32), (1,), 0.02)
    assert found.words == "brightest columns, for fainter columns,"
    assert found.contrast == pytest.approx(1, abs=0.1)
    y, x = np.rint(found.places).astype(int).T
    inner = frame[20:-20, 20:-20]
    peaks = inner[(inner == maximum_filter(inner, 7)) & (inner > 0.3 * inner.max())]
    strong = peaks > 0.75 * peaks.max()
    bright, faint = peaks[strong].mean(), peaks[~strong].mean()
    assert found.noisy[y, x].mean() == pytest.approx(faint, rel=0.15)
    assert faint < 0.7 * bright
