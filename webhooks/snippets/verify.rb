# Is this request really from Chatzuri? Needs nothing but Ruby.
require "base64"
require "openssl"

WEBHOOK_TOLERANCE = 300 # seconds

# headers: names in lower case; body: the raw request body (request.raw_post in Rails)
def verify_webhook(headers, body, secret)
  id = headers["webhook-id"].to_s
  timestamp = headers["webhook-timestamp"].to_s
  return false if id.empty? || !timestamp.match?(/\A[0-9]{1,12}\z/)
  return false if (Time.now.to_i - timestamp.to_i).abs > WEBHOOK_TOLERANCE

  key = Base64.strict_decode64(secret.delete_prefix("whsec_"))
  signed = "#{id}.#{timestamp}.".b + body.b
  expected = "v1," + Base64.strict_encode64(OpenSSL::HMAC.digest("SHA256", key, signed))
  # While a secret is being rotated there are two signatures, with a blank between them.
  headers["webhook-signature"].to_s.split(" ").map { |each| same?(expected, each) }.any?
end

# Takes equally long wherever the two differ: both are hashed first.
def same?(expected, offered)
  one, other = [expected, offered].map { |text| OpenSSL::Digest.digest("SHA256", text).bytes }
  one.zip(other).reduce(0) { |difference, (a, b)| difference | (a ^ b) }.zero?
end
