"""A sentence for the usual wrong answers: what it did, and what to ask oneself next.

It speaks of the kind of mistake, never of the repair: too wide, the right statement on the wrong
principal, mended by taking a guard away, another layer than the one that refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from rwlib.labs.guards import LabHistory
from rwlib.labs.result import Finding, Mistake
from rwlib.labs.setup_calls import LabSetup

_DOCUMENTS = {
    "trust": ("trust",),
    "policy": ("policies",),
    "boundary": ("boundary", "boundary_arn"),
}
_NAMES = {
    "trust": "the trust policy",
    "policy": "the role's own policies",
    "boundary": "the permissions boundary",
    "bucket": "the bucket policy",
    "key": "the key policy",
    "allowed": "Allowed Principals",
}
# Where one of these is why nothing works any more, the layer of the fault is not the matter.
_SAY_IT_ALL = frozenset({"key_switched_off"})
# What a person may mend in more than one place.
_ALIKE = {"policy": {"policy", "sql"}, "key": {"key", "policy"}}

ADVICE: Mapping[Mistake, str] = {
    "closed_again": (
        "On a real account that moment is in the trail, and anybody may have used it. `reset` "
        "starts the lab over."
    ),
    "trusts_everybody": (
        "A wildcard lets everybody in: nobody is asked any more who he is. Who is it that asks? "
        "Name that one."
    ),
    "trusts_account": (
        "An account as the principal means all of its roles: in RisingWave's account that is every "
        "customer's cluster. Which one role asks?"
    ),
    "trusts_pattern": (
        "A pattern over role names matches more than the one role that asks. Write its whole ARN."
    ),
    "trusts_another": (
        "A statement names another principal than the one that asks. Compare each of them with "
        "the caller, letter by letter."
    ),
    "every_resource": (
        "Every resource is more than any request asks for: a request names one action and one "
        "resource. Which one is needed? Allow that one there."
    ),
    "prefix_pattern": (
        "A wildcard right after the name matches every folder that begins the same way."
    ),
    "more_than_needed": (
        "The role can do more than the lab's task asks for. Take out what no request of the task "
        "needs."
    ),
    "bucket_policy_opened": (
        "A guard was taken away, narrowed or opened for more than one. Whom did it keep out, and "
        "does it still? Exempt the one role, and leave the rest as it was."
    ),
    "bucket_policy_widened": (
        "A bucket policy lets through what it refused, and it was not what refused you: put it "
        "back as it was. `reset` starts the lab over."
    ),
    "key_policy_opened": (
        "The key is open to more than the role: its policy and its grants let in everybody whom "
        "they name."
    ),
    "guard_emptied": (
        "A policy that was emptied is emptied wherever else it is attached. Which call put it on "
        "this role?"
    ),
    "boundary_removed": (
        "The boundary was put there by somebody: without it everything that it kept away can be "
        "granted. Widen it by what is missing, and leave it on the role."
    ),
    "boundary_widened": (
        "A boundary is the most that may ever be granted. Add what the role's policy needs, on "
        "the same resource, and nothing beside it."
    ),
    "allowed_principal_added": (
        "Each entry is one more role that RisingWave may assume. Only this lab's role is needed."
    ),
    "public_access_opened": (
        "What keeps a bucket from becoming public was switched off or changed. No request of "
        "RisingWave's needs that. Who decided on it?"
    ),
    "encryption_changed": (
        "Another encryption makes the refusal go away and leaves new files outside the company's "
        "key. Who decided on the key?"
    ),
    "bucket_key_changed": (
        "A bucket key saves calls to KMS, and somebody decided on it. What does the setting change "
        "in the request? Write the permission for that."
    ),
    "key_switched_off": (
        "A key that is disabled, or is to be deleted, is refused to everybody, and with it every "
        "file that it has encrypted. A permission is repaired in a policy."
    ),
    "others_changed": (
        "It belongs to somebody else and is not what refused. Put it back as it was; "
        "`reset` starts the lab over."
    ),
    "writes_elsewhere": (
        "Something is written, but elsewhere, or not as the role: a key in a statement is one more "
        "secret that somebody has to keep. Compare bucket, path and role with the task."
    ),
    "nothing_created": (
        "Nothing is there that RisingWave could try: a statement that it refuses leaves nothing "
        "behind. Read what it answered to yours, to its end."
    ),
    "denies": (
        "A Deny refuses everybody whom it fits, and no Allow outweighs it. Whom does it fit now "
        "that was let through before?"
    ),
    "refuses_what_it_allowed": (
        "Writing a policy replaces the whole document: what you leave out is gone. What did it "
        "say before?"
    ),
    "written_otherwise": (
        "What stands in the account and what is written differ, and the next apply takes back what "
        "was made by hand. Where is this role written?"
    ),
    "goes_through": (
        "A request that the task does not want goes through. Which statement allows it?"
    ),
    "gone": "It was there before you began and was not what refused.",
}
"""What is said about each kind of mistake; of several, about the first in this order."""


def with_advice(setup: LabSetup, history: LabHistory, findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with a sentence about the kind of mistake beneath each that failed."""
    found: list[Finding] = []
    for each in findings:
        sentence = "" if each.passed else _advice(each.mistakes)
        more = (sentence,) if sentence else ()
        found.append(Finding(each.title, each.passed, (*each.evidence, *more), each.mistakes))
    mistakes = {mistake for each in found for mistake in each.mistakes}
    if (
        found
        and not (found[0].passed or mistakes & _SAY_IT_ALL)
        and (sentence := _other_layer(setup, history))
    ):
        first = found[0]
        found[0] = Finding(first.title, False, (*first.evidence, sentence))
    return found


def _advice(mistakes: Collection[Mistake]) -> str:
    return next((sentence for mistake, sentence in ADVICE.items() if mistake in mistakes), "")


def _other_layer(setup: LabSetup, history: LabHistory) -> str:
    """Say that what was changed is not what refused, or that it is, and does not fit yet."""
    if len(history.states) == 1 or len(setup.lab.faults) != 1 or not setup.lab.layer:
        return ""
    changed = _changed(setup, history)
    right = _ALIKE.get(setup.lab.layer, {setup.lab.layer})
    if not changed:
        return ""
    if changed & right:
        what = " and ".join(_NAMES[each] for each in sorted(changed & right))
        return (
            f"You have changed {what}, and the request does not fit yet: hold each value of the "
            "message against what is written there, letter by letter."
        )
    what = " and ".join(_NAMES[each] for each in sorted(changed))
    return (
        f"You have changed {what}, and the refusal stays: it comes from another layer. Read in the "
        "message who asked, for what, and which service answered."
    )


def _changed(setup: LabSetup, history: LabHistory) -> set[str]:
    """Return the layers whose documents are others than at the start."""
    before, now, target = history.before, history.now, setup.target
    was, role = before.role(target.role_name) or {}, now.role(target.role_name) or {}
    changed = {
        layer
        for layer, names in _DOCUMENTS.items()
        if any(was.get(name) != role.get(name) for name in names)
    }
    old, new = before.bucket(target.bucket) or {}, now.bucket(target.bucket) or {}
    if old.get("policy") != new.get("policy"):
        changed.add("bucket")
    arn = str(old.get("kms_key", ""))
    if arn and before.key(arn) != now.key(arn):
        changed.add("key")
    if before.allowed_principals != now.allowed_principals:
        changed.add("allowed")
    return changed
