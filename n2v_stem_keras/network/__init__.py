"""The network: the paper's UNet (`unet`), the layers that Keras lacks (`layers`), its `reach`.

Importing this package registers every layer with Keras, those of the lattice image too: packages
of the BioImage Model Zoo that were made by it rely on that.
"""

from . import unet  # noqa: F401  registers the layers
