"""Which detector shows adatoms bright and which dark: told by name, or refused."""

import pytest
from predictors import blur, leaky

from n2v_stem_keras.check import detector_crosstalk, lattice_in_hole


def test_detectors_are_told_apart_by_name():
    to_adf, to_bf = detector_crosstalk(leaky(0.3, order=(1, 0)), ("bf", "ADF"), n_frames=2)
    assert to_bf.target == "bf"
    assert to_bf.share == pytest.approx(0.3, rel=0.1)
    assert abs(to_adf.share) < 1e-6


def test_two_detectors_of_a_kind_are_refused():
    for test in (detector_crosstalk, lattice_in_hole):
        with pytest.raises(ValueError, match=r"'HAADF'.* one in which they are dark"):
            test(blur, ("HAADF", "ADF"))
        with pytest.raises(ValueError, match="ADF and BF"):
            test(blur, ("ADF", "adf"))
    with pytest.raises(ValueError, match="expected ADF and BF"):
        detector_crosstalk(blur, ("ADF",))
