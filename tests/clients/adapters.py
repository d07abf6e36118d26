"""Real clients behind four verbs: put, get, list and delete.

Each adapter imports its client when it is made, so that one that is not installed is skipped.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import weakref
from pathlib import Path
from typing import Any

from tests.clients.conftest import Place

PART = 5 * 1024 * 1024


class Boto3:
    """boto3, with its own signer."""

    needs = "boto3"

    def __init__(self, place: Place) -> None:
        import boto3
        from botocore.config import Config

        self.place = place
        self.s3: Any = boto3.client(
            "s3",
            endpoint_url=place.url,
            region_name=place.region,
            aws_access_key_id=place.key,
            aws_secret_access_key=place.secret,
            aws_session_token=place.token,
            config=Config(
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "virtual" if place.virtual else "path"},
                proxies={"http": place.proxy} if place.proxy else None,
            ),
        )

    def put(self, key: str, content: bytes) -> None:
        import io

        from boto3.s3.transfer import TransferConfig

        transfer = TransferConfig(multipart_threshold=PART, multipart_chunksize=PART)
        self.s3.upload_fileobj(io.BytesIO(content), self.place.bucket, key, Config=transfer)

    def get(self, key: str) -> bytes:
        return bytes(self.s3.get_object(Bucket=self.place.bucket, Key=key)["Body"].read())

    def list(self, prefix: str) -> list[str]:
        found = self.s3.list_objects_v2(Bucket=self.place.bucket, Prefix=prefix)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def delete(self, keys: list[str]) -> None:
        objects = [{"Key": key} for key in keys]
        self.s3.delete_objects(Bucket=self.place.bucket, Delete={"Objects": objects})


class PyArrow:
    """Apache Arrow's S3 file system, which is AWS's C++ SDK."""

    needs = "pyarrow"

    def __init__(self, place: Place) -> None:
        from pyarrow import fs

        self.place, self._fs = place, fs
        scheme, _, host = place.url.partition("://")
        self.s3 = fs.S3FileSystem(
            access_key=place.key,
            secret_key=place.secret,
            session_token=place.token,
            region=place.region,
            scheme=scheme,
            endpoint_override=host,
            force_virtual_addressing=place.virtual,
            retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
            proxy_options=place.proxy or None,
        )

    def _path(self, key: str) -> str:
        return f"{self.place.bucket}/{key}"

    def put(self, key: str, content: bytes) -> None:
        with self.s3.open_output_stream(self._path(key)) as out:
            out.write(content)

    def get(self, key: str) -> bytes:
        with self.s3.open_input_stream(self._path(key)) as stream:
            return bytes(stream.read())

    def list(self, prefix: str) -> list[str]:
        chosen = self._fs.FileSelector(self._path(prefix.rstrip("/")), recursive=True)
        found = self.s3.get_file_info(chosen)
        files = [info.path for info in found if info.type == self._fs.FileType.File]
        return [path.removeprefix(f"{self.place.bucket}/") for path in files]

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            self.s3.delete_file(self._path(key))


class S3Fs:
    """s3fs, the file system of pandas and Dask."""

    needs = "s3fs"

    def __init__(self, place: Place) -> None:
        import s3fs

        self.place = place
        self.s3 = s3fs.S3FileSystem(
            key=place.key,
            secret=place.secret,
            token=place.token,
            client_kwargs={"endpoint_url": place.url, "region_name": place.region},
            config_kwargs={
                "retries": {"total_max_attempts": 1},
                "s3": {"addressing_style": "virtual" if place.virtual else "path"},
                "proxies": {"http": place.proxy} if place.proxy else None,
            },
            skip_instance_cache=True,
            use_listings_cache=False,
        )

    def put(self, key: str, content: bytes) -> None:
        with self.s3.open(f"{self.place.bucket}/{key}", "wb", block_size=PART) as out:
            out.write(content)

    def get(self, key: str) -> bytes:
        with self.s3.open(f"{self.place.bucket}/{key}", "rb") as file:
            return bytes(file.read())

    def list(self, prefix: str) -> list[str]:
        found = self.s3.ls(f"{self.place.bucket}/{prefix.rstrip('/')}", refresh=True)
        return [path.removeprefix(f"{self.place.bucket}/") for path in found]

    def delete(self, keys: list[str]) -> None:
        self.s3.invalidate_cache()
        self.s3.bulk_delete([f"{self.place.bucket}/{key}" for key in keys])


class Obstore:
    """obstore, which is Rust's object_store."""

    needs = "obstore"

    def __init__(self, place: Place) -> None:
        import obstore
        from obstore.store import S3Store

        self._obstore = obstore
        where = place.url
        if place.virtual:
            where = where.replace("://", f"://{place.bucket}.")
        self.s3 = S3Store(
            place.bucket,
            config={
                "access_key_id": place.key,
                "secret_access_key": place.secret,
                "session_token": place.token,
                "region": place.region,
                "endpoint": where,
                "virtual_hosted_style_request": place.virtual,
            },
            client_options={
                "allow_http": True,
                **({"proxy_url": place.proxy} if place.proxy else {}),
            },
            retry_config={"max_retries": 0},
        )

    def put(self, key: str, content: bytes) -> None:
        self._obstore.put(self.s3, key, content, chunk_size=PART)

    def get(self, key: str) -> bytes:
        return bytes(self._obstore.get(self.s3, key).bytes())

    def list(self, prefix: str) -> list[str]:
        found = self._obstore.list(self.s3, prefix.rstrip("/")).collect()
        return [entry["path"] for entry in found]

    def delete(self, keys: list[str]) -> None:
        self._obstore.delete(self.s3, keys)


