"""The question: may this request go through, under these policies?"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from rwlib.evaluate.model import Decision, Policies, Request, Unknown
from rwlib.evaluate.unknown import evaluate_unknown
from rwlib.evaluate.weighing import decide, subject_of


def evaluate(
    request: Request,
    policies: Policies,
    unknown: Mapping[str, Unknown | None] | Collection[str] = (),
) -> Decision:
    """Decide whether IAM lets a request through, and say why.

    Reads nothing but its arguments and changes nothing. An explicit Deny in any policy wins.
    Within one account an Allow in the identity-based policies or in the resource's policy is
    enough; a role's trust policy and a KMS key policy must allow in any case, themselves or by
    delegating to their account. Between two accounts both sides must allow. Boundary, session
    policies, service and resource control policies only take away.

    Parameters
    ----------
    request
        Who wants to do what, with which context.
    policies
        Everything that applies to it.
    unknown
        Condition keys that the request may have with any value, or may not have; a name that ends
        with ``*`` stands for all other keys that begin so. As a mapping, with what is known of
        each; None stands for a key that is certainly absent.

    Returns
    -------
    Decision
        ``effect`` is ``allowed``, ``explicit-deny`` or ``implicit-deny``, and with unknown keys
        ``depends`` where they decide.

    Raises
    ------
    InputError
        A document, the principal or a context value is malformed.

    Notes
    -----
    Source: IAM User Guide, "How AWS enforcement code logic evaluates requests to allow or deny
    access", "Cross-account policy evaluation logic" and "IAM JSON policy elements reference".
    """
    if unknown:
        return evaluate_unknown(request, policies, unknown)
    caller, subject, account = subject_of(request, policies)
    return decide(policies, caller, subject, account)
