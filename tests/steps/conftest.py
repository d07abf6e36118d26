"""What the tests of several steps begin with."""

from __future__ import annotations

import boto3
import pytest


@pytest.fixture
def iam(aws_environment):
    """IAM of the customer's account."""
    return boto3.client("iam")
