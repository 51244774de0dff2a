# verify.sh of $1 over the messages of $2.
source "$1"
body=$(mktemp)
trap 'rm -f "$body"' EXIT
# A tab would swallow empty fields, a unit separator does not.
while IFS=$'\x1f' read -r id timestamp signature encoded; do
  printf %s "$encoded" | openssl base64 -d -A >"$body"
  if verify "$id" "$timestamp" "$signature" "$body"; then echo 1; else echo 0; fi
done < <(tr '\t' '\037' <"$2")
