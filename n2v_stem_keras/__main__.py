"""``python -m n2v_stem_keras``: the command line."""

import sys

from .cli import main

sys.exit(main())
