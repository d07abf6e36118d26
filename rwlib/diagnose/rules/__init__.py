"""Error codes and messages, each with the class it means, in the order they are asked.

Specific codes stand above general refusals: the first rule that holds decides. A refusal that AWS
words as a sentence is not here, but in `rwlib.diagnose.denial`.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.rules.base import Rule
from rwlib.diagnose.rules.credentials import (
    NO_CREDENTIALS,
    NO_CREDENTIALS_VAGUELY,
    REFUSED_CREDENTIALS,
)
from rwlib.diagnose.rules.iam import DOCUMENTS, KEY_AND_CATALOG
from rwlib.diagnose.rules.not_served import NOT_REACHED, NOT_SENT, THROTTLED
from rwlib.diagnose.rules.redshift import REDSHIFT, REDSHIFT_REFUSED_BY_S3
from rwlib.diagnose.rules.s3 import PLACE, REFUSED
from rwlib.diagnose.rules.s3 import UNSAID as REFUSED_BY_WHOM
from rwlib.diagnose.rules.statement import CONNECTION, OPTIONS, UNSAID
from rwlib.diagnose.rules.sts import ROLE_NOT_ASSUMED, STS

CODES: Final[tuple[Rule, ...]] = (
    *REDSHIFT,
    *STS,
    *REFUSED_CREDENTIALS,
    *PLACE,
    *THROTTLED,
    *DOCUMENTS,
    *KEY_AND_CATALOG,
    *NOT_REACHED,
    *NO_CREDENTIALS,
    *CONNECTION,
    *OPTIONS,
)
REFUSALS: Final[tuple[Rule, ...]] = (*REDSHIFT_REFUSED_BY_S3, *REFUSED)
VAGUE: Final[tuple[Rule, ...]] = (
    *NOT_SENT,
    *ROLE_NOT_ASSUMED,
    *NO_CREDENTIALS_VAGUELY,
    *UNSAID,
    *REFUSED_BY_WHOM,
)
