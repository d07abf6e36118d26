"""The form: fields seeded from the parameters, checked as they are edited.

Choices are read from the accounts where that is allowed; what was detected is shown as detected
and can be typed over.
"""

from __future__ import annotations

import html
import re
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets

from rwlib.errors import InputError, RunbookError
from rwlib.target import Target, field_problems
from rwlib.widgets import choices
from rwlib.widgets.fields import Field, label_of
from rwlib.widgets.panel import Panel, fill, page, style
from rwlib.widgets.stopping import WaitLine, put_below, take_out

if TYPE_CHECKING:
    from rwlib.aws import Aws

# Who asks, and what was not given, decide what can be read.
_SESSION = ("aws_profile", "operator_role_arn")
_LAST_IDENTITY = "cluster_identity"
STOPPED = "Stopped before everything about it was read; type it once more to have it looked at"


class TargetForm(Panel):
    """A form for a target: some fields at once, all others behind a button.

    Parameters
    ----------
    values
        A target's values.
    fields
        Names of the fields to show, in their order.
    on_edit
        Called with the values after each edit.
    folded
        Show one line with an Edit button for as long as the values are right.
    account
        Opens the session of a profile and of an operator role; `open_account` by default.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        fields: tuple[str, ...],
        *,
        guided: bool = True,
        on_edit: Callable[[dict[str, Any]], None] | None = None,
        folded: bool = False,
        account: Callable[[str, str], Aws] | None = None,
    ) -> None:
        super().__init__(guided=guided)
        self._open = account or open_account
        self.folded = folded
        self._values = dict(values)
        self._on_edit = on_edit
        self._aws: tuple[tuple[str, ...], Aws | None, str] | None = None
        self._fetched: dict[str, str] = {}
        self._found_wrong: dict[str, RunbookError | str] = {}
        self.errors: dict[str, InputError] = {}
        rest = tuple(name for name in Target.model_fields if name not in (*fields, "apply"))
        shown = (*fields, *rest) if guided else ()
        self.fields = {name: Field(name, self._values.get(name), self._edited) for name in shown}
        self.first = fields
        self.edited_at = 0.0
        self._line = WaitLine()
        if guided:
            self._lay_out(fields, rest)
            self.offer_choices()
        self.check()

    @property
    def values(self) -> dict[str, Any]:
        """The target's values as they stand in the form."""
        return dict(self._values)

    def set(self, **values: Any) -> None:
        """Put values into fields, as typing would."""
        for name, value in values.items():
            self.fields[name].value = value

    def replace(self, values: Mapping[str, Any]) -> None:
        """Show another target's values, as after a change of the account."""
        self._values = dict(values)
        self._found_wrong.clear()
        self._fetched.clear()
        for name, field in self.fields.items():
            default = Target.model_fields[name].get_default(call_default_factory=True)
            field.put(self._values.get(name, default))
        self.offer_choices()
        self.check()

    def begin_again(self, values: Mapping[str, Any]) -> None:
        """Show these values, and ask the accounts again what can be chosen."""
        self._aws = None
        self.replace(values)

    def check(self) -> dict[str, InputError]:
        """Say under every field what is wrong with it; makes no call."""
        self.errors = field_problems(self._values)
        for name, field in self.fields.items():
            field.complain(self.errors.get(name) or self._found_wrong.get(name))
        self._refresh_twin()
        if self.guided:
            self._fold()
        return self.errors

    def blame(self, name: str, problem: RunbookError | str) -> None:
        """Say under a field what AWS or RisingWave Cloud finds wrong with it."""
        self._found_wrong[name] = problem
        if name in self.fields:
            self.fields[name].complain(problem)
            if name not in self.first:
                self.more.value = True
            self._fold()

    def offer_choices(self) -> None:
        """Read what can be chosen, from the accounts and from this machine."""
        aws, why = self._session()
        # Whoever asks is chosen in one of these: what keeps them from asking is said there.
        asked = next((name for name in reversed(_SESSION) if self._values.get(name)), "")
        if aws is None and asked:
            self._found_wrong[asked] = why
        self._offer("aws_profile", choices.profile_choices)
        self._offer("cluster_id", choices.cluster_choices)
        for name, read in (
            ("bucket", choices.bucket_choices),
            ("role_name", choices.role_choices),
        ):
            if name in self.fields:
                found = read(aws) if aws else choices.Choices(why_not=why)
                self.fields[name].offer(found)
                # Without a list to pick from, asking AWS at every key would ask for half names.
                self.fields[name].ask_while_typing(bool(found.options))
        self._look_at_cluster()
        self._look_at_bucket()
        self._look_at_role()

    def offer_roles_again(self) -> None:
        """Read the roles anew: one was made or taken away."""
        aws, _ = self._session()
        if aws is not None and "role_name" in self.fields:
            aws.forget("roles")
            self.fields["role_name"].offer(choices.role_choices(aws))
            self._look_at_role()

    def _offer(self, name: str, read: Callable[[], choices.Choices]) -> None:
        if name in self.fields:
            self.fields[name].offer(read())

    def _lay_out(self, fields: tuple[str, ...], rest: tuple[str, ...]) -> None:
        """Lay the form out; fields are made when somebody is to see them."""
        self.more = ipywidgets.ToggleButton(
            description=f"Show {len(rest)} more inputs", value=False
        )
        others = ipywidgets.VBox()
        others.layout.display = "none"

        def toggle(change: Any) -> None:
            others.children = [self.fields[name].box for name in rest]
            others.layout.display = "" if change["new"] else "none"
            verb = "Hide" if change["new"] else "Show"
            self.more.description = f"{verb} {len(rest)} more inputs"

        def unfold() -> None:
            first = [self.fields[name].box for name in fields]
            self.unfolded.children = [*first, *([self.more, others] if rest else [])]

        self.more.observe(toggle, names="value")
        self._unfold = unfold
        self.unfolded = ipywidgets.VBox()
        self.box.children = [style(), self.unfolded]
        if self.folded:
            self.line = page()
            self.edit = ipywidgets.ToggleButton(value=False, description="Edit")
            self.edit.observe(self._fold, names="value")
            self.head = ipywidgets.HBox([self.line, self.edit])
            self.box.children = [style(), self.head, self.unfolded]

    def _fold(self, change: Any = None) -> None:
        """Show the line alone where the inputs are right and nobody edits them."""
        wrong = bool(self.errors or self._found_wrong)
        if self.folded:
            if wrong:
                self.edit.value = True  # stays open until somebody folds it
            self.edit.description = "Fold" if self.edit.value else "Edit"
            fill(self.line, f"<p>{html.escape(self.sentence)}</p>")
        shown = not self.folded or self.edit.value
        if shown and not self.unfolded.children:
            self._unfold()
        self.unfolded.layout.display = "" if shown else "none"

    @property
    def sentence(self) -> str:
        """The inputs in one line."""
        values = self._values
        place = "/".join(str(values.get(name) or "") for name in ("bucket", "prefix")).rstrip("/")
        cluster = str(values.get("cluster_id") or "")
        if cluster and "cluster_id" in self.fields:
            options = self.fields["cluster_id"].options
            cluster = options.get(cluster, cluster).partition(" in ")[0]
        connectors = ", ".join(map(str, values.get("connectors") or ()))
        role = values.get("role_name") or Target.model_fields["role_name"].default
        parts = [f"{place or 'no bucket'} → {role}"]
        parts += [f"cluster {cluster}"] if cluster else []
        return ", ".join([*parts, connectors] if connectors else parts)

    def _edited(self, name: str, value: Any) -> None:
        if name == "bucket":
            value = self._split_url(value)
        if self._values.get(name) == value:
            return
        self._values[name] = value
        self._found_wrong.clear()
        self.edited_at = time.monotonic()
        try:
            with self._line.watching(lambda line: put_below(self.box, self.fields[name].box, line)):
                self._read_for(name, value)
                self._tell_edit()
        except KeyboardInterrupt:
            self._found_wrong[name] = STOPPED
            self._tell_edit()
        finally:
            take_out(self.box, self._line.box)

    def _tell_edit(self) -> None:
        self.check()
        if self._on_edit:
            self._on_edit(self.values)

    def _read_for(self, name: str, value: Any) -> None:
        """Read what the new value of a field is shown with."""
        if name in _SESSION:
            self.offer_choices()
        if name == "cluster_id":
            self._look_at_cluster()
        if name == "bucket":
            self._look_at_bucket()
        if name == "workload_identity_arn":
            self._compare_identity()
        if name == "prefix":
            self.fields[name].warn(_wildcards(str(value or "")))
            self._offer_prefixes()
        if name == "role_name":
            self._look_at_role()

    def _split_url(self, value: Any) -> Any:
        """Put a pasted S3 URL into bucket and prefix, and say so."""
        found = re.fullmatch(r"s3a?://([^/]+)/*(.*?)/*", str(value or ""))
        if found is None or "prefix" not in self.fields:
            self.fields["bucket"].warn("")
            return value
        bucket, prefix = found.groups()
        self.fields["bucket"].put(bucket)
        self.fields["bucket"].warn(
            f"{value} was split into bucket {bucket}, prefix {prefix or '(empty: all of it)'}"
        )
        self._values["prefix"] = prefix
        self.fields["prefix"].put(prefix)
        return bucket

    def _session(self) -> tuple[Aws | None, str]:
        """Return the session that the form's values ask for, and why there is none."""
        import os

        profile, operator = (str(self._values.get(name) or "") for name in _SESSION)
        key = (profile, operator, os.environ.get("AWS_ENDPOINT_URL", ""))
        if self._aws is None or self._aws[0] != key:
            try:
                self._aws = (key, self._open(profile, operator), "")
            except RunbookError as error:
                self._aws = (key, None, str(error))
        return self._aws[1], self._aws[2]

    def _look_at_cluster(self) -> None:
        field, cluster = self.fields.get("workload_identity_arn"), self._values.get("cluster_id")
        if field is None or not self.guided:
            return
        arn, why = choices.workload_of(str(cluster)) if cluster else ("", "")
        # Also what was kept since another day is the last cluster's own, and goes with it.
        own = {self._fetched.get(each, "") for each in ("workload_identity_arn", _LAST_IDENTITY)}
        self._fetched[_LAST_IDENTITY] = arn
        typed = self._values.get("workload_identity_arn") or ""
        if arn and (not typed or typed in own):
            self._values["workload_identity_arn"] = arn
            self._fetched["workload_identity_arn"] = arn
            field.put(arn)
        elif not arn and typed and typed in own:
            self._values["workload_identity_arn"] = ""
            field.put("")
        self._compare_identity()
        if "cluster_id" in self.fields:
            self.fields["cluster_id"].tell(why)

    def _compare_identity(self) -> None:
        """Say whether the identity in the field is the chosen cluster's own."""
        arn = self._fetched.get(_LAST_IDENTITY, "")
        typed = str(self._values.get("workload_identity_arn") or "")
        field = self.fields.get("workload_identity_arn")
        if field is None:
            return
        field.tell("the cluster's own, from Cloud metadata" if arn and typed == arn else "")
        field.warn(f"the chosen cluster's own is {arn}" if arn and typed not in ("", arn) else "")

    def _look_at_bucket(self) -> None:
        field = self.fields.get("bucket")
        aws, _ = self._session()
        if field is None or aws is None:
            return
        name = str(self._values.get("bucket") or "")
        offered = field.options
        if (
            not name
            or "bucket" in field_problems(self._values)
            or (offered and name not in offered)
        ):
            why = f"not one of the {len(offered)} buckets of this account" if name else ""
            field.tell(why if offered else "")
            return
        found, why = choices.bucket_facts(aws, name)
        field.tell(f"{found['region_name']}, encrypted with {found['encryption']}" if found else "")
        if why:
            self._found_wrong["bucket"] = why
        for other in ("region_name", "kms_key_arn"):
            if other in self.fields and found.get(other):
                self.fields[other].tell(f"{found[other]}; leave it empty to use that")
        self._fetched["region"] = found.get("region_name", "")
        self._offer_prefixes()

    def _offer_prefixes(self) -> None:
        field = self.fields.get("prefix")
        aws, _ = self._session()
        bucket, region = str(self._values.get("bucket") or ""), self._fetched.get("region", "")
        if field is None or aws is None or not bucket or not region:
            return
        typed = str(self._values.get("prefix") or "")
        field.offer(choices.prefix_choices(aws, bucket, region, typed))

    def _look_at_role(self) -> None:
        field = self.fields.get("role_name")
        if field is None:
            return
        name = self._values.get("role_name")
        exists = name in field.options
        field.tell("it exists and is adopted; what it has is kept" if exists else "")

    def _refresh_twin(self) -> None:
        from rwlib.display import show_facts

        rows = {
            label_of(name): _plain(self._values.get(name), str(self.errors.get(name, "")))
            for name in self.first
        }
        self.show(show_facts(rows))


