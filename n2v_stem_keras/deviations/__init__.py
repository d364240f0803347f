"""What a denoised frame lacks and the raw one shows: found in the residual, at a stated rate.

A vacancy, a dopant, an atom that was not drawn: each changes the residual by the image of a column,
which is learnt from the movie itself (`motifs`). A matched filter looks for it (`search`), at the
columns, over the frames that agree (`sites`), and elsewhere (`elsewhere`). How much of it is drawn
follows from how common it is in the movie (`prior`), and how often neighbours are missing together
(`pairs`).
"""

from .movie import Block
from .sites import SPANS, Found, agreeing
from .table import KINDS, as_table, columns, rows_of

__all__ = ["KINDS", "SPANS", "Block", "Found", "agreeing", "as_table", "columns", "rows_of"]
