"""The engine that the drop-in modules share, which have no place to hand one over.

``use(engine)`` sets another; without it, the pack that comes with Fusiform is opened on first use.
"""

from __future__ import annotations

import os
import threading
from typing import Optional

from ._native import Engine

_lock = threading.Lock()
_engine: Optional[Engine] = None


def use(engine: Engine) -> None:
    """Lets the drop-in modules work with an engine of yours: another pack, threads, limits."""
    global _engine
    with _lock:
        _engine = engine


def engine() -> Engine:
    """The engine in use."""
    global _engine
    with _lock:
        if _engine is None:
            _engine = Engine(threads=os.cpu_count() or 1)
        return _engine


def same_at() -> float:
    """The similarity from which on the drop-in modules call two faces the same: that of one false
    match in a thousand pairs of strangers."""
    # A hair less than measured, so that rounding never turns a "same" of the engine into a no.
    return engine().threshold(1e-3).similarity - 1e-6


def _new_lock() -> None:
    # A thread of the parent may have held it when the child was made.
    global _lock
    _lock = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)
