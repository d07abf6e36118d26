CREATE CONNECTION iceberg_table_connection WITH (
    type = 'iceberg',
    hosted_catalog = 'true',
    s3.region = 'eu-west-1',
    warehouse.path = 's3://example-bucket/rw/orders',
    s3.iam_role_arn = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);

SET iceberg_engine_connection = 'public.iceberg_table_connection';

CREATE TABLE iceberg_table (id bigint, name varchar) ENGINE = iceberg;
