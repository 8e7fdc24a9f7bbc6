// Does a download work, through the server as it is deployed?

import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';

import { MEDIA_TYPE, grant } from './grant.js';

const FOR_SERVERS = ['x-accel-redirect', 'x-sendfile', 'x-lighttpd-send-file', 'x-reproxy-url'];
// A grant or the answer of a health location is never larger.
const LONGEST_JSON = 1 << 20;

export async function checkLive(url, expected = {}) {
  const { status = 200, body, size, sha256, headers = {}, server, ranges, requestHeaders, timeout = 10_000 } = expected;
  const signal = AbortSignal.timeout(timeout);
  const response = await get(url, requestHeaders, signal);
  if (response.error) return health(url, [check('response', false, response.error)]);
  const checks = [equal('status', response.status, status)];
  if (body !== undefined) {
    const wanted = createHash('sha256').update(body).digest('hex');
    checks.push(check('body', response.sha256 === wanted, `${response.size} bytes, ${Buffer.byteLength(body)} expected`));
  }
  if (size !== undefined) checks.push(equal('size', response.size, size));
  if (sha256 !== undefined) checks.push(equal('sha256', response.sha256, sha256.toLowerCase()));
  for (const [name, value] of Object.entries(headers)) {
    checks.push(equal(`header ${name}`, response.headers.get(name), value));
  }
  if (server !== undefined) {
    const said = response.headers.get('server') ?? '';
    checks.push(check('server', said.startsWith(server), `Server is "${said}"`));
  }
  checks.push(expected.grant ? isGrant(response) : nothingInternal(response));
  if (!expected.grant && body === undefined && size === undefined && sha256 === undefined) {
    checks.push(...told(response));
  }
  if (ranges) checks.push(range(await get(url, { ...requestHeaders, range: 'bytes=0-0' }, signal)));
  return health(url, checks);
}

// --- one request -------------------------------------------------------------------------------

async function get(url, headers, signal) {
  try {
    const response = await fetch(url, {
      headers: { 'accept-encoding': 'identity', ...headers },
      redirect: 'manual',
      signal,
    });
    const digest = createHash('sha256');
    const start = [];
    let size = 0;
    for await (const piece of response.body ?? []) {
      if (size < LONGEST_JSON) start.push(piece);
      digest.update(piece);
      size += piece.length;
    }
    const sha256 = digest.digest('hex');
    return { status: response.status, headers: response.headers, size, sha256, start: Buffer.concat(start).toString() };
  } catch (error) {
    return { error: error.cause?.message || error.message };
  }
}

// --- what is looked at --------------------------------------------------------------------------

function health(url, checks) {
  const failures = checks.filter(({ passed }) => !passed);
  const ok = !failures.length;
  const lines = checks.map(({ name, passed, detail }) => `  ${passed ? 'ok' : 'FAILED'}  ${name}${detail && `: ${detail}`}`);
  const status = ok ? 'pass' : 'fail';
  return { ok, status, checks, failures, toString: () => [`${status}: ${url}`, ...lines].join('\n') };
}

const check = (name, passed, detail) => ({ name, passed, detail: passed ? '' : detail });

const equal = (name, found, wanted) =>
  check(name, found === wanted, `${JSON.stringify(found)}, not ${JSON.stringify(wanted)}`);

const contentType = (response) => (response.headers.get('content-type') ?? '').split(';')[0].trim().toLowerCase();

function isGrant(response) {
  if (contentType(response) !== MEDIA_TYPE) return check('grant', false, `Content-Type is "${contentType(response)}"`);
  try {
    grant(JSON.parse(response.start));
    return check('grant', true);
  } catch (error) {
    return check('grant', false, error.message);
  }
}

function nothingInternal(response) {
  const out = FOR_SERVERS.filter((name) => response.headers.has(name));
  if (contentType(response) === MEDIA_TYPE) out.push('the grant');
  return check('nothing internal', !out.length, `${out.join(', ')} came out`);
}

const range = ({ error, status, size }) => check('range', status === 206 && size === 1, error ?? `${status}, ${size} bytes`);

// What a health location says itself, where the response is of one.
function told(response) {
  let said = null;
  try {
    if (contentType(response).endsWith('json')) said = JSON.parse(response.start);
  } catch {
    // a download that is no JSON after all
  }
  if (typeof said?.checks !== 'object') return [];
  const checks = [check('health', said.status === 'pass', `status is ${JSON.stringify(said.status)}`)];
  for (const [name, value] of Object.entries(said.checks)) {
    // one for each, or a list where there are several of a kind
    for (const one of Array.isArray(value) ? value : [value]) {
      checks.push(check(`health: ${name}`, (one?.status ?? one) === 'pass', JSON.stringify(one)));
    }
  }
  return checks;
}
