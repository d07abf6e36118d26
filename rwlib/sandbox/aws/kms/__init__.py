"""KMS: key policies and grants, for its own API and for SSE-KMS."""
