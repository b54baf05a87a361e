"""The exceptions of Fusiform: one base class with a stable ``kind``."""

from __future__ import annotations


class Error(Exception):
    """What went wrong. Programs branch on ``kind``, people read the message.

    ``kind`` is a stable word such as ``"not_a_photo"``, ``code`` its stable number; both are those
    of the Rust library's ``ErrorKind``.
    """

    kind: str
    code: int

    def __init__(self, message: str, kind: str = "internal", code: int = 2) -> None:
        # Not OSError's, in FileError: it would take the message for an errno.
        Exception.__init__(self, message, kind, code)
        self.message = message
        self.kind = kind
        self.code = code

    def __str__(self) -> str:
        return self.message


class FileError(Error, OSError):
    """A file or folder cannot be read or written; also an ``OSError``."""


class MissingFileError(FileError, FileNotFoundError):
    """A file or folder is not there; also a ``FileNotFoundError``."""


class OptionError(Error, ValueError):
    """An argument is outside its range; also a ``ValueError``."""


class ArgumentTypeError(Error, TypeError):
    """An argument of a type that nothing can be made of; also a ``TypeError``."""


class HandleError(Error, ValueError):
    """Something that was closed, or that another process opened; also a ``ValueError``."""


def of_kind(kind: str, code: int, message: str, is_missing: bool) -> Error:
    if kind == "io":
        return MissingFileError(message, kind, code) if is_missing else FileError(
            message, kind, code
        )
    if kind == "bad_option":
        return OptionError(message, kind, code)
    if kind == "bad_handle":
        return HandleError(message, kind, code)
    return Error(message, kind, code)


def wrong_type(message: str) -> Error:
    return ArgumentTypeError(message, "bad_option", 3)
