#!/usr/bin/env python3
"""Prints a signed link: sign.py KEY_FILE PATH EXPIRES [BASENAME]"""

import base64, hashlib, hmac, sys
from urllib.parse import quote, urlencode


def sign_url(key, path, claims):
    url = quote(path) + "?" + urlencode(claims)
    code = hmac.digest(key, url.encode(), hashlib.sha256)
    return url + "&signature=" + base64.urlsafe_b64encode(code).rstrip(b"=").decode()


if __name__ == "__main__":
    key_file, path, expires, *basename = sys.argv[1:]
    with open(key_file, "rb") as lines:
        key = lines.readline().rstrip(b"\r\n")
    claims = {"expires": expires}
    if basename:
        claims["basename"] = basename[0]
    print(sign_url(key, path, claims))
