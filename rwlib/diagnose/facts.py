"""What an error text says beside its refusal: service, operation, region, bucket, request id."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final, Literal

from rwlib.diagnose.denial import Denial, find_denials
from rwlib.diagnose.patterns import finder
from rwlib.diagnose.rules.base import NOT_S3

Side = Literal["sts", "s3"]

IAM_ACTIONS: Final[dict[str, str]] = {
    "assumerole": "sts:AssumeRole",
    "assumerolewithwebidentity": "sts:AssumeRoleWithWebIdentity",
    "getcalleridentity": "sts:GetCallerIdentity",
    "listobjects": "s3:ListBucket",
    "listobjectsv2": "s3:ListBucket",
    "headbucket": "s3:ListBucket",
    "listbuckets": "s3:ListAllMyBuckets",
    "getobject": "s3:GetObject",
    "headobject": "s3:GetObject",
    "putobject": "s3:PutObject",
    "createmultipartupload": "s3:PutObject",
    "uploadpart": "s3:PutObject",
    "completemultipartupload": "s3:PutObject",
    "abortmultipartupload": "s3:AbortMultipartUpload",
    "listparts": "s3:ListMultipartUploadParts",
    "listmultipartuploads": "s3:ListBucketMultipartUploads",
    "deleteobject": "s3:DeleteObject",
    "deleteobjects": "s3:DeleteObject",
    "copyobject": "s3:PutObject",
    "getbucketlocation": "s3:GetBucketLocation",
    "getbucketpolicy": "s3:GetBucketPolicy",
    "putbucketpolicy": "s3:PutBucketPolicy",
    "getdatabase": "glue:GetDatabase",
    "getdatabases": "glue:GetDatabases",
    "gettable": "glue:GetTable",
    "gettables": "glue:GetTables",
    "createtable": "glue:CreateTable",
    "updatetable": "glue:UpdateTable",
}
# What each call of opendal's S3 service asks of IAM (opendal core/src/services/s3).
_OPENDAL: Final[dict[str, str]] = {
    "list": "s3:ListBucket",
    "lister": "s3:ListBucket",
    "check": "s3:ListBucket",
    "stat": "s3:GetObject",
    "read": "s3:GetObject",
    "reader": "s3:GetObject",
    "write": "s3:PutObject",
    "writer": "s3:PutObject",
    "delete": "s3:DeleteObject",
    "deleter": "s3:DeleteObject",
    "batch": "s3:DeleteObject",
    "copy": "s3:PutObject",
}

_HTTP: Final = {"get": "get", "head": "get", "put": "put", "post": "put", "delete": "delete"}
_REGION: Final = r"[a-z]{2}(?:-[a-z]+){1,2}-\d"
_OPERATION = finder(
    r"when calling the (\w+) operation|during (\w+) operation",
    r"operation error [\w ]{2,20}: (\w+)",
    r"\"eventName\" ?: ?\"(\w+)\"",
    r"\bAction=(AssumeRole\w*)",
    r"operation: (?:\"|Some\(\")?([A-Z]\w+)",
    r"\b(AssumeRole(?:WithWebIdentity)?|HeadBucket|HeadObject|ListObjects(?:V2)?|GetBucketLocation"
    r"|(?:Get|Put|Delete)Objects?|CreateMultipartUpload|UploadPart|CompleteMultipartUpload)"
    r"(?:Request|Command|Operation|Error)?\b",
    case=True,
)
# arrow's object_store, which names the HTTP call.
_HTTP_CALL = finder(r"Error performing (?P<verb>GET|HEAD|PUT|POST|DELETE) (?!\S*list-type)")
_OPENDAL_CALL = finder(
    r"\((?:permanent|persistent|temporary)\) at (?P<call>\w+)",
    r"service=s3 .{0,40}?operation=(?P<op>\w+)",
)
_REGION_EXPECTED = finder(
    rf"expecting '?({_REGION})",
    rf"x-amz-bucket-region\"?:? ?\[?\"?({_REGION})",
    rf"bucket is in (?:this|the) region:? '?({_REGION})",
    rf"bucket is in '({_REGION})'",
    rf"<Region>({_REGION})</Region>",
    rf"<Endpoint>[\w.-]*?s3[.-]({_REGION})\.",
)
_REGION_GIVEN = finder(
    r"region '([\w-]+)' is wrong",
    r"is not in '([\w-]+)' region",
    r"valid region, not '([\w-]+)'",
    rf"(?:s3|sts|glue|kms)[.-]({_REGION})\.amazonaws",
    r"s3\.region(?:_name)? ?= ?'([\w-]+)'",
)
_REQUEST_ID = finder(
    r"x-amz-request-id\"?: ?\"([\w-]{8,40})",
    r"(?:aws_)?request_id: \"([\w-]{8,40})",
    r"<RequestId>([\w-]{8,40})",
    r"request ?id\"?:? ?\"?([\w-]{8,40})",
    r"\bRid ([\w-]{8,40})",
)
_BUCKET: Final = r"(?P<bucket>[a-z0-9][a-z0-9.-]{1,62}?)"
_KEY: Final = r"(?:/(?P<key>[^\s?\"',;)\]}]*))?(?:\?(?P<query>[^\s\"',)]*))?"
_AMAZON: Final = r"(?:dualstack\.)?(?:[a-z0-9-]+\.)?amazonaws\.com(?P<cn>\.cn)?"
_PLACES = (
    re.compile(rf"https?://s3[.-]{_AMAZON}/{_BUCKET}(?=[/?\s\"',;)]|$){_KEY}"),
    re.compile(rf"https?://{_BUCKET}\.s3[.-]{_AMAZON}{_KEY}"),
    re.compile(r"\bs3[an]?://(?P<bucket>[a-z0-9][a-z0-9.-]{1,62})(?:/(?P<key>[^\s\"',;)\]}]*))?"),
)
_BUCKET_WORD = re.compile(
    r"(?:\bbucket(?:[ _-]?name)?[\"']?\s*(?:=>|[=:])\s*[\"']?|\bbucket [\"'(]|<BucketName>|\bname=)"
    r"(?P<bucket>[a-z0-9][a-z0-9.-]{2,62})\b"
)
_OPENDAL_PATH = re.compile(r"service: s3, path: (?P<path>[^,}]*)")
_STS = finder(
    r"reqsign::|AWS STS Services|SecurityTokenService|STS is not|operation error STS",
    r"Service: (?:Aws)?S(?:TS|ts)\b|Aws::STS::|StsException|STSException|services\.sts\b",
    r"\bsts(?:-fips)?\.(?:[a-z0-9-]+\.)?amazonaws|AssumeRole\b|\bsts:\w",
    case=True,
)
# Who asks STS for credentials on behalf of opendal; what it says comes from STS.
_LOADER = re.compile(r"reqsign::(?:LoadCredential|Sign\b)|failed to load signing credential")
_S3_ANSWER: Final = r"S3Error|S3Exception|Service: (?:Amazon )?S3\b|Aws::S3::"
_S3 = finder(
    _S3_ANSWER,
    r"S3ServiceException|S3FileIO|S3AFileSystem|S3Client|AmazonS3\b|services\.s3\b|client-s3",
    r"service: s3\b|service=s3\b|operation error S3|store: \"S3\"|S3 error|ObjectStore\(",
    r"\bs3[an]?://|(?:^|[/.@ ])s3[.-][\w.-]*amazonaws|arn:aws[\w-]*:s3:::|\bs3:[A-Z]",
    r"x-amz-id-2|<HostId>|\"eventSource\" ?: ?\"s3\.|\bS3 bucket|\b(?:in|to|from) s3\b",
)
_OTHER_CLOUD = finder(*NOT_S3, r"myhuaweicloud|\bwasbs?://")
_RISINGWAVE = finder(
    r"risingwave|rw_catalog|\bopendal\b|reqsign|ddl_service|WITH clause|SINK_FAIL|rwc-g1",
    r"caused by these errors \(recent|failed to run the query|failed to validate sink",
    r"failed to create source|(?:sink|iceberg|connector) error\b|\bconfig error",
    r"create (?:sink|source|connection)\b|\((?:permanent|persistent|temporary)\) at \w",
)
_CONNECTORS: Final = (
    ("redshift", finder(r"redshift|S3ServiceException:[^ ]")),
    ("snowflake", finder(r"snowflake|AWS_ROLE|stage area")),
    ("iceberg", finder(r"iceberg|metadata\.json|warehouse|glue")),
    ("s3 source", finder(r"CreateSource|source worker|opendal_source|s3 source")),
    ("s3 sink", finder(r"file_sink|opendal_sink|CreateSink|s3 sink")),
)
_ACCOUNT = finder(r"arn:[\w*-]+:[\w-]+:[\w-]*:(\d{12}):", r"for account:? ?(\d{12})")


class Facts:
    """One error's text, read as far as it is asked: what rules and causes want to know of it.

    Parameters
    ----------
    flat
        The text as `rwlib.diagnose.normalise.flatten` returns it.
    """

    def __init__(self, flat: str) -> None:
        self.flat = flat

    @cached_property
    def lower(self) -> str:
        """The text in lower case."""
        return self.flat.lower()

    @cached_property
    def denials(self) -> tuple[Denial, ...]:
        """The refusals that AWS words, in their order."""
        return tuple(find_denials(self.flat))

    @property
    def denial(self) -> Denial | None:
        """The refusal that counts: the innermost, which is worded last."""
        return self.denials[-1] if self.denials else None

    @cached_property
    def side(self) -> Side | None:
        """Who refused: ``sts`` before the role was assumed, ``s3`` afterwards."""
        # opendal names its service even where it was STS that refused: the loader's mark wins
        # (opendal core/src/raw/http_util/error.rs).
        if _LOADER.search(self.flat):
            return "sts"
        if _STS.search(self.flat) and not re.search(_S3_ANSWER, self.flat):
            return "sts"
        return "s3" if _S3.search(self.flat) else None

    @cached_property
    def action(self) -> str | None:
        """The IAM action: as AWS names it, else what the operation asks for."""
        if self.denial:
            return self.denial.action
        if self.side == "sts" and _LOADER.search(self.flat):
            return "sts:AssumeRole"
        operation = _first(_OPERATION, self.flat)
        if operation and operation.lower() in IAM_ACTIONS:
            return IAM_ACTIONS[operation.lower()]
        call = _OPENDAL_CALL.search(self.flat)
        if call and self.side == "s3":
            return _OPENDAL.get((call["call"] or call["op"]).lower())
        http = _HTTP_CALL.search(self.flat)
        if http:
            return IAM_ACTIONS[f"{_HTTP[http['verb'].lower()]}object"]
        return None

    @cached_property
    def risingwave(self) -> bool:
        """Tell whether RisingWave, or its object store client, is speaking."""
        return _RISINGWAVE.search(self.flat) is not None

    @cached_property
    def other_cloud(self) -> bool:
        """Tell whether it is about an object store of somebody else."""
        return _OTHER_CLOUD.search(self.flat) is not None

    @cached_property
    def region_given(self) -> str | None:
        """The region that was used."""
        return _first(_REGION_GIVEN, self.flat)

    @cached_property
    def region_expected(self) -> str | None:
        """The region that AWS says the bucket is in."""
        return _first(_REGION_EXPECTED, self.flat)

    @cached_property
    def request_id(self) -> str | None:
        """AWS's id of the request, for its support."""
        return _first(_REQUEST_ID, self.flat)

    @cached_property
    def connector(self) -> str | None:
        """The connector that the text speaks of."""
        return next((name for name, words in _CONNECTORS if words.search(self.flat)), None)

    @cached_property
    def accounts(self) -> tuple[str, ...]:
        """Every account id in the text."""
        found = _ACCOUNT.findall(self.flat)
        return tuple(dict.fromkeys(one or other for one, other in found))

    @cached_property
    def _place(self) -> dict[str, str]:
        for pattern in _PLACES:
            match = pattern.search(self.flat)
            if match:
                place = {name: value for name, value in match.groupdict().items() if value}
                place.setdefault("key", self._opendal_path)
                return place
        match = _BUCKET_WORD.search(self.flat)
        return {"bucket": match["bucket"] if match else "", "key": self._opendal_path}

    @property
    def _opendal_path(self) -> str:
        path = _OPENDAL_PATH.search(self.flat)
        return path["path"].strip() if path else ""

    @property
    def bucket(self) -> str | None:
        """Name of the bucket, from a URI or a word before it."""
        return self._place.get("bucket") or None

    @property
    def key(self) -> str | None:
        """Key of the object, or the path that opendal names."""
        return self._place.get("key", "").rstrip(".,:") or None

    @property
    def query(self) -> str:
        """The query of the URI, which holds the listed prefix."""
        return self._place.get("query", "")

    @property
    def bucket_arn(self) -> str | None:
        """ARN of the bucket, or of the object, that the text names by URI."""
        if not self.bucket:
            return None
        partition = "aws-cn" if self._place.get("cn") else "aws"
        arn = f"arn:{partition}:s3:::{self.bucket}"
        return f"{arn}/{self.key}" if self.key and self.action != "s3:ListBucket" else arn


def _first(pattern: re.Pattern[str], flat: str) -> str | None:
    match = pattern.search(flat)
    return next((value for value in match.groups() if value), None) if match else None
