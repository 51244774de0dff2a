// Is this request really from Chatzuri? Needs nothing but Node.
const crypto = require("node:crypto");

const TOLERANCE = 300; // seconds

// `headers` as Node gives them (lower case), `body` the raw Buffer: express.raw({ type: "*/*" }), not express.json().
function verify(headers, body, secret) {
  const id = headers["webhook-id"] || "";
  const timestamp = headers["webhook-timestamp"] || "";
  if (!id || !/^[0-9]{1,12}$/.test(timestamp)) return false;
  if (Math.abs(Date.now() / 1000 - Number(timestamp)) > TOLERANCE) return false;
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const hmac = crypto.createHmac("sha256", key).update(`${id}.${timestamp}.`).update(body);
  const expected = Buffer.from("v1," + hmac.digest("base64"));
  // While a secret is being rotated there are two signatures, with a blank between them.
  return (headers["webhook-signature"] || "").split(" ").some((each) => {
    const offered = Buffer.from(each);
    return offered.length === expected.length && crypto.timingSafeEqual(offered, expected);
  });
}

module.exports = { verify };
