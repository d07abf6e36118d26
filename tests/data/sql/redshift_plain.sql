CREATE SECRET IF NOT EXISTS redshift_sink_jdbc_url
    WITH (backend = 'meta') AS '<your-redshift-jdbc-url>';

CREATE SECRET IF NOT EXISTS redshift_sink_user
    WITH (backend = 'meta') AS '<your-redshift-user>';

CREATE SECRET IF NOT EXISTS redshift_sink_password
    WITH (backend = 'meta') AS '<your-password>';

CREATE SINK redshift_sink FROM "<your-table-or-view>" WITH (
    connector = 'redshift',
    type = 'append-only',
    jdbc.url = secret redshift_sink_jdbc_url,
    user = secret redshift_sink_user,
    password = secret redshift_sink_password,
    table.name = '<your-redshift-table>',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    s3.path = 'rw/orders',
    s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
);
