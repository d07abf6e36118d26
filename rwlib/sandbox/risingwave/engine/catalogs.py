"""The system catalogs under ``rw_catalog``, as far as somebody asks for them here."""

from __future__ import annotations

import json
from typing import Any

from rwlib.sandbox.risingwave.engine.objects import Database, Relation


def catalogs(database: Database) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Give each catalog's columns and rows."""
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
