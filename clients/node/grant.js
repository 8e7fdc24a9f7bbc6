// Grants: made, checked as strictly as nginx and core/grant.schema.json do, and sent.

import { Buffer } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';

export const MEDIA_TYPE = 'application/vnd.nginx-download.grant+json';

export const MAX_SIZE = 64 * 1024;

export class GrantError extends TypeError {
  name = 'GrantError';
}

export function grant(values) {
  const { ...grant } = object('the grant', values, Object.keys(CHECKS));
  for (const [field, value] of Object.entries(grant)) grant[field] = CHECKS[field](field, value);
  if (!grant.file) throw new GrantError('file is missing');
  const described = grant.basename !== undefined || grant.attachment !== undefined;
  if (described && Object.keys(grant.headers ?? {}).some((name) => folded(name) === 'content-disposition')) {
    throw new GrantError('Content-Disposition in headers contradicts basename and attachment: give one or the others');
  }
  return Object.freeze(grant);
}

export function grantBody(values, { maxSize = MAX_SIZE } = {}) {
  const body = JSON.stringify(grant(values));
  const size = Buffer.byteLength(body);
  if (size > maxSize) {
    throw new GrantError(
      `the grant has ${size} bytes, nginx takes ${maxSize}: ` +
        'name a file instead of its content, or raise download_grant_max_size',
    );
  }
  return body;
}

export function content(body) {
  if (typeof body === 'string') return { content: body };
  try {
    return { content: new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body) };
  } catch {
    return { base64: Buffer.from(body).toString('base64') };
  }
}

// --- sending them --------------------------------------------------------------------------

export function sendGrant(response, values, { maxSize = MAX_SIZE } = {}) {
  // Fastify's reply has getHeaders() as well, but no setHeader()
  const isReply = typeof response.setHeader !== 'function';
  const given = { ...values };
  const headers = { ...headersOf(response, given), ...given.headers };
  if (Object.keys(headers).length) given.headers = headers;
  const body = grantBody(given, { maxSize });
  if (given.cache?.ttl !== undefined && given.cache.ttl !== null) {
    // Whether the decision may be remembered is said by cache, and no-store would overrule it;
    // the client is told by the grant.
    for (const name of ['cache-control', 'expires']) response.removeHeader(name);
  }
  for (const name of ['content-disposition', 'content-encoding', 'etag', 'last-modified']) {
    response.removeHeader(name);
  }
  // nginx takes no compressed grant: what compresses looks for this
  const request = isReply ? response.request : response.req;
  if (request?.headers) delete request.headers['accept-encoding'];
  if (isReply) return response.code(200).header('content-type', MEDIA_TYPE).send(body);
  response.statusCode = 200;
  response.setHeader('Content-Type', MEDIA_TYPE);
  response.setHeader('Content-Length', Buffer.byteLength(body));
  response.end(body);
  return response;
}

// What the response says so far, of what a grant may say of the file.
function headersOf(response, values) {
  const described = (values.basename ?? values.attachment ?? null) !== null;
  const own = new Set(Object.keys(values.headers ?? {}).map((name) => name.toLowerCase()));
  const headers = {};
  for (const [name, value] of Object.entries(response.getHeaders())) {
    // cookies stay on the response, and nginx passes them on
    if (value === undefined || refusal(name) || own.has(name) || name === 'set-cookie') continue;
    if (described && name === 'content-disposition') continue;
    headers[name] = Array.isArray(value) ? value.join(', ') : String(value);
  }
  return headers;
}

export function fromNginx(request, token) {
  const digest = (text) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(String(request.headers['x-download-token'] ?? '')), digest(token));
}

// --- checks, in the words of core/grant.schema.json -------------------------------------------

const MAX = 2n ** 63n - 1n;
// The last second of the year 9999, the last one that an HTTP date can say.
const MAX_TIME = 253_402_300_799n;

const TCHAR = "[!#$%&'*+.^_`|~0-9A-Za-z-]";
const QUOTED = '"(?:[\\t !#-\\[\\]-~]|\\\\[\\t -~])*"';
const TOKEN = new RegExp(`^${TCHAR}+$`);
const MEDIA = new RegExp(`^${TCHAR}+/${TCHAR}+(?:[ \\t]*;(?:[ \\t]*${TCHAR}+=(?:${TCHAR}+|${QUOTED}))?)*$`);
const ETAG = /^(?:W\/)?"[^\0- "\x7f]*"$/;
const FIELD_VALUE = /^[^\0-\x08\n-\x1f\x7f]*$/;
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/][AQgw]={0,2}|[A-Za-z0-9+/]{2}[AEIMQUYcgkosw048]=?)?$/;

