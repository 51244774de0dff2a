// Is this request really from Chatzuri? Needs nothing but Go.
package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const tolerance = 300 // seconds

// verify wants the raw request body: io.ReadAll(request.Body), before any JSON decoder.
func verify(headers http.Header, body []byte, secret string) bool {
	id, timestamp := headers.Get("webhook-id"), headers.Get("webhook-timestamp")
	sentAt, err := strconv.ParseUint(timestamp, 10, 40)
	if err != nil || id == "" {
		return false
	}
	age := time.Now().Unix() - int64(sentAt)
	if age > tolerance || age < -tolerance {
		return false
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	if err != nil {
		return false
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + timestamp + "."))
	mac.Write(body)
	expected := []byte("v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	valid := false
	// While a secret is being rotated there are two signatures, with a blank between them.
	for _, offered := range strings.Split(headers.Get("webhook-signature"), " ") {
		valid = hmac.Equal(expected, []byte(offered)) || valid
	}
	return valid
}
