"""From the class of an error to its causes, ranked, and to what to do about each."""

from __future__ import annotations
