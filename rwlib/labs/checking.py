"""The check of a lab: RisingWave's real retry, the evaluation of live documents, and the guards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from rwlib.errors import InputError, RunbookError
from rwlib.evaluate import SESSION_NAME_KEY
from rwlib.labs.advice import with_advice
from rwlib.labs.clients import only_lab
from rwlib.labs.guards import LabHistory, lost, opened, strangers_let_in, too_much_granted
from rwlib.labs.model import LabProbe
from rwlib.labs.result import Finding, Mistake, Result
from rwlib.labs.retry import as_tried, attempt, fits, unfit_options
from rwlib.labs.setup_calls import LabSetup
from rwlib.labs.terraform import Planned, forgotten, plan
from rwlib.sandbox import CUSTOMER, WORKLOAD_IDENTITY_ARN
from rwlib.verify import Probe, Verdict, decide, newly_allowed

if TYPE_CHECKING:
    from rwlib.verify import Check, Situation

_WORKS = "RisingWave works when it tries again"
# Verdicts about what the account does. How a policy is called and written is the learner's matter.
_JUDGED = frozenset(
    {
        *("role_exists", "trust_principal", "trust_conditions", "trust_deny", "trust"),
        *("boundary", "allowed_principal", "bucket_exists", "bucket_owner", "bucket_policy"),
        *("block_public_access", "kms", "requests_allowed", "requests_refused", "simulation"),
        *("scp", "redshift_trust"),
    }
)
# Who else gets in is judged completely by the guards, whatever statement lets them.
_LEFT_TO_GUARDS = frozenset({"trust_too_wide", "grant_beyond_need"})
# Depends on keys that a real try has shown: who asks Redshift, what S3 sends to KMS.
_SHOWN_BY_TRYING = frozenset({"redshift_trust", "kms"})
# What a trust policy may ask about the session in which RisingWave has just been let in.
_WHO_ASKS = frozenset({"aws:userid", SESSION_NAME_KEY.lower()})
ENCRYPTION_CONTEXT = "kms:encryptioncontext"
# What S3 says to KMS, and what KMS knows of the key.
_SENT_TO_KMS = (ENCRYPTION_CONTEXT, "kms:resourcealiases", "aws:resourcetag/")
_LAYERS: Mapping[str, str] = {
    "bucket_policy_denies": "the bucket policy",
    "boundary_denies": "the permissions boundary",
    "kms_key_policy": "the key policy",
    "kms_role_permission": "the role's own policies, as far as the key goes",
}
_REQUESTS = "requests"
_NO_POLICY = (
    "As they stand, trust policy, Allowed Principals and every other policy allow what RisingWave "
    "asks for: no document refuses."
)
_ASKED = re.compile(r'not authorized to perform: (\S+) on resource: "?([^\s"]+)')
REASONS_AFTER = 3
"""Number of checks in vain after which the evaluator's reason is shown beside the layer."""


def check(setup: LabSetup, history: LabHistory, tries: int = 1) -> Result:
    """Check a lab against its sandbox's real state.

    RisingWave tries first; then the documents are judged as they stand. Nothing in AWS is changed;
    one more row goes through RisingWave.

    Parameters
    ----------
    history
        What the lab's sandbox has kept since the lab was set up.
    tries
        Number of this check: the first ones name the layer, later ones the reason too.
    """
    from botocore.exceptions import ClientError

    try:
        return Result(setup.lab.number, tuple(_findings(setup, history, tries)))
    except (ClientError, RunbookError) as error:
        # The learner has deleted the bucket, or shut even the account out of it.
        unread = Finding("What the lab is about is there, and can be read", False, (str(error),))
        return Result(setup.lab.number, (Finding(_WORKS, False), unread))


def _findings(setup: LabSetup, history: LabHistory, tries: int) -> list[Finding]:
    lab = setup.lab
    tried = attempt(setup, run_statement=not lab.own_sql)
    setup = as_tried(setup, tried.name)
    works = tried.works and (not lab.own_sql or fits(setup, tried.name))
    said = tuple(tried.lines)
    if tried.works and not works:
        said = (f"sink {tried.name} does not write to this bucket and prefix with this role",)
    if lab.silent:
        said = ()  # nobody has kept it: the trail tells
    shows: tuple[Mistake, ...] = ("writes_elsewhere",) if tried.works and not works else ()
    if lab.own_sql and tried.refused:
        shows = ("nothing_created",)
    findings = [Finding(_WORKS, works, () if works else said, shows)]
    setup.keys()  # refused when the bucket is gone, or shut even to its account
    reasons = tries >= REASONS_AFTER
    verdicts = _verdicts(setup, works=works, reasons=reasons)
    if not verdicts and not works:
        findings[0] = replace(findings[0], evidence=(*said, *_no_document(setup, reasons=reasons)))
    if lab.one_at_a_time:
        verdicts = verdicts[:1]
    findings.append(_finding("Every hop of the way is right", verdicts))
    for title, wrong in (
        ("Nobody else may assume the role", strangers_let_in(setup, history)),
        ("The role may do no more than it needs", too_much_granted(setup, history)),
        ("Nothing was opened on the way", opened(setup, history)),
        ("What was there before is still there", lost(setup, history)),
    ):
        mistakes = tuple(dict.fromkeys(each.mistake for each in wrong if each.mistake))
        findings.append(_finding(title, [each.line for each in wrong], mistakes))
    if lab.terraform:
        title = "Terraform's next apply changes nothing"
        findings.append(_finding(title, _drift(setup), ("written_otherwise",)))
    situation = history.now.situation(setup.target) if reasons else None
    findings += [_probe(setup, probe, situation) for probe in lab.must]
    return with_advice(setup, history, findings)


