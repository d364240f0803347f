"""The lattice image: what repeats over hundreds of pixels, found in Fourier space."""
