// The JavaScript SDK: [settings, bucket, proxy] as JSON in the first argument. Each line of stdin is a
// call, [verb, argument, content in base64]; each line of stdout is its answer.
// With a proxy every connection goes to it, and asks it for the whole URL.
const http = require("http");
const readline = require("readline");
const s3 = require("@aws-sdk/client-s3");

const [settings, Bucket, proxy] = JSON.parse(process.argv[2]);
if (proxy) {
  const { hostname, port } = new URL(proxy);
  const request = http.request;
  http.request = (given, ...rest) => {
    const path = `http://${given.headers.host}${given.path}`;
    return request({ ...given, host: hostname, hostname, port, path, agent: undefined }, ...rest);
  };
}
const client = new s3.S3Client(settings);

async function call(verb, argument, content) {
  if (verb === "put") {
    const Body = Buffer.from(content, "base64");
    await client.send(new s3.PutObjectCommand({ Bucket, Key: argument, Body }));
  } else if (verb === "get") {
    const found = await client.send(new s3.GetObjectCommand({ Bucket, Key: argument }));
    return Buffer.from(await found.Body.transformToByteArray()).toString("base64");
  } else if (verb === "list") {
    const found = await client.send(new s3.ListObjectsV2Command({ Bucket, Prefix: argument }));
    return (found.Contents || []).map((entry) => entry.Key);
  } else {
    const Objects = argument.map((Key) => ({ Key }));
    await client.send(new s3.DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  }
  return null;
}

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = { found: await call(...JSON.parse(line)) };
    } catch (error) {
      answer = { error: `${error.name}: ${error.message}` };
    }
    process.stdout.write(JSON.stringify(answer) + "\n");
  }
  process.exit(0);
}

main();
