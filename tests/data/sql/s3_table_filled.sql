CREATE TABLE s3_table (id bigint, price numeric, PRIMARY KEY (id)) WITH (
    connector = 's3',
    s3.region_name = 'eu-west-1',
    s3.bucket_name = 'example-bucket',
    match_pattern = 'rw/orders/*.json',
    s3.assume_role = 'arn:aws:iam::111122223333:role/risingwave-s3-access',
    enable_config_load = 'true'
)
FORMAT PLAIN ENCODE JSON;
