#!/bin/sh
# Prints a signed link: sign.sh KEY_FILE PATH EXPIRES [BASENAME]
# openssl has the key on its command line, where other users of the machine can see it.

# Percent-encodes all bytes but letters, digits, "-", ".", "_", "~" and "/".
quote() {
    printf %s "$1" | od -An -v -tu1 | LC_ALL=C awk '{
        for (i = 1; i <= NF; i++)
            printf((sprintf("%c", $i + 0) ~ /[A-Za-z0-9._~\/-]/) ? "%c" : "%%%02X", $i)
    }'
}

# sign_url KEY PATH QUERY
sign_url() {
    url="$(quote "$2")?$3"
    code=$(printf %s "$url" | openssl dgst -sha256 -hmac "$1" -binary | openssl base64 -A |
        tr '+/' '-_' | tr -d '=')
    printf '%s&signature=%s\n' "$url" "$code"
}

key=$(head -n 1 "$1" | tr -d '\r')
sign_url "$key" "$2" "expires=$3${4+&basename=$(quote "$4")}"
