CREATE SECRET IF NOT EXISTS snowflake_v2_sink_jdbc_url
    WITH (backend = 'meta') AS 'jdbc:snowflake://example.snowflakecomputing.com/';

CREATE SECRET IF NOT EXISTS snowflake_v2_sink_username
    WITH (backend = 'meta') AS 'rw';

CREATE SINK snowflake_v2_sink AS SELECT * FROM orders WITH (
    connector = 'snowflake_v2',
    type = 'append-only',
    table.name = 'ORDERS',
    database = 'DEV',
    schema = 'PUBLIC',
    jdbc.url = secret snowflake_v2_sink_jdbc_url,
    username = secret snowflake_v2_sink_username,
    private_key_pem = secret snowflake_key,
    stage = 'RW_STAGE',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    s3.path = 'rw/orders',
    s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);
