"""Noise alone, one point, atoms in a hole: an artefact that is there is found, and no other."""

import json

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.atoms import Criterion, poisson_interval
from n2v_stem_keras.check import (
    atoms_in_hole,
    check_model,
    noise_only,
    point,
    write_page,
)
from n2v_stem_keras.simulate import simulate_movie

HIGH = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def blur(movie):
    return gaussian_filter(movie, (0, 1.2, 1.2, 0))


def wave(period, amplitude):
    y, x = np.indices((256, 256))
    return amplitude * np.cos(2 * np.pi * (x + 0.4 * y) / period)[..., None]


# -- noise alone ----------------------------------------------------------------------------------
def test_a_blur_makes_no_wave_and_few_atoms_of_noise():
    for found in noise_only(blur, HIGH, n_frames=8):
        assert found.wave_sigma == 0
        assert np.isnan(found.wave_period_px)
        assert found.n_atoms == 0
        assert found.interval_95[0] == 0
        assert found.interval_95[1] == pytest.approx(3.69 / (8 * 256**2 / 1e6), rel=0.01)
        assert found.noise_left == pytest.approx(1 / (2 * np.pi**0.5 * 1.2), rel=0.02)


@pytest.mark.parametrize("amplitude", [0.03, 0.3])
def test_a_wave_is_found_and_measured(amplitude):
    adf, bf = noise_only(lambda m: blur(m) + [1, 0] * wave(7.0, amplitude), HIGH, n_frames=8)
    assert adf.wave_sigma == pytest.approx(amplitude, rel=0.25)
    assert adf.wave_period_px == pytest.approx(7.0 / np.hypot(1, 0.4), rel=0.03)
    assert bf.wave_sigma == 0


def test_a_wave_of_random_phase_is_found_too():
    def draw(movie):
        shifted = [np.roll(wave(7.0, 0.2), 5 * t, axis=1) for t in range(len(movie))]
        return blur(movie) + np.stack(shifted)

    assert noise_only(draw, HIGH, n_frames=8)[0].wave_sigma == pytest.approx(0.2, rel=0.25)


def test_atoms_made_of_noise_are_counted():
    def invent(movie):
        out = 0.1 * blur(movie)
        for t in range(len(out)):
            out[t, 50::60, 40 + t :: 70] += [8, -8]
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    per_frame = len(range(50, 256, 60)) * 4
    for found in noise_only(invent, {k: Criterion(1.0, c.sign) for k, c in HIGH.items()}, 3):
        assert found.n_atoms == 3 * per_frame
        low, high = poisson_interval(found.n_atoms)
        area = 3 * 256**2 / 1e6
        assert found.interval_95 == (low / area, high / area)
        assert found.per_Mpx == pytest.approx(found.n_atoms / area)


def test_blank_output_is_no_artefact():
    for found in noise_only(np.zeros_like, HIGH, n_frames=2):
        assert (found.n_atoms, found.wave_sigma, found.noise_left) == (0, 0, 0)


# -- one point ------------------------------------------------------------------------------------
def test_a_point_left_alone_keeps_height_and_width():
    for found in point(lambda m: m, ("ADF", "BF"), n_frames=2):
        assert found.height == pytest.approx(1, abs=1e-4)
        assert found.width == pytest.approx(1, abs=0.01)
        assert found.ring < 1e-4
        assert found.other < 1e-4


def test_a_blur_widens_it_and_a_leak_shows():
    def leaky(movie):
        out = gaussian_filter(movie, (0, 1.3, 1.3, 0))
        out[..., 1] -= 0.2 * out[..., 0]
        return out

    adf, bf = point(leaky, ("ADF", "BF"), n_frames=2)
    assert adf.width == pytest.approx(2**0.5, rel=0.1)
    assert adf.height == pytest.approx(0.5, rel=0.1)
    assert adf.other == pytest.approx(0.2, rel=0.01)
    assert bf.other < 1e-4


def test_rings_are_measured():
    def ringing(movie):
        return movie + 0.3 * np.roll(movie, 12, axis=1)

    assert point(ringing, ("HAADF",), n_frames=2)[0].ring == pytest.approx(0.3, abs=0.01)
    assert np.isnan(point(ringing, ("HAADF",), n_frames=2)[0].other)


# -- a hole ---------------------------------------------------------------------------------------
def test_atoms_drawn_into_the_hole_are_counted_apart_from_those_outside():
    low = {"ADF": Criterion(0.5), "BF": None}
    flat = atoms_in_hole(np.zeros_like, low, n_frames=2)
    assert [(f.detector, f.inside, f.outside) for f in flat] == [("ADF", 0, 0)]

    def invent(movie):
        out = np.zeros_like(movie)
        out[:, 128, 118:139:10] = 1.0  # three in the hole
        out[:, 20, 20:120:20] = 1.0  # five outside
        return gaussian_filter(out, (0, 1, 1, 0))

    (found,) = atoms_in_hole(invent, low, n_frames=2)
    assert (found.inside, found.outside) == (6, 10)
    assert found.inside_Mpx == pytest.approx(2 * np.pi * (1.85 / 0.046) ** 2 / 1e6, rel=0.01)


def test_lone_detectors_of_any_name_are_tested():
    (found,) = atoms_in_hole(blur, {"HAADF": Criterion(50.0)}, n_frames=1)
    assert found.inside == 0
    report = check_model(blur, {"HAADF": Criterion(3.0)}, n_frames=2)
    assert {a.detector for a in report.answers} == {"HAADF"}
    assert not any("only" in a.question for a in report.answers)


# -- the page -------------------------------------------------------------------------------------
def test_the_report_says_what_failed_and_the_page_shows_it(tmp_path):
    asked = []
    clean = simulate_movie(0, n_frames=1, density_nm2=0.0, rotation_rad=0.3, origin_nm=(0.0, 0.0))

    def painter(movie):  # draws lattice everywhere and a wave into noise
        if movie.std() > 0.5:
            return blur(movie) + wave(9.0, 0.5)[: movie.shape[1], : movie.shape[2]]
        return np.broadcast_to(clean.clean, movie.shape)

    report = check_model(painter, HIGH, n_frames=2, progress=asked.append)
    failed = {a.question for a in report.answers if not a.passed}
    assert "waves in pure noise" in failed
    assert "lattice in a hole of 1 nm radius" in failed
    assert "atoms in a hole" not in failed
    assert not report.passed
    assert asked == ["noise alone", "one bright point", "a hole in the lattice", "crosstalk"]
    path = write_page(tmp_path / "check.html", report, "a <model>")
    text = path.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 3
    assert "a &lt;model&gt;" in text
    assert text.count(">FAIL<") == sum(not a.passed for a in report.answers)
    assert [p.name for p in tmp_path.iterdir()] == ["check.html"]
    json.dumps([vars(a) for a in report.answers])


def test_a_stated_rate_is_what_is_allowed():
    def invent(movie):
        out = 0.01 * blur(movie)
        out[:, 100, 100] += [9, -9]
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    low = {k: Criterion(1.0, c.sign) for k, c in HIGH.items()}
    verdicts = {}
    for rate in (1.0, 100.0):
        report = check_model(invent, low, rates={"ADF": rate, "BF": rate}, n_frames=4)
        (answer,) = [a for a in report.answers if "atoms in pure" in a.question
                     and a.detector == "ADF"]  # fmt: skip
        verdicts[rate] = answer.passed
    assert verdicts == {1.0: False, 100.0: True}
