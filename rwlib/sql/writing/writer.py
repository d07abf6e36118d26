"""Collect the options, secrets and placeholders of one statement, and write it."""

from __future__ import annotations

from dataclasses import dataclass

from rwlib.errors import InputError
from rwlib.sql.connectors import iceberg_catalogs
from rwlib.sql.language.option_values import OptionValue, SecretRef
from rwlib.sql.language.versions import known_version
from rwlib.sql.prefixes import has_wildcards
from rwlib.sql.rules.problems import (
    Definition,
    Expected,
    Given,
    Problem,
    held_for,
    placeholder_in,
)
from rwlib.sql.rules.shape import all_problems
from rwlib.sql.writing.inputs import Inputs, refusal
from rwlib.sql.writing.quoting import identifier, object_name, string_literal
from rwlib.sql.writing.rendering import (
    Statement,
    column_list,
    create_secret,
    new_name,
    plain_name,
    secret_name_for,
    with_clause,
)

# Suffixes that files of an encoding usually have; a match_pattern of the user's own replaces them.
_SUFFIXES = {"CSV": "csv", "JSON": "json", "PARQUET": "parquet"}


@dataclass(frozen=True)
class Location:
    """The role, and where it may go."""

    role_arn: str
    bucket: str
    prefix: str
    region_name: str

    @property
    def expected(self) -> Expected:
        """The same, as what the rules hold a statement against; a placeholder says nothing."""
        role_arn = None if placeholder_in(self.role_arn) else self.role_arn
        region_name = None if placeholder_in(self.region_name) else self.region_name
        return Expected(role_arn, self.bucket, self.prefix, region_name)

    @property
    def directory(self) -> str:
        """The prefix without slashes around it."""
        return self.prefix.strip("/")

    @property
    def url(self) -> str:
        """The prefix as an ``s3://`` URL."""
        return f"s3://{self.bucket}/{self.directory}".rstrip("/")


