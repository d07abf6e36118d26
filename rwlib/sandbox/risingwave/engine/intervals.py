"""Intervals: months, days and microseconds, and how RisingWave reads and writes them.

Source: ``src/common/src/types/interval.rs``.
"""

from __future__ import annotations

import re

Interval = tuple[int, int, int]
"""Months, days and microseconds."""

_SECOND = 1_000_000
_UNITS = {
    **dict.fromkeys(("years", "year", "yrs", "yr", "y"), (12, 0, 0)),
    **dict.fromkeys(("months", "month", "mons", "mon"), (1, 0, 0)),
    **dict.fromkeys(("days", "day", "d"), (0, 1, 0)),
    **dict.fromkeys(("hours", "hour", "hrs", "hr", "h"), (0, 0, 3600 * _SECOND)),
    **dict.fromkeys(("minutes", "minute", "mins", "min", "m"), (0, 0, 60 * _SECOND)),
    **dict.fromkeys(("seconds", "second", "secs", "sec", "s"), (0, 0, _SECOND)),
}
_ISO = re.compile(r"P(\d+)Y(\d+)M(\d+)DT(\d+)H(\d+)M(\d+)(?:\.(\d+))?S")
_TOKEN = re.compile(r"\s*(?:([+-]?)\s*(\d+):(\d+)(?::(\d+)(?:\.(\d*))?)?|([+-]?)\s*(\d+)|([a-z]+))")
_LARGEST = (2**31, 2**31, 2**63)


def read_interval(text: str) -> Interval:
    """Read what RisingWave reads as an interval.

    Raises
    ------
    ValueError
        It is none; the text is RisingWave's.

    Examples
    --------
    >>> read_interval("1 year 2 mons -3 days 04:05:06.5"), read_interval("P1Y2M3DT4H5M6S")
    ((14, -3, 14706500000), (14, 3, 14706000000))
    """
    found = _ISO.fullmatch(text.strip())
    if found is not None:
        years, months, days, hours, minutes, seconds = (int(found[n]) for n in range(1, 7))
        whole = (hours * 60 + minutes) * 60 + seconds
        return _checked(text, (years * 12 + months, days, whole * _SECOND + _micros(found[7])))
    total, number, at, lowered = (0, 0, 0), None, 0, text.rstrip().lower()
    while at < len(lowered):
        token = _TOKEN.match(lowered, at)
        if token is None:
            raise ValueError(f"Invalid interval: {text}")
        at = token.end()
        if token[2] is not None:
            if number is not None or int(token[3]) >= 60 or int(token[4] or 0) > 60:
                raise ValueError(f"Invalid interval: {text}")
            seconds = (int(token[2]) * 60 + int(token[3])) * 60 + int(token[4] or 0)
            micros = seconds * _SECOND + _micros(token[5])
            total = _sum(total, (0, 0, -micros if token[1] == "-" else micros))
        elif token[7] is not None:
            if number is not None:
                raise ValueError(f"Invalid interval: {text}")
            number = int(token[6] + token[7])
        elif number is None or token[8] not in _UNITS:
            wrong = token[8] if number is not None else text
            raise ValueError(f"Invalid {'unit' if number is not None else 'interval'}: {wrong}")
        else:
            total, number = _sum(total, _times(_UNITS[token[8]], number)), None
    if number is not None:
        total = _sum(total, (0, 0, number * _SECOND))  # a bare number is seconds
    if not lowered:
        raise ValueError(f"Invalid interval: {text}")
    return _checked(text, total)


def interval_text(interval: Interval) -> str:
    """Write an interval as RisingWave prints it.

    Examples
    --------
    >>> interval_text((14, -3, 14706500000)), interval_text((0, 0, 0)), interval_text((0, 1, 0))
    ('1 year 2 mons -3 days +04:05:06.5', '00:00:00', '1 day')
    """
    months, days, micros = interval
    pieces: list[str] = []
    negative = False
    for amount, unit in (
        (_quotient(months, 12), "year"),
        (months - 12 * _quotient(months, 12), "mon"),
        (days, "day"),
    ):
        if amount:
            sign = "+" if negative and amount > 0 else ""
            pieces.append(f"{sign}{amount} {unit}{'' if amount == 1 else 's'}")
            negative = amount < 0
    if micros or not pieces:
        sign = "-" if micros < 0 else "+" if negative and micros > 0 else ""
        hours, minutes, seconds, fraction = _clock(micros)
        pieces.append(f"{sign}{hours:02}:{minutes:02}:{seconds:02}{fraction}")
    return " ".join(pieces)


def interval_iso(interval: Interval) -> str:
    """Write an interval as the JSON encoder does, which drops the sign of its time.

    Examples
    --------
    >>> interval_iso((13, 2, 1_000_000))
    'P1Y1M2DT0H0M1S'
    """
    months, days, micros = interval
    years = _quotient(months, 12)
    hours, minutes, seconds, fraction = _clock(micros)
    return f"P{years}Y{months - 12 * years}M{days}DT{hours}H{minutes}M{seconds}{fraction}S"


def _clock(micros: int) -> tuple[int, int, int, str]:
    whole, fraction = divmod(abs(micros), _SECOND)
    text = f".{fraction:06}".rstrip("0") if fraction else ""
    return whole // 3600, whole // 60 % 60, whole % 60, text


def _quotient(number: int, by: int) -> int:
    """Divide towards zero, as Rust does."""
    return abs(number) // by * (1 if number >= 0 else -1)


def _micros(fraction: str | None) -> int:
    return int(((fraction or "") + "000000")[:6])


def _sum(one: Interval, other: Interval) -> Interval:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2]


def _times(unit: Interval, number: int) -> Interval:
    return unit[0] * number, unit[1] * number, unit[2] * number


def _checked(text: str, interval: Interval) -> Interval:
    if any(not -most <= part < most for part, most in zip(interval, _LARGEST, strict=True)):
        raise ValueError(f"Invalid interval: {text}")
    return interval
