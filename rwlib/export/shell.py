"""A POSIX shell script with the AWS CLI: looks before it makes anything, safe to run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rwlib.export.plan import ROLE_ARN, ExportPlan
from rwlib.export.words import NOT_EXPORTED, comment, principal_steps

TOOL = "aws-cli"


def script(plans: Sequence[ExportPlan]) -> str:
    """Return the script of one target or of several.

    It creates what is not there. A role or policy of that name with another document is left as
    it is, and the script ends with 1 and a sentence: it never writes over anything. A target of
    another account than that of the credentials is passed over.
    """
    what = (
        f"The IAM role that RisingWave Cloud assumes for {plans[0].target.name}."
        if len(plans) == 1
        else "The IAM roles that RisingWave Cloud assumes, one target after the other."
    )
    head = [
        "#!/bin/sh\n",
        comment(what, "#"),
        comment("Safe to run again: it looks before it creates, and changes nothing.", "#"),
        comment(NOT_EXPORTED, "#"),
        "set -eu\n\n",
    ]
    if len(plans) == 1:
        return "".join([*head, _values(plans[0]), "\n", _FUNCTIONS, "\n", _steps(plans[0])])
    parts = [
        part
        for plan in plans
        for part in (
            "\n" + comment(f"Target {plan.target.name}", "#"),
            _values(plan),
            _steps(plan),
        )
    ]
    return "".join([*head, _FUNCTIONS, *parts])


def _values(plan: ExportPlan) -> str:
    """Return the values of one target as assignments.

    JSON stays in ASCII: IAM refuses a document with characters past U+00FF that are not written
    as escapes, and the caller's locale may know none of them.

    Source: IAM API Reference, "CreatePolicy", pattern of PolicyDocument.
    """
    target = plan.target
    words = {
        "account_id": plan.account_id,
        "role_name": target.role_name,
        "role_path": plan.role_path,
        "duration": str(target.max_session_duration),
        "boundary": plan.permissions_boundary_arn,
        "policy_name": target.policy_name,
        "policy": json.dumps(plan.policy, indent=2),
        "trust": json.dumps(plan.trust, indent=2),
        "tags": json.dumps(tag_list(plan.role_tags(TOOL))),
        "policy_tags": json.dumps(tag_list(plan.policy_tags(TOOL))),
        "policy_as_asked": f"PolicyVersion.Document == {_literal(plan.policy)}",
        "trust_as_asked": f"Role.AssumeRolePolicyDocument == {_literal(plan.trust)}",
    }
    return "".join(f"{name}={shlex.quote(text)}\n" for name, text in words.items())


def _steps(plan: ExportPlan) -> str:
    """Return what is done for one target, and what a person does then."""
    lines = [
        "set_up",
        'if [ -n "$role_arn" ]; then',
        "# Step 4: the cluster's Allowed Principals",
        comment(principal_steps(plan), "#").rstrip(),
        'say "Allowed Principals: add $role_arn"',
    ]
    for connector, text in plan.sql:
        lines += [f"# Step 5: the SQL of {connector}", f"say {_with_role(text)}"]
    return "\n".join([*lines, "fi"]) + "\n"


# Names may begin with a hyphen, which only `--name=value` does not take for an option.
_FUNCTIONS = """say() {
  printf '%s\\n' "$1"
}

# Whether AWS shows a thing; ends the script where it says neither.
there() {
  if answer=$("$@" 2>&1); then
    return 0
  fi
  case $answer in
    *"(NoSuchEntity)"*) return 1 ;;
  esac
  say "error: $answer" >&2
  exit 1
}

same() {
  if [ "$2" = true ]; then
    say "Unchanged: $1"
  else
    say "error: the $1 is there with another document; nothing was changed" >&2
    exit 1
  fi
}

set_up() {
  role_arn=
  account=$(aws sts get-caller-identity --query Account --output text)
  if [ -n "$account_id" ] && [ "$account" != "$account_id" ]; then
    say "Passed over: role $role_name is for account $account_id, and this is $account" >&2
    return 0
  fi

  # Step 1: the policy
  policy_arn="arn:aws:iam::$account:policy/$policy_name"
  if there aws iam get-policy --policy-arn "$policy_arn"; then
    version=$(aws iam get-policy --policy-arn "$policy_arn" \\
      --query Policy.DefaultVersionId --output text)
    found=$(aws iam get-policy-version --policy-arn "$policy_arn" \\
      --version-id "$version" --query "$policy_as_asked" --output json)
    same "policy $policy_name" "$found"
  else
    aws iam create-policy --policy-name="$policy_name" --policy-document "$policy" \\
      --tags "$policy_tags" >/dev/null
    aws iam wait policy-exists --policy-arn "$policy_arn"
    say "Created policy $policy_arn"
  fi

  # Steps 2 and 3: the role, made at once with its final trust policy
  if there aws iam get-role --role-name="$role_name"; then
    found=$(aws iam get-role --role-name="$role_name" \\
      --query "$trust_as_asked" --output json)
    same "trust policy of role $role_name" "$found"
  else
    set -- --path "$role_path" --max-session-duration "$duration"
    if [ -n "$boundary" ]; then
      set -- "$@" --permissions-boundary "$boundary"
    fi
    aws iam create-role --role-name="$role_name" --assume-role-policy-document "$trust" \\
      --tags "$tags" "$@" >/dev/null
    aws iam wait role-exists --role-name="$role_name"
    say "Created role $role_name"
  fi

  # Step 2: the attachment
  found=$(aws iam list-attached-role-policies --role-name="$role_name" \\
    --query "AttachedPolicies[?PolicyArn=='$policy_arn'].PolicyName" --output text)
  if [ -n "$found" ]; then
    say "Unchanged: the policy is attached to role $role_name"
  else
    aws iam attach-role-policy --role-name="$role_name" --policy-arn "$policy_arn"
    say "Attached the policy to role $role_name"
  fi
  role_arn=$(aws iam get-role --role-name="$role_name" --query Role.Arn --output text)
}
"""


def _literal(document: Mapping[str, Any]) -> str:
    """Write a document as a literal of JMESPath, in which equality does not ask for an order.

    Source: JMESPath specification, "Literal Expressions" and "Comparison Operators".
    """
    return "`" + json.dumps(document).replace("`", "\\`") + "`"


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the shape of AWS's API."""
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def _with_role(text: str) -> str:
    """Quote a text in which the role's ARN is filled in by the shell."""
    return '"$role_arn"'.join(shlex.quote(part) for part in text.split(ROLE_ARN))


def shell(plan: ExportPlan) -> dict[str, str]:
    """Return the script's file for one target."""
    return shell_for_many([plan])


def shell_for_many(plans: Sequence[ExportPlan]) -> dict[str, str]:
    """Return one script for all targets."""
    return {"set_up.sh": script(plans)}