class OpenDal:
    """opendal, by which RisingWave itself reads and writes.

    One HTTP client serves a whole process, and it learns of a proxy from the environment alone:
    where there is one, each call has a process of its own.
    """

    needs = "opendal"

    def __init__(self, place: Place) -> None:
        self._proxy = place.proxy
        self._settings = {
            "bucket": place.bucket,
            "region": place.region,
            "endpoint": place.url,
            "access_key_id": place.key,
            "secret_access_key": place.secret,
            "session_token": place.token,
            "enable_virtual_host_style": str(place.virtual).lower(),
            "disable_ec2_metadata": "true",
            "disable_config_load": "true",
        }

    def put(self, key: str, content: bytes) -> None:
        self._do("put", key, content)

    def get(self, key: str) -> bytes:
        return self._do("get", key)

    def list(self, prefix: str) -> list[str]:
        return list(json.loads(self._do("list", prefix)))

    def delete(self, keys: list[str]) -> None:
        for key in keys:
            self._do("delete", key)

    def _do(self, verb: str, name: str, content: bytes = b"") -> bytes:
        if not self._proxy:
            return opendal_call(self._settings, verb, name, content)
        code = (
            "import json, sys; from tests.clients.adapters import opendal_call as call\n"
            "given = json.loads(sys.argv[1])\n"
            "sys.stdout.buffer.write(call(*given, sys.stdin.buffer.read()))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, json.dumps([self._settings, verb, name])],
            input=content,
            capture_output=True,
            timeout=60,
            cwd=Path(__file__).parents[2],
            env={**_without_proxies(), "http_proxy": self._proxy},
        )
        if done.returncode:
            raise PermissionError(done.stderr.decode())
        return done.stdout


def opendal_call(settings: dict[str, str], verb: str, name: str, content: bytes) -> bytes:
    """One call of opendal."""
    import opendal

    s3 = opendal.Operator("s3", **settings)
    if verb == "put":
        with s3.open(name, "wb") as out:
            out.write(content)
    elif verb == "get":
        return bytes(s3.read(name))
    elif verb == "list":
        paths = [entry.path for entry in s3.list(name) if not entry.path.endswith("/")]
        return json.dumps(paths).encode()
    else:
        s3.delete(name)
    return b""


def _without_proxies() -> dict[str, str]:
    return {name: os.environ[name] for name in os.environ if not name.lower().endswith("_proxy")}


