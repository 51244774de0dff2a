// Is this request really from Chatzuri? Needs nothing but Java 11 or newer.
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Base64;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Verify {
    static final long TOLERANCE = 300; // seconds

    /** `headers` with names in lower case; `body` is the raw request body, before any JSON parser. */
    static boolean verify(Map<String, String> headers, byte[] body, String secret) throws GeneralSecurityException {
        String id = headers.getOrDefault("webhook-id", "");
        String timestamp = headers.getOrDefault("webhook-timestamp", "");
        if (id.isEmpty() || !timestamp.matches("[0-9]{1,12}")) {
            return false;
        }
        if (Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > TOLERANCE) {
            return false;
        }
        byte[] key = Base64.getDecoder().decode(secret.replaceFirst("^whsec_", ""));
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        mac.update((id + "." + timestamp + ".").getBytes(StandardCharsets.UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(mac.doFinal(body))).getBytes(StandardCharsets.UTF_8);
        boolean valid = false;
        // While a secret is being rotated there are two signatures, with a blank between them.
        for (String offered : headers.getOrDefault("webhook-signature", "").split(" ")) {
            valid |= MessageDigest.isEqual(expected, offered.getBytes(StandardCharsets.UTF_8));
        }
        return valid;
    }
}
