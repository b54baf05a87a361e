"""Photos, an engine, and the binary to compare with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import fusiform

ROOT = Path(os.environ.get("FUSIFORM_ROOT") or Path(__file__).parents[3]).resolve()
ALBUM = ROOT / "samples/album"
PORTRAIT = ALBUM / "16-portrait.jpg"
SAME_PERSON = ALBUM / "17-portrait.jpg"
OTHER_PERSON = ALBUM / "14-portrait.jpg"
GROUP = ALBUM / "23-group.jpg"


@pytest.fixture(scope="session")
def engine() -> fusiform.Engine:
    return fusiform.Engine()


@pytest.fixture(scope="session")
def binary() -> Path:
    """The command `fusiform`, of whichever build there is."""
    named = os.environ.get("FUSIFORM_BINARY")
    found = [Path(named)] if named else [ROOT / f"target/{kind}/fusiform" for kind in ("release", "debug")]
    for path in found:
        if path.is_file():
            return path
    pytest.skip(f"no binary at {found}; build it with `cargo build`, or name it in FUSIFORM_BINARY")
