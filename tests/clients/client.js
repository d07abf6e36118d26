// One call of the JavaScript SDK: [settings, bucket, verb, argument] as JSON; content on stdin.
// With a proxy in the settings every connection goes to it, and asks it for the whole URL.
const http = require("http");
const s3 = require("@aws-sdk/client-s3");
const fs = require("fs");

async function main() {
  const [settings, Bucket, verb, argument] = JSON.parse(process.argv[2]);
  const { proxy, ...options } = settings;
  const client = new s3.S3Client(options);
  if (proxy) {
    const { hostname, port } = new URL(proxy);
    const request = http.request;
    http.request = (given, ...rest) => {
      const path = `http://${given.headers.host}${given.path}`;
      return request({ ...given, host: hostname, hostname, port, path, agent: undefined }, ...rest);
    };
  }
  if (verb === "put") {
    const Body = fs.readFileSync(0);
    await client.send(new s3.PutObjectCommand({ Bucket, Key: argument, Body }));
  } else if (verb === "get") {
    const found = await client.send(new s3.GetObjectCommand({ Bucket, Key: argument }));
    process.stdout.write(Buffer.from(await found.Body.transformToByteArray()));
  } else if (verb === "list") {
    const found = await client.send(new s3.ListObjectsV2Command({ Bucket, Prefix: argument }));
    process.stdout.write(JSON.stringify((found.Contents || []).map((entry) => entry.Key)));
  } else {
    const Objects = argument.map((Key) => ({ Key }));
    await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  }
}

main().catch((error) => {
  console.error(`${error.name}: ${error.message}`);
  process.exit(1);
});
