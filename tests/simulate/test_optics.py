import numpy as np
import pytest

from n2v_stem_keras.simulate.optics import PAPER, Optics


def test_the_papers_optics():
    assert PAPER.wavelength_nm == pytest.approx(4.1757e-3, rel=1e-4)
    assert PAPER.cutoff_nm == pytest.approx(15.33, abs=0.01)
    assert PAPER.empty_beam("BF") == pytest.approx((18.7 / 32) ** 2)
    assert PAPER.empty_beam("ADF") == 0.0
    assert tuple(PAPER.detectors_mrad) == ("ADF", "BF")


def test_empty_beam_of_a_detector_that_straddles_the_cone():
    optics = Optics(convergence_mrad=20.0, detectors_mrad={"ABF": (10.0, 40.0)})
    assert optics.empty_beam("ABF") == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_kev": 0.0}, "energy_kev"),
        ({"convergence_mrad": -1.0}, "convergence_mrad"),
        ({"source_sigma_nm": np.nan}, "source_sigma_nm"),
        ({"detectors_mrad": {"ADF": (50.0, 40.0)}}, "ADF"),
        ({"aberrations_nm": {"C10": 5.0}}, "defocus_nm"),
    ],
)
def test_senseless_optics_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Optics(**changes)
