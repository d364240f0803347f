"""What users of CSBDeep, N2V and StarDist write: taken as meant, or answered by what to write.

There ``train(X, X_val)`` and ``optimize_thresholds(X_val, Y_val)`` go by position, where the second
argument is here ``axes``; ``predict`` takes a ``normalizer``. Axes are text, so that what is none
is known to be meant otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..io.hyperspy import is_signal
from ..io.movie import AXES, Movie


def is_axes(value) -> bool:
    """Return whether a second argument means axes: nothing, or letters of ``STCYX``.

    >>> is_axes("tyx"), is_axes("held.tif"), is_axes([1, 2])
    (True, False, False)
    """
    return value is None or (isinstance(value, str) and set(value.upper()) <= set(AXES))


def training_arguments(axes, validation_data, epochs, steps_per_epoch) -> tuple:
    """Return the arguments of `train` as they are meant.

    ``train(X, X_val)`` is N2V's, as is ``train(X, X_val, epochs, steps)``. CARE's and StarDist's
    ``train(X, Y, validation_data=(X_val, Y_val))`` has targets, which there are none of here.

    Raises
    ------
    TypeError
        Targets are given, or arguments too many.
    """
    if isinstance(validation_data, tuple) and len(validation_data) == 2:
        raise TypeError(
            "validation_data is a pair; (X_val, Y_val) has targets, which training on noisy movies "
            "does not know: write train(X, validation_data=X_val), or a list of two movies"
        )
    if is_axes(axes):
        return axes, validation_data, epochs, steps_per_epoch
    whole = (int, np.integer)
    if validation_data is None or isinstance(validation_data, whole):
        by_position = [v for v in (validation_data, epochs) if isinstance(v, whole)]
        if isinstance(validation_data, whole):  # one place further along
            if len(by_position) == 2 and steps_per_epoch is None:
                return None, axes, *by_position
            return None, axes, validation_data, steps_per_epoch
        return None, axes, epochs, steps_per_epoch
    raise TypeError(
        "train(X, Y, validation_data) has targets, which training on noisy movies does not know: "
        "write train(X, validation_data=X_val)"
    )


def truth_arguments(axes, positions) -> tuple:
    """Return ``axes`` and ``positions`` of `optimize_thresholds`, of which the second may be meant.

    Raises
    ------
    TypeError
        What is given are images of labels, as StarDist takes them.
    """
    if not is_axes(axes):
        if positions is not None:
            raise TypeError(
                "axes are letters such as 'TYX'; the positions were given twice: write "
                "optimize_thresholds(X_val, positions=Y_val)"
            )
        axes, positions = None, axes
    if positions is None or isinstance(positions, str):
        return axes, positions
    if hasattr(positions, "columns"):
        return axes, positions
    for number, frame in enumerate(positions):
        shape = np.shape(frame)
        if len(shape) != 2 or (shape[0] and shape[1] != 2):
            raise TypeError(
                f"positions of frame {number} have shape {shape}, expected (n, 2): y, x [px] of "
                "each atom. Of an image of labels write scipy.ndimage.center_of_mass(labels > 0, "
                "labels, range(1, labels.max() + 1)) for each frame"
            )
    return axes, positions


def refuse_normalizer(normalizer) -> None:
    """Say that there is nothing to normalise, as CSBDeep's `predict` asks for.

    Raises
    ------
    TypeError
        One is given.
    """
    if normalizer is not None:
        raise TypeError(
            "predict standardises each movie by itself and gives it back in its own units: leave "
            "normalizer out"
        )


def many_movies(movie, axes) -> list | None:
    """Return the movies of a list; None where it is one movie, such as a list of its frames."""
    if not isinstance(movie, (list, tuple)) or not len(movie):
        return None
    if all(isinstance(one, (str, Movie, Mapping)) or hasattr(one, "__fspath__") for one in movie):
        return list(movie)
    if all(is_signal(one) for one in movie):
        return list(movie)
    n_axes = {np.ndim(one) for one in movie}
    if axes is not None and n_axes == {len(axes)}:
        return list(movie)
    return list(movie) if min(n_axes) > 3 else None