class AwsCli:
    """The command line of AWS."""

    needs = "awscli"

    def __init__(self, place: Place) -> None:
        self.place = place
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        self._environment = {
            **kept,
            "AWS_ACCESS_KEY_ID": place.key,
            "AWS_SECRET_ACCESS_KEY": place.secret,
            "AWS_SESSION_TOKEN": place.token,
            "AWS_DEFAULT_REGION": place.region,
            "AWS_ENDPOINT_URL": place.url,
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
            **({"HTTP_PROXY": place.proxy} if place.proxy else {}),
        }
        if place.virtual:
            # The command line takes the addressing style from a file alone.
            handle, name = tempfile.mkstemp(suffix=".ini")
            os.close(handle)
            Path(name).write_text("[default]\ns3 =\n    addressing_style = virtual\n")
            self._environment["AWS_CONFIG_FILE"] = name
            weakref.finalize(self, os.unlink, name)

    def _aws(self, *arguments: str, content: bytes | None = None) -> bytes:
        command = [sys.executable, "-m", "awscli", *arguments]
        done = subprocess.run(
            command, input=content, capture_output=True, env=self._environment, timeout=60
        )
        if done.returncode:
            raise PermissionError(done.stderr.decode())
        return done.stdout

    def put(self, key: str, content: bytes) -> None:
        self._aws("s3", "cp", "-", f"s3://{self.place.bucket}/{key}", content=content)

    def get(self, key: str) -> bytes:
        return self._aws("s3", "cp", f"s3://{self.place.bucket}/{key}", "-")

    def list(self, prefix: str) -> list[str]:
        text = self._aws(
            *("s3api", "list-objects-v2", "--bucket", self.place.bucket, "--prefix", prefix)
        )
        found = json.loads(text or b"{}").get("Contents", [])
        return [entry["Key"] for entry in found]

    def delete(self, keys: list[str]) -> None:
        objects = json.dumps({"Objects": [{"Key": key} for key in keys]})
        self._aws(*("s3api", "delete-objects", "--bucket", self.place.bucket, "--delete", objects))


def _end(process: subprocess.Popen[bytes]) -> None:
    process.communicate(timeout=30)


class JavaScript:
    """The JavaScript SDK 3, where node finds it (``NODE_PATH``)."""

    needs = "node"

    def __init__(self, place: Place) -> None:
        settings = {
            "region": place.region,
            "endpoint": place.url,
            "forcePathStyle": not place.virtual,
            "maxAttempts": 1,
            "credentials": {
                "accessKeyId": place.key,
                "secretAccessKey": place.secret,
                "sessionToken": place.token,
            },
        }
        script = Path(__file__).with_name("client.js")
        self._node = subprocess.Popen(
            ["node", str(script), json.dumps([settings, place.bucket, place.proxy])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        weakref.finalize(self, _end, self._node)

    @staticmethod
    def is_there() -> bool:
        """Whether node and the SDK are installed."""
        node = shutil.which("node")
        if node is None:
            return False
        code = "require.resolve('@aws-sdk/client-s3')"
        return subprocess.run([node, "-e", code], capture_output=True, timeout=30).returncode == 0

    def _run(self, verb: str, argument: Any, content: bytes = b"") -> Any:
        line = json.dumps([verb, argument, base64.b64encode(content).decode()])
        assert self._node.stdin is not None
        assert self._node.stdout is not None
        self._node.stdin.write(line.encode() + b"\n")
        self._node.stdin.flush()
        said = self._node.stdout.readline()
        answer = json.loads(said) if said else {"error": "node ended"}
        if "error" in answer:
            raise PermissionError(answer["error"])
        return answer["found"]

    def put(self, key: str, content: bytes) -> None:
        self._run("put", key, content)

    def get(self, key: str) -> bytes:
        return base64.b64decode(self._run("get", key))

    def list(self, prefix: str) -> list[str]:
        return list(self._run("list", prefix))

    def delete(self, keys: list[str]) -> None:
        self._run("delete", keys)


ADAPTERS: tuple[Any, ...] = (Boto3, PyArrow, S3Fs, Obstore, OpenDal, AwsCli, JavaScript)
