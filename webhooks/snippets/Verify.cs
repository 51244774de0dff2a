// Is this request really from Chatzuri? Needs nothing but .NET.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography;
using System.Text;

static class Webhook
{
    const long Tolerance = 300; // seconds

    // headers: names in lower case; body: the raw request body, before any JSON parser.
    public static bool Verify(IDictionary<string, string> headers, byte[] body, string secret)
    {
        headers.TryGetValue("webhook-id", out var id);
        headers.TryGetValue("webhook-timestamp", out var timestamp);
        headers.TryGetValue("webhook-signature", out var signatures);
        if (string.IsNullOrEmpty(id) || string.IsNullOrEmpty(timestamp) || timestamp.Length > 12) return false;
        if (!timestamp.All(c => c >= '0' && c <= '9')) return false;
        var age = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - long.Parse(timestamp);
        if (Math.Abs(age) > Tolerance) return false;

        var key = Convert.FromBase64String(secret.StartsWith("whsec_") ? secret.Substring(6) : secret);
        var signed = Encoding.UTF8.GetBytes(id + "." + timestamp + ".").Concat(body).ToArray();
        using (var hmac = new HMACSHA256(key))
        {
            var expected = "v1," + Convert.ToBase64String(hmac.ComputeHash(signed));
            // While a secret is being rotated there are two signatures, with a blank between them.
            return (signatures ?? "").Split(' ').Aggregate(false, (valid, offered) => Same(expected, offered) | valid);
        }
    }

    // Takes equally long wherever the two differ. On .NET Core: CryptographicOperations.FixedTimeEquals.
    static bool Same(string expected, string offered)
    {
        var difference = expected.Length ^ offered.Length;
        for (var i = 0; i < expected.Length && i < offered.Length; i++) difference |= expected[i] ^ offered[i];
        return difference == 0;
    }
}
