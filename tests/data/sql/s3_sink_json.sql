CREATE SINK s3_sink FROM orders WITH (
    connector = 's3',
    type = 'append-only',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    s3.path = 'rw/orders/',
    s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
)
FORMAT PLAIN ENCODE JSON (force_append_only = 'false');
