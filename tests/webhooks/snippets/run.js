// verify.js of argv[2] over the messages of argv[3].
const { verify } = require(process.argv[2]);
for (const line of require("node:fs").readFileSync(process.argv[3], "utf8").split("\n").filter(Boolean)) {
  const [id, timestamp, signature, body] = line.split("\t");
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
  console.log(verify(headers, Buffer.from(body, "base64"), process.env.WEBHOOK_SECRET) ? 1 : 0);
}
