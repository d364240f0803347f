"""Messages of the package in the words of the command line: options, where Python has arguments.

The package speaks of ``detectors=``; whoever types ``n2v-stem`` reads ``--detectors``. What a
message may name stands in one table.
"""

from __future__ import annotations

import re

# Python's words -> those of the command line
WORDS = (
    (r"\baxes='?(\w*)'?", r"--axes \1"),
    (r"\bdetectors=", "--detectors"),
    (r"\bpixel_size_nm=", "--pixel-size"),
    (r"\bpixel_size_nm\b", "--pixel-size"),
    (r"\bframe_time_s=", "--frame-time"),
    (r"\bvoltage_kV=", "--voltage"),
    (r"\b(choose \w*(?: image)? ?)with series=, or (\S+::NAME)", r"\1with \2"),
    (r"\bwith series=", "with FILE::PLACE"),
    (r"\bseries='?([^\s']+)'?", r"::\1"),
    (r"\boverwrite=True", "--overwrite"),
    (r"\bresume=False", "--no-resume"),
    (r"\btransfer_from\b=?", "--transfer-from"),
    (r"\bvalidation_data=?", "--validation"),
    (r"\b(n2v_\w+)=\((\d+), (\d+)\)", r"--set \1=\2,\3"),
    (r"(?<!--set )\b((?:n2v|unet|train)_\w+)=(True|False|None|\d[\d.]*)\b", r"--set \1=\2"),
    (r"\bN2VStemConfig\.preset\(\"(\w+)\"\)", r"--preset \1"),
    (r"open it as it is with N2VStem\(None, name, basedir\), ", ""),
    (r"\bmodel\.optimize_thresholds\(movie\)", "n2v-stem atoms --calibrate"),
    (r"\bengine='(\w+)'", r"--engine \1"),
    (r"^engine is\b", "--engine is"),
    (r"^threads is\b", "--threads is"),
    (r"\bn_tiles is\b", "--n-tiles is"),
    (r"^context is\b", "--context is"),
    (r"\b(epochs|steps_per_epoch) is\b", r"--\1 is"),
    (r"\bfalse_alarms_per_Mpx is\b", "--false-alarms is"),
    (r"\bheight_sigma\b", "--height"),
    (r"\bmin_distance_nm\b", "--min-distance"),
    (r"\blook_in\b", "--look-in"),
    (r"\bauthors=\['([^']*)'\]", r"--author '\1'"),
    (r"\blicense='([^']*)'", r"--license \1"),
    (r"\bas path\b", "as --out"),
    (r"\btoken_file\b", "--token-file FILE"),
)


def in_options(message) -> str:
    """Return a message of the package as the command line says it.

    Examples
    --------
    >>> in_options("scan: say axes=, for example 'TYX', or train with n2v_span=(1, 5)")
    "scan: say --axes, for example 'TYX', or train with --set n2v_span=1,5"
    """
    text = str(message)
    for pattern, words in WORDS:
        text = re.sub(pattern, words, text)
    text = re.sub(r"--(\w+_\w+)", lambda found: found[0].replace("_", "-"), text)
    return re.sub(r"(--axes) (?=[\s,;.]|$)", r"\1", text)


def first_sentence(message) -> str:
    """Return what a message found, without what to do about it, where there is little room.

    Examples
    --------
    >>> first_sentence("scan: 3 frames of 0.5 px are blank. Take raw frames. Or none")
    'scan: 3 frames of 0.5 px are blank'
    """
    return in_options(message).split(". ")[0]
