"""IAM: the rules that moto does not apply, and the policy simulator."""
