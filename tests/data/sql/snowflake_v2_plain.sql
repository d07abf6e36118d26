CREATE SECRET IF NOT EXISTS snowflake_v2_sink_jdbc_url
    WITH (backend = 'meta') AS '<your-snowflake-jdbc-url>';

CREATE SECRET IF NOT EXISTS snowflake_v2_sink_username
    WITH (backend = 'meta') AS '<your-snowflake-user>';

CREATE SECRET IF NOT EXISTS snowflake_v2_sink_password
    WITH (backend = 'meta') AS '<your-password>';

CREATE SINK snowflake_v2_sink AS SELECT * FROM "<your-table-or-view>" WITH (
    connector = 'snowflake_v2',
    type = 'append-only',
    table.name = '<your-snowflake-table>',
    database = '<your-snowflake-database>',
    schema = '<your-snowflake-schema>',
    jdbc.url = secret snowflake_v2_sink_jdbc_url,
    username = secret snowflake_v2_sink_username,
    password = secret snowflake_v2_sink_password,
    stage = '<your-snowflake-stage>',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    s3.path = 'rw/orders',
    s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);
