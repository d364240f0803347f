"""The page says what failed and shows it."""

import json

import numpy as np
from predictors import blur_more, wave

from n2v_stem_keras.atoms import Criterion
from n2v_stem_keras.check import (
    check_model,
    write_page,
)
from n2v_stem_keras.simulate import simulate_movie

HIGH = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def test_the_report_says_what_failed_and_the_page_shows_it(tmp_path):
    asked = []
    clean = simulate_movie(0, n_frames=1, density_nm2=0.0, rotation_rad=0.3, origin_nm=(0.0, 0.0))

    def painter(movie):  # draws lattice everywhere and a wave into noise
        if movie.std() > 0.5:
            return blur_more(movie) + wave(9.0, 0.5)[: movie.shape[1], : movie.shape[2]]
        return np.broadcast_to(clean.clean, movie.shape)

    report = check_model(painter, HIGH, n_frames=2, progress=asked.append)
    failed = {a.question for a in report.answers if a.passed is False}
    assert "waves in pure noise" in failed
    assert "lattice in a hole of 1 nm radius" in failed
    assert "lattice in a hole of 2 nm radius" in failed
    assert "atoms in a hole" not in failed
    assert not report.passed
    assert asked == [
        *("noise alone", "one bright point", "amorphous carbon", "a hole in the lattice"),
        *("a perfect lattice", "a crystal with a tilt boundary", "a crystal with an edge"),
        *("point defects", "crosstalk"),
    ]
    path = write_page(tmp_path / "check.html", report, "a <model>")
    text = path.read_text(encoding="utf-8")
    assert text.count("data:image/png;base64,") == 7
    assert "a &lt;model&gt;" in text
    asked = [a.passed for a in report.answers if a.passed is not None]
    assert text.count(">FAIL<") == asked.count(False)
    assert f"{asked.count(False)} of {len(asked)} failed." in text
    assert text.count(">not asked<") == len(report.answers) - len(asked) > 0
    assert [p.name for p in tmp_path.iterdir()] == ["check.html"]
    json.dumps([vars(a) for a in report.answers])
