"""Which simulated detector stands in for which of a model."""

from ..atoms import sign_of
from ..simulate import fast


def columns_of(detectors):
    """Return the places of detectors in what `simulate` makes.

    Atoms are dark in BF and ABF, bright in all others, for which ADF stands in.

    Raises
    ------
    ValueError
        Two detectors of the same kind: nothing simulated tells them apart.
    """
    kinds = ["BF" if sign_of(name) < 0 else "ADF" for name in detectors]
    if not kinds or len(set(kinds)) < len(kinds):
        raise ValueError(
            f"detectors are {tuple(detectors)}; this test knows one in which atoms are bright and "
            "one in which they are dark, ADF and BF"
        )
    return [fast.DETECTORS.index(kind) for kind in kinds]
