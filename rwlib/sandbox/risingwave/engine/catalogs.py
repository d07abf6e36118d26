"""The system catalogs under ``rw_catalog``, as far as somebody asks for them here."""

from __future__ import annotations

import json
from typing import Any

from rwlib.sandbox.risingwave.engine.kinds import long_name
from rwlib.sandbox.risingwave.engine.objects import Database, Relation

Catalog = tuple[str, str, list[str], list[list[Any]]]
"""Schema, name, columns and rows."""

_TYPES = {
    **{16: "bool", 17: "bytea", 20: "int8", 21: "int2", 23: "int4", 25: "text", 700: "float4"},
    **{701: "float8", 1043: "varchar", 1082: "date", 1083: "time", 1114: "timestamp"},
    **{1184: "timestamptz", 1186: "interval", 1700: "numeric", 3802: "jsonb"},
}
_CLASSES = {"table": "r", "source": "x", "materialized view": "m"}


def catalogs(database: Database) -> list[Catalog]:
    """Give each catalog's columns and rows."""
    own = [("rw_catalog", name, *found) for name, found in _own(database).items()]
    return [*own, *_of_postgres(database)]


def _of_postgres(database: Database) -> list[Catalog]:
    """Give what Postgres clients ask for when they connect, and to list tables."""
    relations = database.relations.values()
    types = [[oid, name, 0, ",", 11, 0, "b"] for oid, name in _TYPES.items()]
    classes = [
        [found.object_id, found.name, 2, 1, _CLASSES.get(found.kind, "r")] for found in relations
    ]
    classes += [[found.object_id, found.name, 2, 1, "x"] for found in database.sinks.values()]
    columns = [
        [database.name, "public", relation.name, name, number, long_name(kind), None, "YES"]
        for relation in relations
        for number, (name, kind) in enumerate(relation.columns, 1)
    ]
    tables = [
        [database.name, "public", found.name, found.kind.upper().replace("TABLE", "BASE TABLE")]
        for found in relations
    ]
    spaces = [[1, "pg_catalog", 1], [2, "public", 1], [3, "rw_catalog", 1]]
    place = ["table_catalog", "table_schema", "table_name"]
    return [
        (
            "pg_catalog",
            "pg_type",
            ["oid", "typname", "typarray", "typdelim", "typnamespace", "typelem", "typtype"],
            types,
        ),
        ("pg_catalog", "pg_namespace", ["oid", "nspname", "nspowner"], spaces),
        (
            "pg_catalog",
            "pg_class",
            ["oid", "relname", "relnamespace", "relowner", "relkind"],
            classes,
        ),
        ("pg_catalog", "pg_database", ["oid", "datname"], [[1, database.name]]),
        *(
            (
                "pg_catalog",
                f"pg_{what}s",
                ["schemaname", f"{what}name", f"{what}owner"],
                [["public", found.name, "root"] for found in relations if found.kind == kind],
            )
            for what, kind in (
                ("table", "table"),
                ("view", "view"),
                ("matview", "materialized view"),
            )
        ),
        (
            "rw_catalog",
            "rw_relations",
            ["id", "name", "relation_type", "schema_id", "owner"],
            [[found.object_id, found.name, found.kind, 2, 1] for found in relations],
        ),
        ("rw_catalog", "rw_schemas", ["id", "name", "owner"], spaces),
        ("information_schema", "tables", [*place, "table_type"], tables),
        (
            "information_schema",
            "columns",
            [
                *place,
                "column_name",
                "ordinal_position",
                "data_type",
                "column_default",
                "is_nullable",
            ],
            columns,
        ),
    ]


def _own(database: Database) -> dict[str, tuple[list[str], list[list[Any]]]]:
    sinks = database.sinks.values()
    relations = database.relations.values()
    shared = ["id", "name", "schema_id", "owner", "connector", "definition", "connector_props"]
    return {
        "rw_sinks": (
            [*shared, "sink_type", "format_encode_options", "created_at", "background_ddl"],
            [
                [
                    *(sink.object_id, sink.name, 2, 1, sink.connector.upper(), sink.definition),
                    *(json.dumps(sink.shown_options), sink.sink_type.upper().replace("-", "_")),
                    json.dumps({"format": sink.format, "encode": sink.encode}),
                    *(sink.created_at, False),
                ]
                for sink in sinks
            ],
        ),
        "rw_sources": (
            shared,
            [_relation_row(found) for found in relations if found.connector],
        ),
        "rw_tables": (
            shared,
            [_relation_row(found) for found in relations if found.kind == "table"],
        ),
        "rw_materialized_views": (
            shared,
            [_relation_row(found) for found in relations if found.kind == "materialized view"],
        ),
        "rw_connections": (
            ["id", "name", "type_", "connection_params"],
            [[number, name, "ICEBERG", ""] for number, name in enumerate(database.connections, 1)],
        ),
        "rw_secrets": (
            ["id", "name", "owner"],
            [[number, name, 1] for number, name in enumerate(database.secrets, 1)],
        ),
        "rw_sink_decouple": (
            ["sink_id", "is_decouple", "watermark_vnode_count"],
            [[sink.object_id, True, 256] for sink in sinks],
        ),
        "rw_event_logs": (
            ["unique_id", "timestamp", "event_type", "info"],
            [
                [event.unique_id, event.timestamp, event.event_type, json.dumps(event.info)]
                for event in database.events
            ],
        ),
    }


def _relation_row(relation: Relation) -> list[Any]:
    return [
        *(relation.object_id, relation.name, 2, 1, relation.connector.upper()),
        *(relation.definition, json.dumps(relation.shown_options)),
    ]
