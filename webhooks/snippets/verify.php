<?php
// Is this request really from Chatzuri? Needs nothing but PHP 8.

const WEBHOOK_TOLERANCE = 300; // seconds

// $headers: array_change_key_case(getallheaders()), $body: file_get_contents("php://input")
function verify_webhook(array $headers, string $body, string $secret): bool
{
    $id = $headers["webhook-id"] ?? "";
    $timestamp = $headers["webhook-timestamp"] ?? "";
    if ($id === "" || !preg_match('/\A[0-9]{1,12}\z/', $timestamp)) {
        return false;
    }
    if (abs(time() - (int) $timestamp) > WEBHOOK_TOLERANCE) {
        return false;
    }
    $key = base64_decode(preg_replace('/\Awhsec_/', "", $secret), true);
    $expected = "v1," . base64_encode(hash_hmac("sha256", "$id.$timestamp.$body", $key, true));
    $valid = false;
    // While a secret is being rotated there are two signatures, with a blank between them.
    foreach (explode(" ", $headers["webhook-signature"] ?? "") as $offered) {
        $valid = hash_equals($expected, $offered) || $valid;
    }
    return $valid;
}
