"""A connector that no code of this package knows, for one test."""

from __future__ import annotations

from pathlib import Path

import rwlib.connectors as connectors
import rwlib.sql.connectors as sql_connectors

GLACIER_LOG = """\
# A sink that nobody has written: it lists, stages below a folder of its own and tags what it wrote.
title: Glacier log sink
connector: glacier_log
place: 8
label: Sink to a glacier (glacier_log)
needs:
  - {action: s3:ListBucket}
  - {action: s3:PutObject}
  - {action: s3:PutObjectTagging}
  - {action: s3:GetBucketLocation}
  - {action: s3:DeleteObject, only: staging}
requests:
  - {id: stage, action: s3:PutObject, key: staging/part-0.ice}
  - {id: tag, action: s3:PutObjectTagging, key: part-0.ice}
  - {id: look, action: s3:ListBucket, key: staging/}
  - {id: where, action: s3:GetBucketLocation}
  - {id: clean, action: s3:DeleteObject, key: staging/part-0.ice}
folder_option: glacier.name
example_folder: aletsch
example: {glacier.name: aletsch}
kind: sink
source: risingwavelabs/risingwave@0000000
since: v3.0.0
s3_at_create: false
role_options: [glacier.role_arn]
region_option: glacier.region
bucket_option: glacier.bucket
path_option: glacier.path
types: [append-only]
format_encode: {rule: forbidden, src: "nowhere"}
notes: []
options:
  type: {type: string, required: true, src: "nowhere"}
  glacier.name: {type: string, required: true, placeholder: "<your-glacier>", src: "nowhere"}
  glacier.role_arn: {type: string, src: "nowhere"}
  glacier.region: {type: string, required: true, src: "nowhere"}
  glacier.bucket: {type: string, required: true, src: "nowhere"}
  glacier.path: {type: string, src: "nowhere"}
  enable_config_load: {type: boolean, default: "false", src: "nowhere"}
  force_append_only: {type: boolean, src: "nowhere"}
"""


def forget_connectors() -> None:
    """Let the files be read again."""
    for each in (
        connectors.connector_names,
        connectors.connector_files,
        connectors.connector_data,
        connectors.connector_profile,
        sql_connectors.load_connector,
    ):
        each.cache_clear()


def add_connector(folder: Path, name: str, text: str) -> None:
    """Put a connector's file beside copies of all others."""
    for path in connectors._FOLDER.glob("*.yaml"):
        (folder / path.name).write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")
