"""Iceberg sinks, sources, connections and engine tables, as far as their calls to AWS go.

Which client calls with which identity is the table of ``connector_common/iceberg/mod.rs``: the
Rust client reads and writes data and manifests (session ``reqsign``), Java catalogs the metadata
(``risingwave-s3``, ``iceberg-aws-…``) and the Glue API (``risingwave-glue``). Catalog servers
other than Glue are outside AWS, and play no part here but to remember where the metadata is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

from rwlib.sandbox.risingwave.engine.credentials import CredentialError
from rwlib.sandbox.risingwave.engine.iceberg_errors import (
    IcebergError,
    file_error,
    glue_error,
    java_error,
    sdk_text,
)
from rwlib.sandbox.risingwave.engine.iceberg_files import (
    Table,
    append,
    key_of,
    new_table_content,
    read_table,
    rows_of,
)
from rwlib.sandbox.risingwave.engine.objects import Database, Row
from rwlib.sandbox.risingwave.engine.opendal import OpendalError, OpenDalOperator
from rwlib.sandbox.risingwave.engine.platform import Options, Platform, is_on, static_keys
from rwlib.sandbox.risingwave.engine.signed import Keys, Reply
from rwlib.sandbox.risingwave.engine.typed_files import Columns
from rwlib.sql import iceberg_catalogs


class Warehouse:
    """One table of one warehouse, reached as a statement's options say."""

    def __init__(self, platform: Platform, options: Options, database: Database) -> None:
        self._platform = platform
        self._options = options
        self._database = database
        self.catalog = options.get("catalog.type", "storage").lower()
        if is_on(options, "hosted_catalog"):
            self.catalog = "jdbc"
        region_name = options.get("s3.region", "")
        if not region_name:
            raise IcebergError(
                "Unexpected => IO operation failed, source",
                "ConfigInvalid (permanent) at Builder::build, context: { service: s3 } => region "
                "is missing. Please find it by S3::detect_region() or set them in env.",
            )
        rest = options.get("warehouse.path", "").partition("://")[2]
        self.bucket, _, self.prefix = rest.partition("/")
        self.region_name = region_name
        self.table_name = options.get("table.name", "")
        self.database_name = options.get("database.name", "")
        self._in_glue: dict[str, Any] = {}
        self.data = self._operator("reqsign", with_role=not self.ignores_role)
        self.java = self._java_operator()

    @property
    def ignores_role(self) -> bool:
        """Whether the catalog type leaves ``s3.iam_role_arn`` aside."""
        catalog = iceberg_catalogs().get(self.catalog, {})
        return catalog.get("role") == "ignored" or is_on(self._options, "vended_credentials")

    @property
    def _served(self) -> bool:
        """Whether the catalog's server, which is not in the sandbox, keeps the metadata file."""
        return self.catalog in ("rest", "rest_rust")

    @property
    def place(self) -> str:
        """The path of the table in the bucket, without a slash at the end."""
        parts = [self.prefix.strip("/"), self.database_name, self.table_name]
        return "/".join(part for part in parts if part)

    def load(self) -> Table | None:
        """Read the table's metadata; ``None`` when there is no such table.

        Raises
        ------
        IcebergError
            The catalog or S3 refuses.
        """
        path = self._pointer()
        if path is None:
            return None
        return read_table(f"s3://{self.bucket}/{path}", self._read_metadata(path))

    def create(self, columns: Columns) -> Table:
        """Create the table with an empty first metadata file."""
        content = new_table_content(columns, f"s3://{self.bucket}/{self.place}")
        path = self._metadata_path(0)
        self._write_metadata(path, content)
        self._set_pointer(path, None)
        return read_table(f"s3://{self.bucket}/{path}", content.encode())

    def commit(
        self,
        table: Table,
        columns: Columns,
        rows: Sequence[Row],
        deleted: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Write data, manifest, manifest list and new metadata, then move the catalog's pointer."""
        append(
            table,
            self.data,
            self._publish,
            columns,
            rows,
            deleted,
            copy_on_write=self._options.get("write_mode") == "copy-on-write",
        )

    def rows(self, table: Table) -> list[Row]:
        """Read the table's current rows."""
        return rows_of(table, self.data)

    def _publish(self, content: str, before: str, location: str) -> str:
        """Write the metadata file of a commit, and point to it."""
        old = key_of(before)
        number = re.match(r"v?(\d+)", old.rpartition("/")[2])
        path = self._metadata_path(
            (int(number[1]) if number else 0) + (self.catalog != "storage"),
            f"{key_of(location).rstrip('/')}/metadata",
        )
        self._write_metadata(path, content)
        self._set_pointer(path, old)
        return f"s3://{self.bucket}/{path}"

    def discard_empty_file(self) -> None:
        """Write and delete the data file of a checkpoint without rows, as the writer does."""
        path = f"{self.place}/data/{uuid4()}.parquet"
        try:
            self.data.write(path, b"")
            self.data.delete([path])
        except OpendalError as error:
            raise file_error(error) from None

    def check(self) -> None:
        """List the warehouse with the base identity, as CREATE CONNECTION does.

        The operator gets neither the role nor ``enable_config_load``
        (``connector_common/connection.rs:216-235``).
        """
        operator = self._operator("reqsign", with_role=False, load_config=True)
        try:
            operator.list(self.prefix.rstrip("/") + "/", first_page=True)
        except OpendalError as error:
            raise IcebergError(*error.causes) from None

    def _operator(
        self, session_name: str, *, with_role: bool, load_config: bool = False
    ) -> OpenDalOperator:
        options = self._options
        identity = self._platform.identity(
            static_keys(options, "s3.access.key", "s3.secret.key"),
            load_config or is_on(options, "enable_config_load"),
            options.get("s3.iam_role_arn", "") if with_role else "",
        )
        return OpenDalOperator(
            self._platform.aws, identity, self.bucket, self.region_name, session_name
        )

    def _java_operator(self) -> OpenDalOperator | None:
        """Give the client that reads metadata, where Java does it and S3 holds it."""
        if self.catalog == "glue":
            return self._operator("risingwave-s3", with_role=True)
        if self.catalog == "jdbc":
            return self._operator(f"iceberg-aws-{uuid4()}", with_role=True)
        if self.catalog in ("hive", "snowflake"):
            return self._operator("reqsign", with_role=False, load_config=True)
        return None

    def _metadata_path(self, version: int, folder: str = "") -> str:
        name = f"v{version + 1}" if self.catalog == "storage" else f"{version:05}-{uuid4()}"
        return f"{folder or self.place + '/metadata'}/{name}.metadata.json"

    def _read_metadata(self, path: str) -> bytes:
        if self._served:
            return self._database.iceberg_tables[path].encode()
        operator = self.java or self.data
        try:
            return operator.read(path)
        except OpendalError as error:
            raise java_error(error) if self.java else file_error(error) from None

    def _write_metadata(self, path: str, content: str) -> None:
        if self._served:
            self._database.iceberg_tables[path] = content
            return
        operator = self.java or self.data
        try:
            operator.write(path, content.encode())
        except OpendalError as error:
            raise java_error(error) if self.java else file_error(error) from None

    # The catalog's pointer --------------------------------------------------------------------

    def _pointer(self) -> str | None:
        if self.catalog in ("glue", "glue_rust"):
            return self._glue_pointer()
        if self.catalog == "storage":
            return self._hinted_pointer()
        return self._database.iceberg_tables.get(self._key())

    def _set_pointer(self, path: str, old: str | None) -> None:
        if self.catalog in ("glue", "glue_rust"):
            self._set_glue_pointer(path, old)
        elif self.catalog == "storage":
            try:
                version = path.rpartition("/v")[2].partition(".")[0]
                self.data.write(f"{self.place}/metadata/version-hint.text", version.encode())
            except OpendalError as error:
                raise file_error(error) from None
        else:
            self._database.iceberg_tables[self._key()] = path

    def _key(self) -> str:
        where = self._options.get("catalog.uri", self._options.get("catalog.name", ""))
        return f"{self.catalog}|{where}|{self.place}"

    def _hinted_pointer(self) -> str | None:
        try:
            hint = self.data.read(f"{self.place}/metadata/version-hint.text").decode()
        except OpendalError as error:
            if error.kind == "NotFound":
                return None
            raise file_error(error) from None
        return f"{self.place}/metadata/v{hint.strip()}.metadata.json"

    def _glue_pointer(self) -> str | None:
        reply = self._glue(
            "GetTable", {"DatabaseName": self.database_name, "Name": self.table_name}
        )
        if not reply.ok:
            if "EntityNotFoundException" in reply.text:
                return None
            raise glue_error(reply)
        self._in_glue = json.loads(reply.body or b"{}").get("Table", {})
        location = str(self._in_glue.get("Parameters", {}).get("metadata_location", ""))
        return location.partition(f"s3://{self.bucket}/")[2] or None

    def _set_glue_pointer(self, path: str, old: str | None) -> None:
        kept = {
            name: value
            for name, value in self._in_glue.items()
            if old and name in ("Description", "Owner", "PartitionKeys", "StorageDescriptor")
        }
        table = {
            "StorageDescriptor": {"Location": f"s3://{self.bucket}/{self.place}"},
            **kept,
            "Name": self.table_name,
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {
                **(self._in_glue.get("Parameters", {}) if old else {}),
                "table_type": "ICEBERG",
                "metadata_location": f"s3://{self.bucket}/{path}",
                **({"previous_metadata_location": f"s3://{self.bucket}/{old}"} if old else {}),
            },
        }
        if old is None:
            found = self._glue("GetDatabase", {"Name": self.database_name})
            if not found.ok and "EntityNotFoundException" in found.text:
                found = self._glue(
                    "CreateDatabase", {"DatabaseInput": {"Name": self.database_name}}
                )
            if not found.ok:
                raise glue_error(found)
        action = "UpdateTable" if old else "CreateTable"
        reply = self._glue(action, {"DatabaseName": self.database_name, "TableInput": table})
        if not reply.ok:
            raise glue_error(reply)

    def _glue(self, action: str, content: dict[str, Any]) -> Reply:
        region_name = self._options.get("glue.region", self.region_name)
        if "glue.id" in self._options:
            content = {"CatalogId": self._options["glue.id"], **content}
        return self._platform.aws.send(
            self._glue_keys(region_name),
            "glue",
            region_name,
            "POST",
            headers={
                "Content-Type": "application/x-amz-json-1.1",
                "X-Amz-Target": f"AWSGlue.{action}",
            },
            body=json.dumps(content).encode(),
        )

    def _glue_keys(self, region_name: str) -> Keys:
        """Give the Glue API's identity: ``glue.iam_role_arn`` or the base one, never the S3 role.

        ``mod.rs:1110-1172``; glue_rust has no role for Glue at all (``mod.rs:715-759``).
        """
        role_arn = self._options.get("glue.iam_role_arn", "") if self.catalog == "glue" else ""
        identity = self._platform.identity(
            static_keys(self._options, "glue.access.key", "glue.secret.key"),
            is_on(self._options, "enable_config_load"),
            role_arn,
        )
        try:
            return identity.keys(self._platform.aws, region_name, "risingwave-glue")
        except CredentialError as error:
            raise IcebergError("Failed to load iceberg table.", sdk_text(str(error))) from None
