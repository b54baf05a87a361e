"""What Fusiform will not say of a person, in one place."""

from __future__ import annotations

from ._errors import Error

_NAMES = {
    "age": "age",
    "gender": "gender",
    "sex": "gender",
    "emotion": "emotion",
    "race": "ethnicity",
    "ethnicity": "ethnicity",
}


class RefusedError(Error, ValueError, AttributeError, KeyError):
    """Something that Fusiform does not do, and why; never wrapped in a guess."""


def refused(message: str) -> RefusedError:
    return RefusedError(message, "refused", 35)


def is_guess(attribute: str) -> bool:
    """Whether it is something that could only be guessed from a face."""
    return attribute in _NAMES


def of_guess(attribute: str) -> RefusedError:
    return refused(
        f"{attribute!r} is not guessed: a picture does not show a person's {_NAMES[attribute]}, "
        "guesses of it are wrong more often for some people than for others, and Fusiform only says "
        "what it can state an error rate for"
    )
