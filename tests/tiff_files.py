"""TIFF of many kinds for tests, and what is read of files."""

import numpy as np
import tifffile

from n2v_stem_keras.io.layout import RawFrames

MOVIE = np.random.default_rng(0).integers(0, 60000, (6, 2, 16, 24)).astype("u2")  # TCYX
LAST = np.ascontiguousarray(np.moveaxis(MOVIE, 1, -1))  # TYXC
TCYX = {"axes": "TCYX"}
ZSTD, SEPARATE = {"compression": "zstd"}, {"planarconfig": "separate"}
TIFFS = {
    "shaped": (MOVIE, "TCYX", True, {"metadata": TCYX}),
    "ome.ome": (MOVIE, "TCYX", True, {"metadata": TCYX}),
    "imagej": (MOVIE, "TCYX", True, {"metadata": TCYX, "imagej": True}),
    "bigtiff": (MOVIE, "TCYX", True, {"metadata": TCYX, "bigtiff": True}),
    "big_endian": (MOVIE, "TCYX", True, {"metadata": TCYX, "byteorder": ">"}),
    "strips": (MOVIE, "TCYX", True, {"metadata": TCYX, "rowsperstrip": 3}),
    "float64": (MOVIE.astype("f8"), "TCYX", True, {"metadata": TCYX}),
    "int8": (MOVIE.astype("i1"), "TCYX", True, {"metadata": TCYX}),
    "order": (MOVIE.swapaxes(0, 1), "CTYX", True, {"metadata": {"axes": "CTYX"}}),
    "last": (LAST, "TYXC", True, {"metadata": {"axes": "TYXC"}}),
    "samples": (LAST, "TYXC", True, {"metadata": {"axes": "TYXS"}, "planarconfig": "contig"}),
    "tiled": (MOVIE, "TCYX", False, {"metadata": TCYX, "tile": (16, 16)}),
    "zlib": (MOVIE, "TCYX", False, {"metadata": TCYX, "compression": "zlib"}),
    "lzw_ome.ome": (MOVIE, "TCYX", False, {"metadata": TCYX, "compression": "lzw"}),
    "zstd_big_endian": (MOVIE, "TCYX", False, {"metadata": TCYX, "byteorder": ">"} | ZSTD),
    "predictor": (MOVIE, "TCYX", False, {"metadata": TCYX, "compression": "zlib", "predictor": 2}),
    "last_zlib": (LAST, "TYXC", False, {"metadata": {"axes": "TYXC"}, "compression": "zlib"}),
    "planar": (MOVIE, "TCYX", False, {"metadata": {"axes": "TSYX"}} | ZSTD | SEPARATE),
}  # fmt: skip


def write_tiff(path, array, **keywords):
    tifffile.imwrite(path, array, photometric="minisblack", **keywords)
    return path


def bytes_read(monkeypatch):
    """Count the bytes that are read straight from files."""
    counted, original = [], RawFrames._read_block

    def counting(self, file, number):
        counted.append(self.block_nbytes)
        return original(self, file, number)

    monkeypatch.setattr(RawFrames, "_read_block", counting)
    return counted