const SET_BY_THE_SERVER = new Set([
  'accept-ranges',
  'connection',
  'content-length',
  'content-range',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-connection',
  'status',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);
const OWN_FIELDS = new Map([
  ['content-type', 'mimetype'],
  ['content-encoding', 'encoding'],
  ['etag', 'etag'],
  ['last-modified', 'modified'],
]);

// CGI takes X_Accel_Redirect for X-Accel-Redirect.
const folded = (name) => name.toLowerCase().replaceAll('_', '-');

// Why a field of this name may not stand in a grant's headers, if it may not.
function refusal(name) {
  const known = folded(name);
  if (!TOKEN.test(name)) return "it is no header field's name";
  if (SET_BY_THE_SERVER.has(known)) return 'nginx sets this, an app must not';
  if (/^x-(?:accel-|sendfile|lighttpd-|reproxy-)/.test(known)) return 'this is for servers, never for a client';
  return OWN_FIELDS.has(known) ? `use the grant's field "${OWN_FIELDS.get(known)}"` : null;
}

const shown = (value) => (typeof value === 'bigint' ? String(value) : (JSON.stringify(value) ?? String(value)));

// A copy with the known fields that are there: null and undefined count as absent.
function object(place, value, known) {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new GrantError(`${place} is no object, but ${shown(value)}`);
  }
  const fields = Object.entries(value);
  for (const [name] of fields) {
    if (!known.includes(name)) throw new GrantError(`${place}: unknown field ${shown(name)}`);
  }
  return Object.fromEntries(fields.filter(([, field]) => field !== null && field !== undefined));
}

function text(place, value) {
  if (typeof value !== 'string') throw new GrantError(`${place} is no string, but ${shown(value)}`);
  if (/\p{Surrogate}/u.test(value)) throw new GrantError(`${place} cannot be written in UTF-8: ${shown(value)}`);
  return value;
}

function line(place, value) {
  if (text(place, value) === '') throw new GrantError(`${place} must not be empty`);
  if (/[\r\n\0]/.test(value)) throw new GrantError(`${place} must not contain CR, LF or NUL: ${shown(value)}`);
  return value;
}

const matching = (pattern, what) => (place, value) => {
  if (!pattern.test(text(place, value))) throw new GrantError(`${place} is not ${what}: ${shown(value)}`);
  return value;
};

const whole = (highest) => (place, value) => {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    throw new GrantError(`${place} is no whole number, but ${shown(value)}`);
  }
  if (value < 0 || BigInt(value) > highest) throw new GrantError(`${place} is not within 0 and ${highest}: ${value}`);
  return value;
};

function boolean(place, value) {
  if (typeof value !== 'boolean') throw new GrantError(`${place} is neither true nor false, but ${shown(value)}`);
  return value;
}

const KINDS = {
  storage: line,
  path: line,
  location: line,
  url: line,
  content: text,
  base64: matching(BASE64, 'standard base64'),
};

function file(place, value) {
  const file = object(place, value, [...Object.keys(KINDS), 'descriptor']);
  if ('descriptor' in file) throw new GrantError(`${place}: descriptor: Node.js cannot pass open files to nginx`);
  for (const [kind, it] of Object.entries(file)) KINDS[kind](`${place}: ${kind}`, it);
  const kinds = Object.keys(file).sort().join();
  if (kinds === 'storage') throw new GrantError(`${place}: storage needs a path in it`);
  if (kinds !== 'path,storage' && !(kinds in KINDS)) {
    throw new GrantError(`${place}: give exactly one of storage with path, path, location, url, content, base64`);
  }
  leadsSomewhere(place, file);
  return Object.freeze(file);
}

// These nginx would not refuse, but answer with a 404.
function leadsSomewhere(place, { storage, path, location, url }) {
  if (url !== undefined && !/^https?:\/\//.test(url)) {
    throw new GrantError(`${place}: url must begin with http:// or https://: ${shown(url)}`);
  }
  const at = path ?? location?.replace(/\?.*/s, '');
  if (at === undefined) return;
  if (at.startsWith('/') !== (storage === undefined)) {
    throw new GrantError(`${place}: it ${storage === undefined ? 'must' : 'must not'} begin with a slash: ${shown(at)}`);
  }
  if (at.split('/').includes('..')) throw new GrantError(`${place}: it contains a ".." segment: ${shown(at)}`);
  if (/(?:^|\/)\.?$/.test(at)) throw new GrantError(`${place}: it is a directory: ${shown(at)}`);
}

function headers(place, value) {
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw new GrantError(`${place} is no object, but ${shown(value)}`);
  }
  const seen = new Set();
  for (const [name, field] of Object.entries(value)) {
    const at = `${place}: ${shown(name)}`;
    const why = refusal(name);
    if (why) throw new GrantError(`${at}: ${why}`);
    if (!FIELD_VALUE.test(text(at, field))) {
      throw new GrantError(`${at}: no control character but tab may be in it: ${shown(field)}`);
    }
    if (seen.has(name.toLowerCase())) throw new GrantError(`${at} comes twice`);
    seen.add(name.toLowerCase());
  }
  return Object.freeze({ ...value });
}

function cache(place, value) {
  const cache = object(place, value, ['ttl', 'tags']);
  if ('ttl' in cache) whole(MAX)(`${place}: ttl`, cache.ttl);
  if ('tags' in cache) {
    if (!Array.isArray(cache.tags)) throw new GrantError(`${place}: tags is no list, but ${shown(cache.tags)}`);
    cache.tags = Object.freeze(cache.tags.map((tag) => line(`${place}: tags`, tag)));
  }
  return Object.freeze(cache);
}

const token = matching(TOKEN, 'one word');
const CHECKS = {
  file,
  basename: line,
  attachment: boolean,
  mimetype: matching(MEDIA, 'a media type'),
  charset: token,
  encoding: token,
  etag: matching(ETAG, 'an entity tag in its quotes'),
  modified: whole(MAX_TIME),
  size: whole(MAX),
  headers,
  limit_rate: whole(MAX),
  limit_rate_after: whole(MAX),
  cache,
};
