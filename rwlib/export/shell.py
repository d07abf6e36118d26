"""A POSIX shell script with the AWS CLI: looks before it makes anything, safe to run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any

from rwlib.export.plan import ROLE_ARN, ExportPlan
from rwlib.export.words import NOT_EXPORTED, comment, principal_steps

TOOL = "aws-cli"


def script(plan: ExportPlan) -> str:
    """Return the script of one target.

    It creates what is not there. A role or policy of that name with another document is left as
    it is, and the script ends with 1 and a sentence: it never writes over anything.
    """
    target = plan.target
    words = {
        "role_name": target.role_name,
        "policy_name": target.policy_name,
        "policy": json.dumps(plan.policy, ensure_ascii=False, indent=2),
        "trust": json.dumps(plan.trust, ensure_ascii=False, indent=2),
        "tags": json.dumps(_tags(plan), ensure_ascii=False),
        "policy_as_asked": f"PolicyVersion.Document == {_literal(plan.policy)}",
        "trust_as_asked": f"Role.AssumeRolePolicyDocument == {_literal(plan.trust)}",
    }
    created = [
        *("--role-name", '"$role_name"', "--path", shlex.quote(target.role_path)),
        *("--assume-role-policy-document", '"$trust"', "--tags", '"$tags"'),
        *("--max-session-duration", str(target.max_session_duration)),
    ]
    if target.permissions_boundary_arn:
        created += ["--permissions-boundary", shlex.quote(target.permissions_boundary_arn)]
    lines = [
        "#!/bin/sh",
        comment(f"The IAM role that RisingWave Cloud assumes for {target.name}.", "#").rstrip(),
        comment(
            "Safe to run again: it looks before it creates, and changes nothing.", "#"
        ).rstrip(),
        comment(NOT_EXPORTED, "#").rstrip(),
        "set -eu",
        "",
        *(f"{name}={shlex.quote(text)}" for name, text in words.items()),
        "",
        *_FUNCTIONS.splitlines(),
        "",
        "# Step 1: the policy",
        "account=$(aws sts get-caller-identity --query Account --output text)",
        'policy_arn="arn:aws:iam::$account:policy/$policy_name"',
        'if aws iam get-policy --policy-arn "$policy_arn" >/dev/null 2>&1; then',
        '  version=$(aws iam get-policy --policy-arn "$policy_arn" \\',
        "    --query Policy.DefaultVersionId --output text)",
        '  found=$(aws iam get-policy-version --policy-arn "$policy_arn" \\',
        '    --version-id "$version" --query "$policy_as_asked" --output json)',
        '  same "policy $policy_name" "$found"',
        "else",
        '  aws iam create-policy --policy-name "$policy_name" --policy-document "$policy" \\',
        '    --tags "$tags" >/dev/null',
        '  say "Created policy $policy_arn"',
        "fi",
        "",
        "# Steps 2 and 3: the role, made at once with its final trust policy",
        'if aws iam get-role --role-name "$role_name" >/dev/null 2>&1; then',
        '  found=$(aws iam get-role --role-name "$role_name" \\',
        '    --query "$trust_as_asked" --output json)',
        '  same "trust policy of role $role_name" "$found"',
        "else",
        f"  aws iam create-role {' '.join(created)} >/dev/null",
        '  say "Created role $role_name"',
        "fi",
        'aws iam attach-role-policy --role-name "$role_name" --policy-arn "$policy_arn"',
        'role_arn=$(aws iam get-role --role-name "$role_name" --query Role.Arn --output text)',
        "",
        "# Step 4",
        comment(principal_steps(plan), "#").rstrip(),
        'say "Allowed Principals: add $role_arn"',
        "",
        "# Step 5: the SQL",
    ]
    for connector, text in plan.sql:
        lines += [f"# {connector}", f"say {_with_role(text)}"]
    return "\n".join(lines) + "\n"


_FUNCTIONS = """say() {
  printf '%s\\n' "$1"
}

same() {
  if [ "$2" = true ]; then
    say "Unchanged: $1"
  else
    say "error: the $1 is there with another document; nothing was changed" >&2
    exit 1
  fi
}"""


def _literal(document: Mapping[str, Any]) -> str:
    """Write a document as a literal of JMESPath, in which equality does not ask for an order.

    Source: JMESPath specification, "Literal Expressions" and "Comparison Operators".
    """
    return "`" + json.dumps(document, ensure_ascii=False).replace("`", "\\`") + "`"


def _tags(plan: ExportPlan) -> list[dict[str, Any]]:
    return [{"Key": key, "Value": text} for key, text in plan.tags(TOOL).items()]


def _with_role(text: str) -> str:
    """Quote a text in which the role's ARN is filled in by the shell."""
    return '"$role_arn"'.join(shlex.quote(part) for part in text.split(ROLE_ARN))


def shell(plan: ExportPlan) -> dict[str, str]:
    """Return the script's file for one target."""
    return {"set_up.sh": script(plan)}
