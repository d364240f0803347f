"""Numbers of things, in words: 1 frame, 2 frames."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """Return how many there are of something.

    Parameters
    ----------
    number : int
    one : str
        What one of them is called.
    many : str, optional
        What several are called, where an s behind `one` will not do.

    Examples
    --------
    >>> counted(1, "epoch"), counted(15, "epoch"), counted(0, "frame")
    ('1 epoch', '15 epochs', '0 frames')
    """
    return f"{number} {one if number == 1 else many or one + 's'}"
