// The messages of args[0], through Verify.java, which is compiled together with this.
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;

class Run {
    public static void main(String[] args) throws Exception {
        for (String line : Files.readAllLines(Path.of(args[0]))) {
            String[] part = line.split("\t", -1);
            Map<String, String> headers = Map.of(
                "webhook-id", part[0], "webhook-timestamp", part[1], "webhook-signature", part[2]);
            byte[] body = Base64.getDecoder().decode(part[3]);
            System.out.println(Verify.verify(headers, body, System.getenv("WEBHOOK_SECRET")) ? 1 : 0);
        }
    }
}
