<?php
// verify.php of argv[1] over the messages of argv[2].
require $argv[1];
foreach (file($argv[2], FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
    [$id, $timestamp, $signature, $body] = explode("\t", $line);
    $headers = ["webhook-id" => $id, "webhook-timestamp" => $timestamp, "webhook-signature" => $signature];
    echo verify_webhook($headers, base64_decode($body), getenv("WEBHOOK_SECRET")) ? "1\n" : "0\n";
}
