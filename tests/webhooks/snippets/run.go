// The messages of os.Args[1], through verify.go, which is compiled together with this.
package main

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"os"
	"strings"
)

func main() {
	content, err := os.ReadFile(os.Args[1])
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(strings.TrimSuffix(string(content), "\n"), "\n") {
		part := strings.Split(line, "\t")
		headers := http.Header{}
		headers.Set("webhook-id", part[0])
		headers.Set("webhook-timestamp", part[1])
		headers.Set("webhook-signature", part[2])
		body, _ := base64.StdEncoding.DecodeString(part[3])
		if verify(headers, body, os.Getenv("WEBHOOK_SECRET")) {
			fmt.Println(1)
		} else {
			fmt.Println(0)
		}
	}
}
