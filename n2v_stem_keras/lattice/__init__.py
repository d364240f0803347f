"""The lattice image: what repeats over hundreds of pixels, as a further input of the network.

In one frame a lattice is often weaker than the noise of a pixel, so it shows only in an average
over thousands of pixels, which a UNet of a few levels cannot take. A filter in Fourier space takes
it. `KINDS` names the filters; `LatticeImage` is all that the rest of the package knows of one.
Nothing is learnt in them. Another kind is a class here, its Keras layer in a file of this wing.

This file imports neither numpy nor TensorFlow: the configuration asks it what it allows.
"""

from __future__ import annotations


class LatticeImage:
    """No lattice image (the paper), and the face of those that there are.

    Parameters
    ----------
    window : int
        Side of the windows that a lattice is looked for in [px]; kinds without windows ignore it.

    Attributes
    ----------
    kind : str
        Value of `N2VStemConfig.unet_lattice`.
    shown_times : float
        The first block sees the lattice image times this.
    size_multiple : int
        Both sides of a frame are multiples of this [px].
    grid : int
        Tiles of a frame start on multiples of this [px].
    runs_outside : bool
        Whether an engine is given the lattice images of whole frames, made in numpy by `inputs`,
        instead of making them itself.
    """

    kind = "none"
    shown_times = 1.0
    size_multiple = 1
    grid = 1
    runs_outside = False

    def __init__(self, window: int):
        self.window = window

    def __bool__(self):
        return self.kind != "none"

    def layer(self):
        """Return the Keras layer that makes the images, (B, Y, X, C) -> (B, Y, X, C)."""
        raise ValueError("there is no lattice image")

    def halo(self, radius: int) -> int:
        """How much of a frame a tile needs around it, if the network reaches `radius` [px]."""
        return radius

    def inputs(self, frames, shares) -> list:
        """Return what an engine takes of standardised frames (B, Y, X, C), and `cut` cuts.

        Parameters
        ----------
        frames : (B, Y, X, C) float32 array
        shares : list of float
            `N2VStemConfig.visible_shares`.
        """
        return [frames]

    def cut(self, inputs, y: slice, x: slice) -> list:
        """Return the same of a tile of the frames."""
        return [image[:, y, x] for image in inputs]

    def problem(self, multiple: int) -> str | None:
        """Say what is wrong with the window for a network on a grid of `multiple` px, or None."""
        return None

    def fingerprint(self) -> list:
        """Return what tells this lattice image from others, as JSON."""
        return [self.kind]


class WindowLattice(LatticeImage):
    """A local Wiener filter in overlapping windows: it follows a lattice that turns, bends or ends.

    See `lattice.windows.LocalWienerFilter`.
    """

    kind = "windows"
    n_waves = 0
    # Lattice images are several times fainter than the noise of the frames beside them, and the
    # network learns late from what is faint: MoS2 gained 1.1 / 0.5 dB by four times as much.
    shown_times = 4.0

    @property
    def grid(self) -> int:
        """Half a window [px]: windows overlap by as much."""
        return self.window // 2

    def layer(self):
        """Return the Keras layer."""
        from .windows import LocalWienerFilter

        return LocalWienerFilter(self.window, self.n_waves, name="wiener", dtype="float32")

    def halo(self, radius: int) -> int:
        """How much of a frame a tile needs around it, if the network reaches `radius` [px]."""
        from .windows import halo

        return halo(self.window, radius)

    def problem(self, multiple: int) -> str | None:
        """Say what is wrong with the window for a network on a grid of `multiple` px, or None."""
        if self.window < 2 * multiple:
            return (
                f"expected at least twice {multiple}, the multiple that sides of frames are, so "
                "that tiles can start on both grids"
            )
        return None

    def fingerprint(self) -> list:
        """Return what tells this lattice image from others, as JSON."""
        return [self.kind, self.window, "levels"]  # since levels tell of holes


class WaveLattice(WindowLattice):
    """The same, with plane waves where the lattice of a window is straight (`waves`).

    Sixteen hold the first and second orders of two lattices. The network was measured with them.
    """

    kind = "waves"
    n_waves = 16


class FrameLattice(LatticeImage):
    """A Wiener filter of whole frames (`frame`): cheap enough for a live network.

    It is a little worse than windows where the lattice turns or bends. It runs outside of the
    network, so that tiles change nothing and engines need no Fourier transform. Live networks were
    measured with its image as it is (`shown_times` 1).
    """

    kind = "frame"
    size_multiple = 16  # `lattice.frame.SIZE_MULTIPLE`
    runs_outside = True

    def layer(self):
        """Return the Keras layer."""
        from .layers import FrameFilter

        return FrameFilter(name="frame_filter", dtype="float32")

    def inputs(self, frames, shares) -> list:
        """Return planes (B, C, Y, X) of the frames, and of their lattice images."""
        import numpy as np

        from .frame import lattice_of

        planes = np.ascontiguousarray(np.moveaxis(frames, -1, 1))
        return [planes, lattice_of(planes, shares)]

    def cut(self, inputs, y: slice, x: slice) -> list:
        """Return the same of a tile of the frames."""
        return [planes[:, :, y, x] for planes in inputs]


KINDS = {kind.kind: kind for kind in (LatticeImage, WindowLattice, WaveLattice, FrameLattice)}
