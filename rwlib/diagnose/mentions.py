"""What is said of a text in which no error is known: is it about AWS or RisingWave at all?"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from rwlib.diagnose.stream import CHUNK, open_source

NOTHING: Final = "Nothing in this text is about RisingWave's way to the bucket."
NOTHING_LIVE: Final = "Nothing that was looked at is in RisingWave's way to the bucket."
NO_RULE: Final = (
    "This mentions AWS or RisingWave, but holds no error that is known here: give the lines around "
    "it, or run the verification, which looks at every hop."
)
_WORDS: Final = re.compile(
    rb"aws|amazon|arn:|\bs3\b|s3[.:_]|\bsts\b|\bkms\b|\bglue\b|\biam\b|assume.?role|risingwave"
    rb"|opendal|reqsign|lake ?formation|\bbucket\b|iceberg|redshift|accessdenied|slowdown",
    re.IGNORECASE,
)
_OVERLAP: Final = 64


class Watched:
    """A source of a diagnosis that can be asked afterwards what it spoke of.

    Parameters
    ----------
    source
        What `rwlib.diagnose.diagnose` takes; lines that can be read only once are watched while
        they pass.
    """

    def __init__(self, source: str | Path | bytes | Iterable[str | bytes]) -> None:
        self._once = not isinstance(source, str | bytes | Path | list)
        self._seen = False
        self.source = self._passing(source) if self._once else source  # type: ignore[arg-type]

    def nothing_found(self) -> str:
        """Return the sentence to say where no error was found."""
        if not self._once:
            self._seen = self._read_again()
        return NO_RULE if self._seen else NOTHING

    def _passing(self, lines: Iterable[str | bytes]) -> Iterator[str | bytes]:
        for line in lines:
            if not self._seen:
                raw = line if isinstance(line, bytes) else line.encode("utf-8", "surrogateescape")
                self._seen = _WORDS.search(raw) is not None
            yield line

    def _read_again(self) -> bool:
        stream = open_source(self.source)
        try:
            before = b""
            while chunk := stream.read(CHUNK):
                if _WORDS.search(before + chunk):
                    return True
                before = chunk[-_OVERLAP:]
        finally:
            stream.close()
        return False
