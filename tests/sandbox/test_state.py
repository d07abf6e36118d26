"""``--state`` survives a restart, holds only data, and stays inside its folder."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys

import pytest

from rwlib.errors import ConflictError, InputError
from rwlib.sandbox.moto_seam import HOLDS_FOR
from rwlib.sandbox.moto_seam.world import MOTO_VERSION
from rwlib.sandbox.server.server import Sandbox
from tests.support import places
from tests.support.sandbox_clients import (
    CUSTOMER,
    WORKLOAD,
    allow,
    client,
    document,
    new_role,
    trusting,
)

pytestmark = pytest.mark.slow


def test_moto_is_a_version_the_seam_was_written_for():
    assert ".".join(MOTO_VERSION.split(".")[:2]) in HOLDS_FOR


def test_restart_finds_everything_as_it_was(tmp_path):
    with Sandbox(state=tmp_path) as first:
        arn = new_role(first, "kept", trusting(WORKLOAD), allow("s3:*"))
        iam, s3 = client(first, "iam"), client(first, "s3")
        iam.attach_role_policy(
            RoleName="kept", PolicyArn="arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess"
        )
        s3.put_object(Bucket="acme-analytics", Key="kept", Body=b"x" * 100_000)
        s3.put_object(
            Bucket="acme-analytics",
            Key="named",
            Body=b"1",
            Metadata={"made": "here"},
            Tagging="a=b",
        )
        s3.put_bucket_versioning(
            Bucket="acme-analytics", VersioningConfiguration={"Status": "Enabled"}
        )
        s3.put_object(Bucket="acme-analytics", Key="named", Body=b"2")
        upload = s3.create_multipart_upload(Bucket="acme-analytics", Key="parts")["UploadId"]
        s3.upload_part(
            Bucket="acme-analytics", Key="parts", UploadId=upload, PartNumber=1, Body=b"part"
        )
        kms = client(first, "kms", region="eu-central-1")
        secret = kms.encrypt(KeyId="alias/acme-analytics", Plaintext=b"secret")["CiphertextBlob"]
        serverless = client(first, "redshift-serverless")
        serverless.create_namespace(namespaceName="kept", iamRoles=[arn])
        keys = first.credentials_for(WORKLOAD).arguments()
        before = iam.get_role(RoleName="kept")["Role"]
    with Sandbox(state=tmp_path) as second:
        assert client(second, "iam").get_role(RoleName="kept")["Role"] == before
        attached = client(second, "iam").list_attached_role_policies(RoleName="kept")
        assert [p["PolicyName"] for p in attached["AttachedPolicies"]] == ["AmazonS3ReadOnlyAccess"]
        s3 = client(second, "s3")
        found = s3.get_object(Bucket="acme-analytics", Key="kept")["Body"].read()
        assert found == b"x" * 100_000
        old = s3.get_object(Bucket="acme-analytics", Key="named", VersionId="null")
        assert (old["Body"].read(), old["Metadata"], old["TagCount"]) == (b"1", {"made": "here"}, 1)
        assert s3.get_object(Bucket="acme-analytics", Key="named")["Body"].read() == b"2"
        parts = s3.list_parts(Bucket="acme-analytics", Key="parts", UploadId=upload)["Parts"]
        assert [part["Size"] for part in parts] == [4]
        kms = client(second, "kms", region="eu-central-1")
        assert kms.decrypt(CiphertextBlob=secret)["Plaintext"] == b"secret"
        namespaces = client(second, "redshift-serverless").list_namespaces()["namespaces"]
        assert namespaces[0]["iamRoles"] == [arn]
        client(second, "sts", **keys).assume_role(RoleArn=arn, RoleSessionName="reqsign")
        second.reset()
        buckets = client(second, "s3").list_buckets()["Buckets"]
        assert len(buckets) == 3


def test_restart_keeps_what_a_killed_process_had_answered(tmp_path):
    spawned = Sandbox.spawn(state=tmp_path)
    client(spawned, "s3").put_object(Bucket="acme-analytics", Key="last", Body=b"word")
    spawned.process.kill()
    spawned.process.wait(timeout=20)
    spawned.stop()
    with Sandbox(state=tmp_path) as again:
        found = client(again, "s3").get_object(Bucket="acme-analytics", Key="last")
        assert found["Body"].read() == b"word"


def test_restart_keeps_service_control_policies_and_regions(tmp_path):
    deny = {"Effect": "Deny", "Action": "s3:*", "Resource": "*"}
    with Sandbox(state=tmp_path) as first:
        first.set_scps(CUSTOMER, [{"Version": "2012-10-17", "Statement": [allow("*"), deny]}])
        first.set_regions(CUSTOMER, "eu-south-1")
    with Sandbox(state=tmp_path) as second:
        directory = second.application.gateway.directory
        assert directory.region_enabled(CUSTOMER, "eu-south-1")
        assert directory.scps_of(CUSTOMER)


def test_folder_in_use_is_refused_with_what_to_do(tmp_path):
    with Sandbox(state=tmp_path, seed=False), pytest.raises(ConflictError, match="another"):
        Sandbox(state=tmp_path, seed=False).start()


def test_folder_that_is_a_file_is_refused(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(InputError, match="cannot be used as a folder"):
        Sandbox(state=file).start()


@pytest.mark.parametrize("content", [b"", b"{}", b"nonsense", b'{"format": 99, "moto": "5.2"}'])
def test_folder_that_cannot_be_read_is_refused(tmp_path, content):
    with Sandbox(state=tmp_path, seed=False):
        pass
    (tmp_path / "sandbox.json").write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        Sandbox(state=tmp_path, seed=False).start()


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


@pytest.mark.parametrize(
    "name", [f"iam.{CUSTOMER}.aws", "iam.x.aws", "../outside", "evil.111122223333.aws"]
)
def test_folder_cannot_run_code(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "state"
    with Sandbox(state=folder, seed=False):
        pass
    (folder / "pieces" / name.replace("/", "_")).write_bytes(pickle.dumps(Evil()))
    with pytest.raises(InputError, match="cannot be read"):
        Sandbox(state=folder, seed=False).start()
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_outside_the_folder(tmp_path):
    folder = tmp_path / "state"
    with Sandbox(state=folder, seed=False) as sandbox:
        s3 = client(sandbox, "s3")
        s3.create_bucket(Bucket="tricks")
        for key in ("../../outside", "/etc/passwd", "..%2f..%2foutside", "a/../../b"):
            s3.put_object(Bucket="tricks", Key=key, Body=b"x")
            assert s3.get_object(Bucket="tricks", Key=key)["Body"].read() == b"x"
        client(sandbox, "iam").create_policy(PolicyName="p", PolicyDocument=document(allow("*")))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["state"]
    assert {path.name for path in folder.iterdir()} == {
        "bodies",
        "lock",
        "pieces",
        "sandbox.json",
    }
    assert (folder / "sandbox.json").stat().st_mode & 0o077 == 0


def test_bodies_of_deleted_objects_are_removed(tmp_path):
    with Sandbox(state=tmp_path, seed=False) as sandbox:
        s3 = client(sandbox, "s3")
        s3.create_bucket(Bucket="passing")
        s3.put_object(Bucket="passing", Key="stays", Body=b"stays")
        s3.put_object(Bucket="passing", Key="goes", Body=b"goes")
        s3.delete_object(Bucket="passing", Key="goes")
    assert len(list((tmp_path / "bodies").iterdir())) == 1


READS = {
    "iam": ("list_roles", "list_users", "get_account_summary", "get_account_authorization_details"),
    "s3": ("list_buckets",),
    "kms": ("list_keys", "list_aliases"),
    "glue": ("get_databases", "get_crawlers", "list_jobs", "list_registries"),
    "redshift": ("describe_clusters", "describe_cluster_snapshots", "describe_tags"),
    "redshift-serverless": ("list_namespaces",),
    "sts": ("get_caller_identity",),
}


def test_folder_is_readable_after_a_call_of_every_service(tmp_path, caplog):
    with Sandbox(state=tmp_path) as first:
        for service, names in READS.items():
            for name in names:
                getattr(client(first, service), name)()
        redshift = client(first, "redshift")
        redshift.create_cluster(
            ClusterIdentifier="kept",
            NodeType="ra3.large",
            MasterUsername="someone",
            MasterUserPassword="Password1",
        )
    assert [record.getMessage() for record in caplog.records if "not kept" in record.msg] == []
    with Sandbox(state=tmp_path) as second:
        found = client(second, "redshift").describe_clusters()["Clusters"]
        assert [cluster["ClusterIdentifier"] for cluster in found] == ["kept"]


def test_piece_that_could_not_be_read_again_is_left_out(tmp_path, caplog):
    with Sandbox(state=tmp_path) as first:
        client(first, "iam").create_user(UserName="before")
        with first.application.world.entered():
            moto_iam = first.application.world.iam.account(CUSTOMER)
            moto_iam.strange = print
        client(first, "iam").create_user(UserName="after")
        del moto_iam.strange
        assert "was not kept" in caplog.text
    with Sandbox(state=tmp_path) as second:
        users = {user["UserName"] for user in client(second, "iam").list_users()["Users"]}
        assert {"before", "after"} <= users


@pytest.mark.parametrize("name", ["", "pieces", "bodies", "lock", "sandbox.json"])
def test_planted_link_is_not_followed(tmp_path, name):
    outside = tmp_path / "outside"
    folder = tmp_path / "state"
    if name in ("lock", "sandbox.json"):
        outside.write_text("precious")
        folder.mkdir()
        (folder / name).symlink_to(outside)
    elif name:
        outside.mkdir()
        folder.mkdir()
        (folder / name).symlink_to(outside)
    else:
        outside.mkdir()
        folder.symlink_to(outside)
    with pytest.raises(InputError, match="state"):
        Sandbox(state=folder, seed=False).start()
    assert outside.read_text() == "precious" if outside.is_file() else not list(outside.iterdir())


def test_folder_in_use_names_the_process_that_holds_it(tmp_path):
    with (
        Sandbox(state=tmp_path, seed=False),
        pytest.raises(ConflictError, match=rf"process {os.getpid()}, since 20"),
    ):
        Sandbox(state=tmp_path, seed=False).start()


def test_redshift_needs_nothing_of_ec2():
    program = (
        "import sys; from rwlib.sandbox.moto_seam.backends import backends; "
        "backends('redshift')['111122223333']['us-east-1']; print('moto.ec2' in sys.modules)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=places.ROOT, capture_output=True, text=True, check=True
    )
    assert told.stdout == "False\n"
