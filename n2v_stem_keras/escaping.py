"""What comes from files, as it may be shown: no character of it steers a terminal or hides.

Names of files, detectors and models, histories and metadata are written by others. An escape
sequence in one could clear the screen or fake a line. `ShownError` does this for all errors of the
package, the command line for all that it prints; what the library prints or warns of passes through
`escaped` by itself.
"""

import unicodedata

MOST = 4000  # characters of an error: what is found in a file may be as long as the file


def escaped(text, lines: bool = False, most: int | None = None) -> str:
    r"""Return a text with all that is not printable written as JSON writes it in strings.

    Parameters
    ----------
    text : object
        What is shown; it is made a string.
    lines : bool
        Leave line breaks as they are, for texts of several lines that are ours.
    most : int, optional
        Leave the middle out of a text that is longer.

    Examples
    --------
    >>> print(escaped("a\x1b[2J\n\u202eb"))
    a\u001b[2J\n\u202eb
    >>> escaped("Å, σ")
    'Å, σ'
    """
    text = str(text)
    if most is not None and len(text) > most:
        left = f" [... {len(text) - most} characters left out ...] "
        text = text[: most // 2] + left + text[len(text) - most // 2 :]
    if text.isprintable():
        return text
    return "".join(c if _is_shown(c, lines) else _named(c) for c in text)


def _named(character: str) -> str:
    if character == "\n":
        return "\\n"
    number = ord(character)
    return f"\\u{number:04x}" if number < 2**16 else f"\\U{number:08x}"


def _is_shown(character: str, lines: bool) -> bool:
    if character.isprintable() or (lines and character == "\n"):
        return True
    return unicodedata.category(character) == "Zs"  # spaces of all widths


class ShownError(ValueError):
    """An error that may quote files; its text can be shown as it is."""

    lines = False  # whether the text has several lines

    def __init__(self, text: object = "") -> None:
        super().__init__(escaped(text, self.lines, MOST))
