"""The names and documents of the example world that tests of several rooms use."""

from __future__ import annotations

from tests.conftest import WORKLOAD_IDENTITY_ARN as WORKLOAD

__all__ = ["ACCOUNT", "ALLOW", "CLUSTER", "EC2", "GLUE", "ROLE", "ROLE_ARN", "WORKLOAD"]

ACCOUNT = "111122223333"
ROLE = "risingwave-s3-access"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/{ROLE}"
CLUSTER = "019d023e-68a6-74db-b73c-e18859fc5171"
ALLOW = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}],
}
# Statements of trust policies that are somebody else's.
GLUE = {
    "Sid": "Etl",
    "Effect": "Allow",
    "Principal": {"Service": "glue.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
EC2 = {
    "Effect": "Allow",
    "Principal": {"Service": "ec2.amazonaws.com"},
    "Action": "sts:AssumeRole",
}