class Writer:
    """Collects the options, secrets and placeholders of one statement."""

    def __init__(self, inputs: Inputs, where: Location, version: str | None = None) -> None:
        self.inputs = inputs
        self.connector = inputs.connector
        self.where = where
        self.version = version
        self.values: dict[str, OptionValue] = dict(inputs.options)
        self.placeholders: dict[str, str] = {}
        self.secrets: list[Statement] = []
        self.notes: list[str] = []
        self.encode = ""
        self.encode_options: dict[str, str] = {}

    def statements(self) -> list[Statement]:
        """Return the secrets and the statement that uses them."""
        self._choose_encode()
        self._choose_type()
        self._choose_catalog()
        self._fill_required()
        self._fill_access()
        self._refuse_problems()
        return [*self.secrets, self._statement()]

    def _set(self, option: str, value: OptionValue) -> None:
        """Give an option a value unless the user gave one or wants none."""
        if option not in self.inputs.omitted and option not in self.inputs.secrets:
            self.values.setdefault(option, value)

    def _place(self, option: str, value: str) -> None:
        """Set what the runbook itself may not know yet, as in a role before its account."""
        if option not in self.values and option not in self.inputs.omitted:
            self.values[option] = value
            if placeholder_in(value):
                self.placeholders[option] = value

    def _ask(self, option_name: str) -> None:
        """Let a placeholder, or a secret that holds one, stand for a value nobody gave."""
        if option_name in self.values or option_name in self.inputs.omitted:
            return
        option = self.connector.options[option_name]
        value = self.inputs.secrets.get(option_name)
        placeholder = option.placeholder or f"<your-{option_name.replace('.', '-')}>"
        if not option.secret:
            self.values[option_name] = self.placeholders[option_name] = placeholder
            return
        secret_name = secret_name_for(self.inputs.name, option_name)
        self.values[option_name] = SecretRef(object_name(secret_name))
        self.secrets.append(create_secret(secret_name, option, value, placeholder))

    def _choose_encode(self) -> None:
        rule, inputs = self.connector.format_encode, self.inputs
        if rule.rule == "forbidden":
            return
        self.encode = inputs.encode or rule.encodes[0]
        options = dict(inputs.encode_options)
        if "force_append_only" in rule.options:
            force = inputs.force_append_only
            if force is None:
                force = options.get("force_append_only", "true") == "true"
            options["force_append_only"] = "true" if force else "false"
            self.notes.append(
                "Updates and deletes of what the sink reads are dropped: files only grow."
                if force
                else "What the sink reads must be append-only, or RisingWave refuses it."
            )
        elif self.encode == "CSV":
            options = {"without_header": "false", "delimiter": ",", **options}
        elif options:
            raise InputError(
                "sql_options.encode_options", sorted(options), f"are for CSV, not {self.encode}"
            )
        self.encode_options = options

    def _choose_type(self) -> None:
        connector, inputs = self.connector, self.inputs
        if connector.kind == "connection":
            self._set("type", "iceberg")
        if connector.kind != "sink":
            return
        self._set("type", connector.types[0])
        if inputs.force_append_only is not None and "force_append_only" in connector.options:
            self._set("force_append_only", "true" if inputs.force_append_only else "false")
        if inputs.primary_key:
            self._set("primary_key", ",".join(inputs.primary_key))
        if self.values.get("type") == "upsert":
            needed = [
                rule.needs
                for rule in connector.combinations
                if rule.type == "upsert" and self.values.get(rule.unless_on) != "true"
            ]
            for group in (*connector.upsert_needs, *((option,) for option in needed if option)):
                if not any(option in self.values for option in group):
                    self._ask(group[0])
        elif self.values.get("force_append_only") != "true" and not self.encode:
            self.notes.append(
                "What the sink reads must be append-only, or RisingWave refuses it: then give "
                "type: upsert, or force_append_only: true to drop updates and deletes."
            )

    def _choose_catalog(self) -> None:
        connector = self.connector
        if connector.sql_connector != "iceberg":
            return
        if connector.kind == "connection" and "catalog.type" not in self.values:
            self._set("hosted_catalog", "true")
        else:
            self._set("catalog.type", "glue")
        kind = self.values.get("catalog.type")
        entry = iceberg_catalogs().get(kind, {}) if isinstance(kind, str) else {}
        if kind == "glue":
            for option in connector.catalog_role_options:
                self._place(option, self.where.role_arn)
        for option in entry.get("needs", ()):
            self._ask(option)
        if kind == "jdbc" and connector.kind != "sink":
            self._ask("catalog.jdbc.user")
            self._ask("catalog.jdbc.password")
        if note := entry.get("note"):
            self.notes.append(note)
        table = self.values.get("table.name")
        if "database.name" in connector.options and not (isinstance(table, str) and "." in table):
            self._ask("database.name")

    def _fill_required(self) -> None:
        connector = self.connector
        managed = {connector.region_option, connector.bucket_option, connector.path_option}
        for option in connector.options.values():
            wanted = option.required or option.recommended or option.name in self.inputs.secrets
            if wanted and option.name not in managed:
                self._ask(option.name)
        for group in connector.one_of:
            if not any(option in self.values for option in group):
                self._ask(group[0])

    def _fill_access(self) -> None:
        connector, where = self.connector, self.where
        self._place(connector.region_option, where.region_name)
        if connector.bucket_option:
            self._set(connector.bucket_option, where.bucket)
        self._set(connector.path_option, self._path())
        for option in connector.role_options:
            self._place(option, where.role_arn)
        self._set("enable_config_load", "true")
        if self.values.get("enable_config_load") != "true":
            self.notes.append(
                "enable_config_load is off as asked: without it RisingWave does not load the "
                "Workload Identity where the platform honours the option."
            )

    def _path(self) -> str:
        where, option = self.where, self.connector.path_option
        if option == "warehouse.path":
            return where.url
        if option == "s3.path":
            if not where.directory and not self.connector.s3_at_create:
                self.notes.append(
                    "With an empty s3.path the manifest's URLs hold '//': give a prefix if you can."
                )
            slash = "/" if where.directory and self.connector.path_listed_as_written else ""
            return where.directory + slash
        if has_wildcards(where.directory):
            raise InputError(
                "prefix",
                where.prefix,
                "holds *, [, { or \\, which match_pattern takes as a wildcard: RisingWave would "
                "list outside the prefix; use a prefix without them for an S3 source",
            )
        return f"{where.directory}/*.{_SUFFIXES.get(self.encode, '*')}".lstrip("/")

    def _refuse_problems(self) -> None:
        format_ = self.inputs.format or self.connector.format_encode.format
        definition = Definition(
            self.connector,
            {
                name: Given(value, is_placeholder=name in self.placeholders)
                for name, value in self.values.items()
            },
            format=format_ if self.encode else "",
            encode=self.encode,
            encode_options={name: Given(v) for name, v in self.encode_options.items()},
            expected=self.where.expected,
        )
        chosen = known_version(self.version or "")
        for found in all_problems(definition):
            problem = held_for(found, chosen, bool(self.version))
            if problem is None or problem.id == "config_load_missing":
                continue
            if problem.severity == "error":
                raise self._refusal(problem)
            self.notes.append(f"{problem.option} {problem.clause}: {problem.fix}.")

    def _refusal(self, problem: Problem) -> InputError:
        """Return a problem as the error of whoever gave the value: an option, or the target."""
        connector, option = self.connector, problem.option
        fields = {
            connector.region_option: "region_name",
            connector.bucket_option: "bucket",
            connector.path_option: "prefix",
            **dict.fromkeys((*connector.role_options, *connector.catalog_role_options), "role_arn"),
        }
        given = option in self.inputs.options or option in self.inputs.omitted
        if given or option not in fields:
            return refusal(problem)
        return InputError(fields[option], problem.given, f"{problem.clause} ({option})")

    def _statement(self) -> Statement:
        connector, inputs = self.connector, self.inputs
        lines = [f"CREATE {connector.kind.upper()} {new_name(inputs)}"]
        if connector.kind == "sink":
            reads = "AS SELECT * FROM" if self._reads_by_query() else "FROM"
            lines[0] += f" {reads} {self._from()}"
        elif connector.kind in ("source", "table") and connector.sql_connector == "s3":
            columns, asked = column_list(inputs)
            lines[0] += f" {columns}"
            self.placeholders.update(asked)
        lines[0] += f" {with_clause(self._ordered_options())}"
        if self.encode:
            lines.append(f"FORMAT {connector.format_encode.format} ENCODE {self.encode}")
            if self.encode_options:
                listed = (f"{key} = {string_literal(v)}" for key, v in self.encode_options.items())
                lines[-1] += f" ({', '.join(listed)})"
        notes = [*connector.notes, *self.notes]
        if connector.license:
            notes.append(f"Needs a RisingWave license with the feature {connector.license}.")
        sql = "\n".join(lines) + ";"
        return Statement(sql, connector.kind, plain_name(inputs), self.placeholders, tuple(notes))

    def _reads_by_query(self) -> bool:
        """Tell whether ``FROM`` alone would fail on some version, where a query never does."""
        fails = self.connector.append_only_from_fails
        return bool(fails) and self.values.get("type") == "append-only"

    def _from(self) -> str:
        if self.inputs.from_name:
            return object_name(self.inputs.from_name, field="sql_options.from")
        self.placeholders["from"] = "<your-table-or-view>"
        return identifier(self.placeholders["from"])

    def _ordered_options(self) -> dict[str, OptionValue]:
        connector = self.connector
        access = (
            connector.region_option,
            connector.bucket_option,
            connector.path_option,
            *connector.role_options,
            *connector.catalog_role_options,
            "enable_config_load",
        )
        first = () if connector.kind == "connection" else ("connector",)
        declared = (option for option in connector.options if option not in access)
        order = [*first, "type", *(option for option in declared if option != "type"), *access]
        values = {**self.values, "connector": connector.sql_connector}
        return {option: values[option] for option in order if option in values}
