"""Images of atoms at known places."""

import numpy as np

PX = 0.046
PLACES = np.array([[20.3, 30.7], [50.0, 40.25], [70.6, 12.1], [30.2, 62.9]])


def image_of(positions, shape=(96, 80), size=1.4, height=10.0, ground=0.0):
    y, x = np.indices(shape)
    image = np.full(shape, float(ground))
    for py, px in positions:
        image += height * np.exp(-((y - py) ** 2 + (x - px) ** 2) / (2 * size**2))
    return image
