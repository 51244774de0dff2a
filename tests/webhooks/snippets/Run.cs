// The messages of args[0], through Verify.cs, which is compiled together with this.
using System;
using System.Collections.Generic;
using System.IO;

static class Run
{
    static void Main(string[] args)
    {
        foreach (var line in File.ReadAllLines(args[0]))
        {
            var part = line.Split('\t');
            var headers = new Dictionary<string, string>
            {
                { "webhook-id", part[0] }, { "webhook-timestamp", part[1] }, { "webhook-signature", part[2] },
            };
            var secret = Environment.GetEnvironmentVariable("WEBHOOK_SECRET");
            Console.WriteLine(Webhook.Verify(headers, Convert.FromBase64String(part[3]), secret) ? 1 : 0);
        }
    }
}
