// Signed links, by the scheme hmac-sha256 of download_signature.

import { Buffer } from 'node:buffer';
import { createHmac } from 'node:crypto';
import { isIP } from 'node:net';

const CLAIMS = ['address', 'attachment', 'basename', 'expires', 'limit_rate', 'method', 'not_before', 'prefix'];
// What every client sends as it stands (RFC 3986, and the URL Standard, which escapes "'" in queries).
const PATH = /^\/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2})*$/;
const QUERY = /^(?:[A-Za-z0-9._~!$&()*+,;=:@/?-]|%[0-9A-Fa-f]{2})*$/;

export function signUrl(url, key, options) {
  const { expires, notBefore, method, address, prefix, basename, attachment, limitRate, arg = 'signature' } = options;
  const [, origin = '', path, given, fragment = ''] = /^(\w+:\/\/[^/?#]*)?([^?#]*)(?:\?([^#]*))?(#.*)?$/s.exec(url);
  checkUrl(path, given ?? '', arg);
  const claims = [['expires', seconds('expires', expires)]];
  if (notBefore !== undefined) claims.push(['not_before', seconds('notBefore', notBefore)]);
  if (method !== undefined) claims.push(['method', oneOf(method, 'GET', 'HEAD')]);
  if (address !== undefined) claims.push(['address', network(address)]);
  if (basename !== undefined) claims.push(['basename', oneLine(basename)]);
  if (attachment !== undefined) claims.push(['attachment', attachment ? '1' : '0']);
  if (limitRate !== undefined) claims.push(['limit_rate', whole('limitRate', limitRate)]);
  let query = claims.map(([name, value]) => `${name}=${escaped(value)}`).join('&');
  let signedPath = path;
  if (prefix !== undefined) {
    signedPath = directory(prefix, path);
    query += `&prefix=${signedPath}`;
  }
  if (given) query = `${given}&${query}`;
  const signature = createHmac('sha256', checked(key)).update(`${signedPath}?${query}`).digest('base64url');
  return `${origin}${path}?${query}&${arg}=${signature}${fragment}`;
}

function checkUrl(path, query, arg) {
  if (!PATH.test(path)) throw new TypeError(`the path must begin with a slash and be percent-encoded: ${path}`);
  if (path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment))) {
    throw new TypeError(`clients resolve segments of dots: ${path}`);
  }
  if (!QUERY.test(query)) throw new TypeError(`the query is not percent-encoded: ${query}`);
  for (const name of new URLSearchParams(query).keys()) {
    if (CLAIMS.includes(name) || name === arg) {
      throw new TypeError(`the URL has an argument "${name}", which is the signature's own`);
    }
  }
}

// encodeURIComponent() leaves "'" as it is, clients do not.
const escaped = (value) => encodeURIComponent(value).replaceAll("'", '%27');

function seconds(name, value) {
  return whole(name, value instanceof Date ? Math.floor(value.getTime() / 1000) : value);
}

function whole(name, value) {
  if (!Number.isSafeInteger(value) || value < 0) throw new TypeError(`${name} is no whole number: ${value}`);
  return String(value);
}

function oneOf(value, ...allowed) {
  if (!allowed.includes(value)) throw new TypeError(`"${value}" is none of ${allowed.join(', ')}`);
  return value;
}

function network(address) {
  const [ip, bits, ...rest] = String(address).split('/');
  const width = { 4: 32, 6: 128 }[isIP(ip)];
  const fits = bits === undefined || (/^(?:0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= width);
  if (!width || ip.includes('%') || !fits || rest.length) {
    throw new TypeError(`address is no IP address or network: ${address}`);
  }
  return address;
}

function oneLine(name) {
  if (typeof name !== 'string' || !name || /[\r\n\0]/.test(name)) {
    throw new TypeError(`basename is no name on one line: ${name}`);
  }
  return name;
}

// The prefix as it will stand in the query.
function directory(prefix, path) {
  const inside = /^\/(.+)\/$/s.exec(prefix)?.[1].split('/');
  if (!inside || inside.some((segment) => ['', '.', '..'].includes(segment))) {
    throw new TypeError(`prefix is no directory below the root, such as /dl/2025/: ${prefix}`);
  }
  const below = decodeURIComponent(path);
  if (!below.startsWith(prefix) || below === prefix) throw new TypeError(`${path} is not below ${prefix}`);
  return prefix.split('/').map(escaped).join('/');
}

function checked(key) {
  const bytes = Buffer.from(key);
  if (!bytes.length || /^[ \t]|[\r\n\0]|[ \t]$/.test(bytes.toString('latin1'))) {
    throw new TypeError('the key is no line of a key file: is there a line end, or space around?');
  }
  return bytes;
}
