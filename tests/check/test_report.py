"""The report on a model: every question that can be asked of its detectors, and the verdict."""

from dataclasses import replace

import numpy as np
from predictors import blur_more
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.atoms import Criterion
from n2v_stem_keras.check import (
    atoms_in_hole,
    check_model,
    defects_drawn,
    lattice_at_line,
    report,
)

HIGH = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def test_lone_detectors_of_any_name_are_tested():
    (found,) = atoms_in_hole(blur_more, {"HAADF": Criterion(50.0)}, n_frames=1)
    assert found.inside == 0
    answers = check_model(blur_more, {"HAADF": Criterion(3.0)}, n_frames=2).answers
    assert {a.detector for a in answers} == {"HAADF"}
    assert not any("only" in a.question for a in answers)


def test_a_stated_rate_is_what_is_allowed():
    def invent(movie):
        out = 0.01 * blur_more(movie)
        out[:, 100, 100] += 9
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    verdicts = {}
    for rate in (1.0, 100.0):
        found = check_model(invent, {"ADF": Criterion(1.0)}, rates={"ADF": rate}, n_frames=2)
        (answer,) = [a for a in found.answers if "atoms in pure" in a.question]
        verdicts[rate] = answer.passed
    assert verdicts == {1.0: False, 100.0: True}


def answer_on(found, **changes):
    return report._defect(replace(found, **changes), ("ADF", "BF"))


def test_defects_that_drown_are_not_asked_for():
    (found, *_) = defects_drawn(np.zeros_like, ("ADF", "BF"), n_frames=2, together=True)
    found = replace(found, d_prime=4.0, n_frames=4, contrast=0.3, interval_95=(0.1, 0.45))
    assert answer_on(found).verdict == "FAIL"
    assert answer_on(found, interval_95=(0.1, 0.55)).verdict == "pass"
    unseen = answer_on(found, n_frames=3)
    assert (unseen.verdict, unseen.passed) == ("not asked", None)
    assert "d' 4.0 a frame, 6.9 together" in unseen.found
    # what was not asked fails nobody, and passes nobody
    assert report.Report(10, 0.046, answers=[unseen]).passed
    assert not report.Report(10, 0.046, answers=[unseen, answer_on(found)]).passed


def test_lattice_beyond_a_line_is_asked_for_where_it_can_be_seen():
    for psnr_db, verdict in ((16, "FAIL"), (3, "not asked")):
        (found,) = lattice_at_line(lambda m: m, ("ADF",), "edge", psnr_db, n_frames=1)
        answer = report._line(replace(found, beyond=0.3))
        assert (answer.verdict, answer.question) == (verdict, "lattice beyond an edge")
    assert report._line(replace(found, d_prime=9.0, beyond=0.2)).verdict == "pass"


def test_fewer_holes_are_allowed_where_there_is_less_noise():
    def verdict(share, number, psnr_db, contrast=1.0):
        return report._holes("", "ADF", share, number, contrast, psnr_db).verdict

    assert verdict(0.0, 0, 10) == "pass"
    assert verdict(0.002, 30, 10) == verdict(0.002, 30, 16) == "FAIL"
    assert verdict(0.002, 30, 7) == "pass"
    assert verdict(0.002, 2, 10) == "pass"  # two may be chance
    assert verdict(0.002, 30, 10, contrast=0.1) == "not asked"


def test_no_sentence_contradicts_its_verdict():
    """A rate above the limit passes where its interval reaches down to it, and says so."""
    answer = report._rate("atoms in pure noise", "ADF", 1, 0.26, 2.0)
    assert answer.passed
    assert "3.8" not in answer.found
    assert "a rate of 0.0974 to 21.4 per Mpx" in answer.found
    assert answer.allowed == "a rate that may be 2 per Mpx"
    assert not report._rate("", "ADF", 10, 0.26, 2.0).passed


def test_a_contrast_that_rounds_to_nothing_has_no_sign():
    assert report._lattice("lattice in a hole", "ADF", -0.001).found == "0 % of its contrast"