def _drift(setup: LabSetup) -> list[str]:
    try:
        changes = [f"{each.headline}{_opens(setup, each)}" for each in plan(setup)]
        gone = forgotten(setup, setup.target.role_name)
    except InputError as error:
        return [f"{error}; so nothing says who may call sts:AssumeRole after it"]
    return [*changes, *([f"{gone}; nobody may call sts:AssumeRole on it then"] if gone else ())]


def _opens(setup: LabSetup, change: Planned) -> str:
    """Say with one request what a planned change lets through or refuses."""
    place = "*"
    if change.attribute == "assume_role_policy":
        other = f"arn:aws:iam::{CUSTOMER}:role/{change.name}"
        place = setup.role_arn if change.name == setup.target.role_name else other
    pairs = ((change.now, change.then, "lets through"), (change.then, change.now, "refuses"))
    for old, new, what in pairs:
        for each in newly_allowed(old, new, place=place, account_id=CUSTOMER):
            return f"; it {what} {each.line}"
    return ""


def _finding(title: str, wrong: Sequence[str], mistakes: tuple[Mistake, ...] = ()) -> Finding:
    return Finding(title, not wrong, tuple(wrong), mistakes)


def _verdicts(setup: LabSetup, *, works: bool, reasons: bool) -> list[str]:
    """Name the layers that the runbook's own verification finds wrong, and on demand why."""
    wrong = [each for each in live_checks(setup) if _counts(each, works=works)]
    lines: dict[str, list[str]] = {}
    for each in wrong:
        others = {line for other in wrong if other.hop != _REQUESTS for line in other.evidence}
        if each.hop == _REQUESTS and each.reason not in _LAYERS and others >= {*each.evidence}:
            continue  # another hop says the same, and of which document
        known = lines.setdefault(f"look again at: {_layer(each)}", [])
        known += each.evidence[:1] if reasons else ()
    return ["\n".join([head, *dict.fromkeys(said)]) for head, said in lines.items()]


def _no_document(setup: LabSetup, *, reasons: bool) -> list[str]:
    """Name what is wrong where no document refuses: the statement, or nothing but the time."""
    if not setup.lab.own_sql:
        return [_NO_POLICY] if reasons else []
    said = unfit_options(setup) if reasons else []
    return ["\n".join(["look again at: SQL, and there the statement's options", *said])]


def live_checks(setup: LabSetup) -> list[Check]:
    """Let the runbook verify what stands in a lab's sandbox."""
    from rwlib.runbook import Runbook

    with only_lab(setup.endpoint):
        book = Runbook(
            setup.target,
            setup.connections.aws(),
            cloud=setup.cloud,
            workload_identity_arn=WORKLOAD_IDENTITY_ARN,
        )
        return list(book.verify_live())


def _counts(check: Check, *, works: bool) -> bool:
    if check.id not in _JUDGED or check.reason in _LEFT_TO_GUARDS:
        return False
    if check.id == "requests_refused":
        return False
    depends = check.status == "unknown" and check.reason == "depends_on_context"
    if works and depends and (check.id in _SHOWN_BY_TRYING or _only_about_what_was_seen(check)):
        return False
    return check.status in ("fail", "unknown")


def _only_about_what_was_seen(check: Check) -> bool:
    """Whether a request depends on what S3 or RisingWave was just seen to send."""
    return bool(check.grounds) and all(
        any(key.lower().startswith(_SENT_TO_KMS) for key in ground.keys)
        or (ground.keys and _WHO_ASKS.issuperset(key.lower() for key in ground.keys))
        for ground in check.grounds
    )


def _layer(check: Check) -> str:
    if check.id == "redshift_trust":
        return "trust, and there what it says of Redshift"
    if check.reason in _LAYERS:
        return f"requests, and there {_LAYERS[check.reason]}"
    return check.hop if check.hop != _REQUESTS else "requests, and there the role's own policies"


def _probe(setup: LabSetup, probe: LabProbe, situation: Situation | None) -> Finding:
    """Make a call that must be answered; with a situation also say why it is refused."""
    answer = ask(setup, probe)
    title = probe.title[0].upper() + probe.title[1:]
    passed = answer.partition(":")[0] == probe.answer
    if passed:
        return Finding(title, True)
    mistakes: tuple[Mistake, ...] = ("goes_through",) if answer == "ok" else ()
    said = [f"{probe.call} was answered {answer}"]
    asked = _ASKED.search(answer)
    if asked and situation is not None and probe.role_arn == "$role_arn":
        again = Probe(probe.call, probe.title, True, asked[1], asked[2])
        said.append(Verdict(again, decide(situation, again)).line)
    return Finding(title, False, tuple(said), mistakes)


def ask(setup: LabSetup, probe: LabProbe) -> str:
    """Make a real call as a session of a role; return ``ok``, or the error's code and text."""
    from botocore.exceptions import ClientError

    from rwlib.errors import ServiceError

    service, operation = probe.call.split(".")
    try:
        credentials = setup.endpoint.credentials_for(setup.fill(probe.role_arn))
    except ServiceError as error:
        return f"NoSuchEntity: {error}"
    client = setup.connections.client_with(service, credentials)
    try:
        getattr(client, operation)(**setup.fill(dict(probe.parameters)))
    except ClientError as error:
        return f"{error.response['Error']['Code']}: {error.response['Error']['Message']}"
    return "ok"
