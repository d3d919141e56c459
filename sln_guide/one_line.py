"""What is told in one line: names, and errors that nobody expected."""

from __future__ import annotations


def on_one_line(text: str) -> str:
    """Return ``text``, such as a name, with nothing in it that ends a line or steers a terminal.

    What of a file's name is no text stays as it is, so that the name is still its own.
    """
    return "".join(
        each
        if each.isprintable() or "\ud800" <= each <= "\udfff"
        else " "
        if each.isspace()
        else "?"
        for each in text
    )


def unexpected(error: BaseException) -> str:
    """Say an unexpected error by its kind and the first line of its words."""
    return f"{type(error).__name__}: {error}".splitlines()[0]
