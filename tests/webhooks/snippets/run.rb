# verify.rb of ARGV[0] over the messages of ARGV[1].
load ARGV[0]
File.foreach(ARGV[1], chomp: true) do |line|
  id, timestamp, signature, body = line.split("\t", -1)
  headers = { "webhook-id" => id, "webhook-timestamp" => timestamp, "webhook-signature" => signature }
  puts verify_webhook(headers, Base64.decode64(body), ENV.fetch("WEBHOOK_SECRET")) ? 1 : 0
end
