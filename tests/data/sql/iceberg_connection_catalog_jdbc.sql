CREATE SECRET IF NOT EXISTS iceberg_connection_catalog_jdbc_password
    WITH (backend = 'meta') AS '<your-catalog-password>';

CREATE CONNECTION iceberg_connection WITH (
    type = 'iceberg',
    catalog.type = 'jdbc',
    catalog.uri = '<your-catalog-uri>',
    catalog.jdbc.user = '<your-catalog-user>',
    catalog.jdbc.password = secret iceberg_connection_catalog_jdbc_password,
    s3.region = 'eu-west-1',
    warehouse.path = 's3://example-bucket/rw/orders',
    s3.iam_role_arn = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);