def open_account(aws_profile: str = "", operator_role_arn: str = "") -> Aws:
    """Open a session before the target is complete; nothing but who asks is taken from it.

    Raises
    ------
    RunbookError
        There are no credentials, or AWS refuses them.
    """
    from rwlib.aws import open_session

    wanted = Target(
        workload_identity_arn="arn:aws:iam::123456789012:role/not-known-yet",
        bucket="not-known-yet",
        connectors=["s3_source"],
        aws_profile=aws_profile,
        operator_role_arn=operator_role_arn,
    )
    aws = open_session(wanted)
    _ = aws.caller_identity
    return aws


def _wildcards(prefix: str) -> str:
    """Say that a prefix has no wildcards, where somebody seems to expect one."""
    if prefix.startswith("arn:") or "://" in prefix:
        return ""
    if "${" in prefix:
        return "${ is taken as part of the keys' names, not as a variable"
    mark = next((each for each in ("*", "?") if each in prefix), "")
    if not mark:
        return ""
    said = f"{mark} is taken as part of the keys' names, not as a wildcard"
    plain = prefix.partition(mark)[0].rpartition("/")[0]
    return f"{said}; everything below {plain} is reached with {plain} alone" if plain else said


def _plain(value: Any, error: str) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")
    if isinstance(value, dict):
        text = ", ".join(f"{key}={item}" for key, item in value.items())
    return f"{text or '(empty)'}{f'  ✗ {error}' if error else ''}"
