"""An operator role in the sandbox, and a user who may assume it."""

from __future__ import annotations

from contextlib import contextmanager

import boto3
import pytest

OPERATOR = "arn:aws:iam::111122223333:role/operator"
ROLE_TRUST = '{"Version":"2012-10-17","Statement":{"Effect":"Allow","Principal":{"AWS":"111122223333"},"Action":"sts:AssumeRole"}}'  # noqa: E501
_MAY = '{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{}","Resource":"*"}}}}'


@contextmanager
def as_user_who_may_assume_it():
    """Make the role and the user, and have the user's keys in the environment for the block."""
    iam = boto3.client("iam")
    iam.create_role(RoleName="operator", AssumeRolePolicyDocument=ROLE_TRUST)
    iam.put_role_policy(RoleName="operator", PolicyName="all", PolicyDocument=_MAY.format("*"))
    iam.create_user(UserName="ada")
    iam.put_user_policy(
        UserName="ada", PolicyName="assume", PolicyDocument=_MAY.format("sts:AssumeRole")
    )
    key = iam.create_access_key(UserName="ada")["AccessKey"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        patch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        yield
