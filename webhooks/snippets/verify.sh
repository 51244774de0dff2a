# Is this request really from Chatzuri? Needs bash and openssl. For a look by hand: a server uses its own language.

# verify ID TIMESTAMP SIGNATURES BODY-FILE, with the signing secret in WEBHOOK_SECRET
verify() {
  local id=$1 timestamp=$2 signatures=$3 body=$4 key expected offered valid=1
  [[ -n $id && $timestamp =~ ^[0-9]{1,12}$ ]] || return 1
  local age=$(( $(date +%s) - 10#$timestamp ))
  (( age <= 300 && age >= -300 )) || return 1
  key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
  expected=v1,$({ printf %s. "$id" "$timestamp"; cat "$body"; } |
    openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | openssl base64 -A)
  # While a secret is being rotated there are two signatures, with a blank between them.
  for offered in $signatures; do
    # Hashes are compared, so that the time it takes says nothing about the signature.
    [[ $(printf %s "$offered" | openssl dgst -sha256) == "$(printf %s "$expected" | openssl dgst -sha256)" ]] && valid=0
  done
  return $valid
}
