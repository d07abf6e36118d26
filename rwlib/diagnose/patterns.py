"""Regular expressions written as phrases, one to a line."""

from __future__ import annotations

import re


def any_of(*phrases: str) -> str:
    """Join phrases, each a regular expression, into one that finds any of them."""
    return "|".join(phrases)


def byte_finder(*phrases: str, anchored: bool = False) -> re.Pattern[bytes]:
    """Compile phrases into one search over bytes, at the beginning only when ``anchored``."""
    joined = any_of(*phrases)
    return re.compile((f"^(?:{joined})" if anchored else joined).encode())


def finder(*phrases: str, case: bool = False) -> re.Pattern[str]:
    """Compile phrases into one search, which ignores case unless ``case`` is true."""
    return re.compile(any_of(*phrases), 0 if case else re.IGNORECASE)
