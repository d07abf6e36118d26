"""A POSIX shell script with the AWS CLI: looks before it makes anything, safe to run again."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rwlib.export.plan import ROLE_ARN, ExportPlan
from rwlib.export.words import comment, principal_steps, said_of
from rwlib.steps import MANAGED_BY

TOOL = "aws-cli"
# Single quotes are meant: nothing in a value is filled in. Before the first command it is for all.
AS_IT_STANDS = "# shellcheck disable=SC2016\n"
_AGAIN = "Safe to run again: it looks before it writes, and changes only what the export saw."


def script(plans: Sequence[ExportPlan]) -> str:
    """Return the script of one target or of several.

    It looks at everything, then creates what is not there, and brings what is still as it was at
    the export to what Steps 1-3 would make of it. Where something is different from both, the
    script ends with 1 and a sentence before it writes: it never writes over what the export did
    not see. A target of another account than that of the credentials is passed over.
    """
    what = (
        f"The IAM role that RisingWave Cloud assumes for {plans[0].target.name}."
        if len(plans) == 1
        else "The IAM roles that RisingWave Cloud assumes, one target after the other."
    )
    head = [
        "#!/bin/sh\n",
        comment(what, "#"),
        comment(_AGAIN, "#"),
        comment(said_of(*plans), "#"),
        AS_IT_STANDS,
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
    target, found = plan.target, plan.existing
    words = {
        "account_id": plan.account_id,
        "role_name": target.role_name,
        "role_path": plan.role_path,
        "duration": str(plan.max_session_duration),
        "boundary": plan.permissions_boundary_arn,
        "policy_name": target.policy_name,
        "policy": json.dumps(plan.policy, indent=2),
        "trust": json.dumps(plan.trust, indent=2),
        "tags": json.dumps(tag_list(plan.role_tags(TOOL))),
        "policy_tags": json.dumps(tag_list(plan.policy_tags(TOOL))),
        "compare_policy": _compared(
            "PolicyVersion.Document",
            plan.policy,
            found.policy_there if found.policy_is_ours else None,
        ),
        "compare_trust": _compared("Role.AssumeRolePolicyDocument", plan.trust, found.trust_there),
        "compare_settings": _compared(
            "[Role.MaxSessionDuration, Role.PermissionsBoundary.PermissionsBoundaryArn || '']",
            [plan.max_session_duration, plan.permissions_boundary_arn],
            [found.max_session_duration, found.permissions_boundary_arn]
            if found.role_name
            else None,
        ),
        "old_version": found.version_in_the_way,
        **_more_tags("role", "Role", _tags_to_add(plan)),
        "stale_role_tags": json.dumps(found.stale_marks) if found.stale_marks else "",
        "compare_stale_tags": _count_of(found.stale_marks),
        **_more_tags("policy", "Policy", target.tags if found.policy_is_ours else {}),
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
    name = "role_arn"
    if plan.has_quote:
        name = "role_in_sql"
        lines += ["# A quote is two in SQL", f'{name}=$(say "$role_arn" | sed "s/\'/\'\'/g")']
    for connector, text in plan.sql:
        lines += [f"# Step 5: the SQL of {connector}", f"say {_with_role(text, name)}"]
    return "\n".join([*lines, "fi"]) + "\n"


# Names may begin with a hyphen, which only `--name=value` does not take for an option.
_FUNCTIONS = r"""say() {
  printf '%s\n' "$1"
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

# Ends the script where a thing is neither as asked for nor as the export saw it.
known() {
  if [ "$2" = other ]; then
    say "error: the $1 is there with another $3; nothing was changed" >&2
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

  # What is there; all of it is looked at before anything is written
  policy_arn="arn:aws:iam::$account:policy/$policy_name"
  policy_is=missing
  if there aws iam get-policy --policy-arn "$policy_arn"; then
    version=$(aws iam get-policy --policy-arn "$policy_arn" \
      --query Policy.DefaultVersionId --output text)
    policy_is=$(aws iam get-policy-version --policy-arn "$policy_arn" \
      --version-id "$version" --query "$compare_policy" --output text)
    known "policy $policy_name" "$policy_is" document
  fi
  trust_is=missing
  if there aws iam get-role --role-name="$role_name"; then
    trust_is=$(aws iam get-role --role-name="$role_name" \
      --query "$compare_trust" --output text)
    known "trust policy of role $role_name" "$trust_is" document
    settings_are=$(aws iam get-role --role-name="$role_name" \
      --query "$compare_settings" --output text)
    known "role $role_name" "$settings_are" "permissions boundary or session duration"
  fi

  # Step 1: the policy
  if [ "$policy_is" = missing ]; then
    aws iam create-policy --policy-name="$policy_name" --policy-document "$policy" \
      --tags "$policy_tags" >/dev/null
    aws iam wait policy-exists --policy-arn "$policy_arn"
    say "Created policy $policy_arn"
  elif [ "$policy_is" = seen ]; then
    if [ -n "$old_version" ]; then
      found=$(aws iam list-policy-versions --policy-arn "$policy_arn" \
        --query "length(Versions) > \`4\` && Versions[?VersionId=='$old_version' && \
          !IsDefaultVersion] && 'full' || 'room'" --output text)
      if [ "$found" = full ]; then
        aws iam delete-policy-version --policy-arn "$policy_arn" --version-id "$old_version"
        say "Deleted version $old_version of policy $policy_name, the oldest of five"
      fi
    fi
    aws iam create-policy-version --policy-arn "$policy_arn" --policy-document "$policy" \
      --set-as-default >/dev/null
    say "Updated policy $policy_name"
  else
    say "Unchanged: policy $policy_name"
  fi
  if [ "$policy_is" != missing ] && [ -n "$more_policy_tags" ]; then
    found=$(aws iam get-policy --policy-arn "$policy_arn" \
      --query "$compare_policy_tags" --output json)
    if [ "$found" != true ]; then
      aws iam tag-policy --policy-arn "$policy_arn" --tags "$more_policy_tags"
      say "Tagged policy $policy_name"
    fi
  fi

  # Steps 2 and 3: the role, made at once with its final trust policy
  if [ "$trust_is" = missing ]; then
    set -- --path "$role_path" --max-session-duration "$duration"
    if [ -n "$boundary" ]; then
      set -- "$@" --permissions-boundary "$boundary"
    fi
    aws iam create-role --role-name="$role_name" --assume-role-policy-document "$trust" \
      --tags "$tags" "$@" >/dev/null
    aws iam wait role-exists --role-name="$role_name"
    say "Created role $role_name"
  else
    if [ "$settings_are" = seen ]; then
      aws iam update-role --role-name="$role_name" --max-session-duration "$duration" >/dev/null
      if [ -n "$boundary" ]; then
        aws iam put-role-permissions-boundary --role-name="$role_name" \
          --permissions-boundary "$boundary"
      fi
      say "Updated role $role_name"
    fi
    if [ "$trust_is" = seen ]; then
      aws iam update-assume-role-policy --role-name="$role_name" --policy-document "$trust"
      say "Updated the trust policy of role $role_name"
    else
      say "Unchanged: trust policy of role $role_name"
    fi
    if [ -n "$more_role_tags" ]; then
      found=$(aws iam get-role --role-name="$role_name" \
        --query "$compare_role_tags" --output json)
      if [ "$found" != true ]; then
        aws iam tag-role --role-name="$role_name" --tags "$more_role_tags"
        say "Tagged role $role_name"
      fi
    fi
    if [ -n "$stale_role_tags" ]; then
      found=$(aws iam get-role --role-name="$role_name" \
        --query "$compare_stale_tags" --output json)
      if [ "$found" != 0 ]; then
        aws iam untag-role --role-name="$role_name" --tag-keys "$stale_role_tags"
        say "Untagged role $role_name"
      fi
    fi
  fi

  # Step 2: the attachment
  found=$(aws iam list-attached-role-policies --role-name="$role_name" \
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


def _compared(what: str, asked: Any, seen: Any) -> str:
    """Return the question whether a thing is as asked for, as the export saw it, or ``other``."""
    known = [f"{what} == {_literal(asked)} && 'asked'"]
    if seen is not None:
        known.append(f"{what} == {_literal(seen)} && 'seen'")
    return " || ".join([*known, "'other'"])


def _tags_to_add(plan: ExportPlan) -> dict[str, str]:
    """Return what a role that is there is tagged with: as a run does it, or with who manages it."""
    found = plan.existing
    if found.role_is_ours:
        return found.role_marks
    room = MANAGED_BY in plan.role_tags(TOOL)
    return {MANAGED_BY: TOOL} if found.role_is_foreign and not found.role_manager and room else {}


def _more_tags(what: str, member: str, tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags to add and the question whether they are all there; both empty for none."""
    listed = tag_list(tags)
    there = f"({member}.Tags || `[]`)[?contains({_literal(listed)}, @)]"
    return {
        f"more_{what}_tags": json.dumps(listed) if listed else "",
        f"compare_{what}_tags": f"length({there}) == `{len(listed)}`" if listed else "",
    }


def _count_of(keys: Sequence[str]) -> str:
    """Return the question how many tags of these keys a role has; empty for no keys."""
    return f"length((Role.Tags || `[]`)[?contains({_literal(keys)}, Key)])" if keys else ""


def _literal(document: Any) -> str:
    """Write a value as a literal of JMESPath, in which equality does not ask for an order.

    Source: JMESPath specification, "Literal Expressions" and "Comparison Operators".
    """
    return "`" + json.dumps(document).replace("`", "\\`") + "`"


def tag_list(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags in the shape of AWS's API."""
    return [{"Key": key, "Value": text} for key, text in tags.items()]


def _with_role(text: str, name: str) -> str:
    """Quote a text in which the role's ARN is filled in by the shell, from a variable."""
    return f'"${name}"'.join(shlex.quote(part) for part in text.split(ROLE_ARN))


def shell(plan: ExportPlan) -> dict[str, str]:
    """Return the script's file for one target."""
    return shell_for_many([plan])


def shell_for_many(plans: Sequence[ExportPlan]) -> dict[str, str]:
    """Return one script for all targets."""
    return {"set_up.sh": script(plans)}
