"""S3: what a request asks for, which permissions it needs, and the rules around moto's answer."""
