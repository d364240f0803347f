"""The report on a model: every question that can be asked of its detectors, and the verdict."""

from predictors import blur_more
from scipy.ndimage import gaussian_filter

from n2v_stem_keras.atoms import Criterion
from n2v_stem_keras.check import (
    atoms_in_hole,
    check_model,
)

HIGH = {"ADF": Criterion(3.0), "BF": Criterion(3.0, sign=-1)}


def test_lone_detectors_of_any_name_are_tested():
    (found,) = atoms_in_hole(blur_more, {"HAADF": Criterion(50.0)}, n_frames=1)
    assert found.inside == 0
    report = check_model(blur_more, {"HAADF": Criterion(3.0)}, n_frames=2)
    assert {a.detector for a in report.answers} == {"HAADF"}
    assert not any("only" in a.question for a in report.answers)


def test_a_stated_rate_is_what_is_allowed():
    def invent(movie):
        out = 0.01 * blur_more(movie)
        out[:, 100, 100] += 9
        return gaussian_filter(out, (0, 0.8, 0.8, 0))

    verdicts = {}
    for rate in (1.0, 100.0):
        report = check_model(invent, {"ADF": Criterion(1.0)}, rates={"ADF": rate}, n_frames=2)
        (answer,) = [a for a in report.answers if "atoms in pure" in a.question]
        verdicts[rate] = answer.passed
    assert verdicts == {1.0: False, 100.0: True}
