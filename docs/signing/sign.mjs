#!/usr/bin/env node
// Prints a signed link: sign.mjs KEY_FILE PATH EXPIRES [BASENAME]

import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";

function signUrl(key, path, claims) {
  const quoted = path.split("/").map(encodeURIComponent).join("/");
  const url = `${quoted}?${new URLSearchParams(claims)}`;
  return `${url}&signature=${createHmac("sha256", key).update(url).digest("base64url")}`;
}

const [keyFile, path, expires, basename] = process.argv.slice(2);
const key = Buffer.from(readFileSync(keyFile, "latin1").split(/\r?\n/)[0], "latin1");
console.log(signUrl(key, path, basename === undefined ? { expires } : { expires, basename }));
