"""What RisingWave says of a statement, its options and the connection it came over.

Sources: risingwavelabs/risingwave (``src/connector``, ``src/frontend``, ``src/license``,
``e2e_test``), risingwave-docs (``cloud/connection-errors``). General messages of its
deserialiser need an option's name or RisingWave's frame around them.
"""

from __future__ import annotations

from typing import Final

from rwlib.diagnose.patterns import any_of
from rwlib.diagnose.rules.base import Rule, rule

# An option of a connector as RisingWave spells it.
_OPTION: Final = any_of(
    r"(?:s3|aws|glue|catalog|warehouse|snowflake|jdbc|table|database|schema|intermediate)[._][\w.]+",
    r"(?:write|batch|commit|primary|match|refresh|snapshot|task|auth|auto|enable|create)[._][\w.]+",
    r"(?:sink|private|properties|kinesis|stream|gcs|adls|target|max|rollover|force|with)[._][\w.]+",
    r"connector|type|topic|warehouse|stage|database|schema|username|user|password|endpoint|region",
)
_NAMED: Final = rf"[`'\"]?\b(?:{_OPTION})[`'\"]?"
_FRAME: Final = (
    r"config error|caused by these errors|failed to run the query|WITH clause|SinkError|risingwave",
    r"(?:sink|connector|iceberg) error|failed to validate|ConfigInvalid|\bconnector\b",
    r"failed to create (?:source|sink|table|connection)|create (?:sink|source|table|connection)",
)
_DATA: Final = r"failed to parse (?:json|avro|protobuf)|parse error"

UNSAID: Final[tuple[Rule, ...]] = (
    rule(
        "source_create_failed",
        r"fail(?:ed)? to create (?:the |a )?source\W{1,3}please check (?:your|the) config",
        weak=True,
    ),
)

CONNECTION: Final[tuple[Rule, ...]] = (
    rule(
        "pg_no_sni",
        r"tenant identifier is not specified|failed to get tenant identifier",
        r"tenant identifier (?:is )?(?:missing|required|not found|invalid)",
        r"(?:missing|invalid) tenant identifier",
        unless=(r"from context|ArgumentException|tenantInfo",),
    ),
)

