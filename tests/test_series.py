"""Movies as the model sees them: detectors by name, statistics of each movie."""

import numpy as np
import pytest

from n2v_stem_keras.io import Movie
from n2v_stem_keras.normalize import DataError
from n2v_stem_keras.series import SelectedDetectors, collect_series, detector_order


def movie(detectors=None, n=2, source=None):
    frames = np.random.default_rng(0).normal(size=(3, 8, 8, n))
    made = Movie.from_array(frames, "TYXC", detectors=detectors)
    return made.replace(source=source) if source else made


@pytest.mark.parametrize(
    ("names", "order"),
    [(("ADF", "BF"), [0, 1]), (("bf", "Adf"), [1, 0]), (None, [0, 1])],
)
def test_names_decide_ignoring_case(names, order):
    assert detector_order(movie(names), ("ADF", "BF")) == order


def test_an_unnamed_file_of_several_detectors_is_not_taken_silently():
    with pytest.warns(UserWarning, match="does not name its detectors"):
        detector_order(movie(source="/data/a.tif"), ("ADF", "BF"))


def test_missing_detectors_are_named():
    with pytest.raises(DataError, match="BF is missing"):
        detector_order(movie(("ADF", "HAADF")), ("ADF", "BF"))
    with pytest.raises(DataError, match=r"2 detectors .*expected 1 detector"):
        detector_order(movie(), ("HAADF",))


def test_selected_detectors_stay_lazy():
    reads = []

    class Lazy:
        shape = (4, 8, 8, 3)

        def __len__(self):
            return 4

        def __getitem__(self, t):
            reads.append(t)
            return np.full((8, 8, 3), [1, 2, 3]) * (t + 1)

    selected = SelectedDetectors(Lazy(), [2, 0])
    assert selected.shape == (4, 8, 8, 2)
    assert reads == []
    np.testing.assert_array_equal(selected[1][0, 0], [6, 2])
    assert reads == [1]


def test_series_are_separate_and_fingerprinted():
    frames = np.random.default_rng(0).normal(size=(2, 3, 8, 8, 1)) * [[[[[1]]]], [[[[10]]]]]
    found = collect_series(frames, ("ADF",), axes="STYXC", fingerprint=True)
    assert [s.name for s in found] == ["array [0]", "array [1]"]
    assert found[1].statistics.sd[0] > 5 * found[0].statistics.sd[0]
    assert found[0].statistics.fingerprint != found[1].statistics.fingerprint
    assert collect_series(None, ("ADF",)) == []


def test_a_list_is_a_list_of_movies():
    found = collect_series([movie(), movie()], ("ADF", "BF"))
    assert len(found) == 2
