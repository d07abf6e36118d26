CREATE SINK iceberg_sink FROM "<your-table-or-view>" WITH (
    connector = 'iceberg',
    type = 'append-only',
    catalog.type = 'jdbc',
    catalog.uri = '<your-catalog-uri>',
    table.name = 'lake.orders',
    s3.region = 'eu-west-1',
    warehouse.path = 's3://example-bucket/rw/orders',
    s3.iam_role_arn = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);