OPTIONS: Final[tuple[Rule, ...]] = (
    rule(
        "config_load_not_permitted",
        r"enable_config_load\b.{0,60}(?:can't|cannot|can not|must not|may not|not) be "
        r"(?:enabled|set|used)",
        r"enable_config_load\b.{0,100}(?:SaaS|not (?:allowed|permitted|supported)|disabled)",
        r"enable_config_load\b.{0,100}(?:forbidden|rejected|ignored)",
        r"(?:not (?:allowed|permitted)|SaaS).{0,80}enable_config_load",
        r"default credentials?.{0,60}(?:disabled|not (?:allowed|permitted)).{0,60}"
        r"(?:environment|cloud)|DISABLE_DEFAULT_CREDENTIAL",
    ),
    rule(
        "secret_required",
        r"is enforced to be a SECRET|please use [`'\"]?CREATE SECRET",
        r"must be (?:given as )?a SECRET\b",
        r"(?:should|must) be (?:provided|specified|set|given|stored) "
        r"(?:as|with|through|via|by|in) (?:a )?SECRET\b",
        needs=(r"secret|RisingWave",),
    ),
    rule(
        "license",
        r"is not available (?:based on your license|due to license error)",
        r"only available for tier \w+|current tier is \w+",
        r"set a license key with|go\.risingwave\.com/premium",
        r"license_key\b.{0,120}(?:invalid|expired|exceed)",
        r"feature \w+.{0,60}(?:requires?|needs) (?:a )?(?:valid |premium |paid )?license",
        r"(?:premium|paid) (?:feature|edition|tier).{0,80}license",
        r"license (?:key )?(?:is|has) (?:expired|invalid|not valid).{0,200}"
        r"(?:risingwave|sink|tier)",
        unless=(r"elasticsearch|x-pack|confluent",),
    ),
    rule(
        "sink_decouple",
        r"sink_decouple enabled|sink_decouple ?= ?(?:true|'true')",
        r"(?:requires?|needs?|only|without|with).{0,60}\bsink[_ ]decoupl\w*",
        r"sink_decouple\b.{0,60}(?:must|required|disabled|is false|not)",
        unless=(r"is_decouple|watermark_vnode|\bINFO\b.{0,200}sink_decouple",),
    ),
    rule(
        "unknown_option",
        r"Unknown fields? in (?:the )?WITH",
        r"(?:unknown|unrecogni[sz]ed) (?:WITH )?(?:option|field|property|properties|parameter|key)"
        r"s?\b.{0,80}(?:WITH|connector|sink|source)",
        r"(?:option|field|property)s? .{0,60}(?:is|are) not (?:recogni[sz]ed|known|supported) "
        r"(?:by|for|in) (?:the |this )?(?:\w+ )?(?:connector|sink|source|WITH)",
    ),
    rule(
        "unknown_option",
        r"unknown field [`'\"][\w.]+[`'\"]",
        r"unexpected (?:option|field|property) [`'\"]",
        needs=(*_FRAME, r"unknown field [`'\"](?:s3|aws|glue|catalog)\."),
    ),
    rule(
        "missing_option",
        # The region, in the words of opendal and of every SDK
        r"region is missing|Missing Region\b|MissingRegion|NoRegionError|must specify a region",
        r"Unable to find a region via|Missing region in config|could not find region configuration",
        r"no region (?:was )?(?:found|specified|configured|set)\b|A region must be set",
        r"region (?:should|must) be (?:provided|set|specified)",
        # RisingWave's own
        r"S3 configuration is required|Either assume_role or access_key",
        r"access_key and secret_key must be provided for Redshift",
        r"Primary key columns? not found|must define the [`'\"]?primary_key",
        r"no authentication configured: set|auth\.method=\w+ requires [`'\"]",
        r"The bucket is misconfigured|bucket is (?:missing|empty|not set)",
    ),
    rule(
        "missing_option",
        rf"missing (?:required )?(?:field|option|property|parameter|value for)s?:? {_NAMED}",
        rf"{_NAMED} (?:is|are) (?:required|missing|mandatory)\b",
        rf"{_NAMED} (?:is|are) not (?:set|provided|specified|given)\b",
        rf"{_NAMED} (?:must|should|needs? to|has to) be "
        r"(?:set|provided|specified|given|defined|present)\b",
        needs=(
            *_FRAME,
            r"[`'\"]?(?:s3|aws|glue|catalog|warehouse|jdbc|intermediate|snowflake|gcs)\.\w",
            r"missing field [`'\"](?:connector|type|topic|stage|\w+\.[\w.]+)[`'\"]",
        ),
        unless=(_DATA, r"at line \d+ column \d+ of|pod|deployment"),
        words=("missing", "required", "mandatory", " not ", " be "),
    ),
    rule(
        "bad_option_value",
        r"[`'\"]?type[`'\"]? must be (?:\w+ )?[`'\"]?(?:append-only|upsert)",
        r"requires? [`'\"]?type[`'\"]? ?= ?[`'\"]?(?:upsert|append)",
        r"requires [`'\"]task\.serverless",
        r"invalid auth\.method|ambiguous auth: multiple auth options|must not set [`'\"]",
        r"[`'\"][\w.]+[`'\"] must not be (?:combined|used|set) with",
        r"Unsupported catalog type|Invalid (?:warehouse|s3) path|not supported by FORMAT",
        r"FORMAT .{0,40} ENCODE .{0,60}not supported",
        r"provided string was not [`'\"]?true[`'\"]? or [`'\"]?false",
    ),
    rule(
        "bad_option_value",
        r"(?:invalid|illegal|unsupported|unexpected|bad) (?:value|type|option|format|encode|mode"
        rf"|catalog)\b.{{0,120}}(?:{_OPTION})",
        rf"{_NAMED} (?:must|should|can only) be "
        r"(?!set\b|provided|specified|given|defined|present|a secret)",
        r"unknown variant [`'\"]|invalid digit found in string|number too (?:large|small) to fit",
        r"invalid (?:type|value): (?:string|integer|boolean|map)",
        r"(?:unsupported|unknown|unrecognized) (?:sink |source )?"
        r"(?:connector|sink|format|encode)\b",
        needs=_FRAME,
        unless=(_DATA, r"row format|column "),
    ),
    rule(
        "missing_option",
        r"missing FORMAT (?:\.\.\.|…) ENCODE|primary key must be specified for upsert",
        r"Must set [`'\"]primary[-_]key|option must be specified\b|requires? both [`'\"]?\w+",
        r"missing field '\w[\w.]*'(?: in WITH clause)?",
        needs=_FRAME,
        unless=(_DATA, r"nats|kafka|mqtt|at line \d+ column"),
    ),
    rule(
        "bad_option_value",
        r"(?:only supports?|only supported for|does not support) .{0,60}(?:append-only|upsert|mode"
        r"|encode|format|compaction type|sink with)",
        r"(?:encode|format) unsupported: |Unsupported warehouse scheme|unsupported in \w+ catalog",
        r"must be greater than 0\b|must not be empty in \w|Invalid order key|Invalid header format",
        r"invalid (?:value \S+ of '|compaction_type|write_mode|partition fields)",
        r"(?:is|are) (?:not|only) supported for .{0,60}(?:sink|mode|type|format version)",
        r"cannot be true when|cannot configure both|must (?:use the https scheme|not contain)",
        needs=_FRAME,
        unless=(_DATA, r"\b(?:nats|kafka|mqtt|pub/sub|pulsar|google|clickhouse|doris)\b"),
    ),
    rule(
        "sql_syntax",
        r"sql parser error|Failed to parse (?:the )?SQL|ParserError\(",
        r"syntax error.{0,80}LINE \d|Invalid input syntax: (?:expected|unexpected)",
        r"ERROR: +syntax error at or near.{0,200}"
        r"(?:CREATE (?:SINK|SOURCE|SECRET|CONNECTION)|connector ?=)",
        unless=(r"expression language",),
    ),
)
