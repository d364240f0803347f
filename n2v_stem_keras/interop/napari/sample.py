"""A noisy movie to try things on, made on the spot."""

from __future__ import annotations


def gold_on_graphene() -> list[tuple]:
    """Return gold adatoms on graphene, eight frames of ADF and BF at 10 dB, as layers."""
    from ...io import Movie
    from ...noise import add_white_noise
    from ...simulate import reference_movie
    from .reader import layers_of

    made = reference_movie(0, n_frames=8)
    noisy = add_white_noise(made.clean, 10.0, seed=1)
    return layers_of(
        Movie.from_array(
            noisy,
            "TYXC",
            detectors=made.detectors,
            pixel_size_nm=made.pixel_size_nm,
            name="gold on graphene",
        )
    )
