// An assertion for the app's tests.

import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';

import { GrantError, MEDIA_TYPE, grant } from './grant.js';

export async function assertGrant(response, expected = {}) {
  const { status, header, body } = await taken(response);
  const fail = (message) => assert.fail(message);
  if (status !== 200) fail(`no grant: the app answered ${status}: ${body.slice(0, 200)}`);
  const type = header('content-type') ?? '';
  if (type.split(';')[0].trim().toLowerCase() !== MEDIA_TYPE) fail(`no grant: Content-Type is "${type}", not ${MEDIA_TYPE}`);
  const coding = header('content-encoding');
  if (coding) fail(`nginx would refuse this grant: it has Content-Encoding "${coding}"`);
  let found;
  try {
    found = grant(JSON.parse(body));
  } catch (error) {
    if (error instanceof GrantError || error instanceof SyntaxError) fail(`nginx would refuse this grant: ${error.message}`);
    throw error;
  }
  for (const [name, value] of Object.entries(expected)) compare(found, name, value);
  return found;
}

function compare(found, name, value) {
  const about = `the grant's ${name}: ${JSON.stringify(found)}`;
  if (name === 'headers' && value) {
    const has = Object.fromEntries(Object.entries(found.headers ?? {}).map(([field, text]) => [field.toLowerCase(), text]));
    for (const [field, text] of Object.entries(value)) {
      assert.equal(has[field.toLowerCase()] ?? null, text, `the grant's header ${field}: ${JSON.stringify(has)}`);
    }
  } else if (name === 'content') {
    const { content, base64 } = found.file;
    if (content === undefined && base64 === undefined) assert.fail(`the grant brings no content along: ${JSON.stringify(found)}`);
    const bytes = content === undefined ? Buffer.from(base64, 'base64') : Buffer.from(content);
    assert.deepEqual(bytes, Buffer.from(value), about);
  } else if (FIELDS.includes(name)) {
    assert.deepEqual(found[name] ?? null, value, about);
  } else {
    throw new TypeError(`assertGrant() knows no "${name}": a grant has no such field`);
  }
}

const FIELDS = [
  'file',
  'basename',
  'attachment',
  'mimetype',
  'charset',
  'encoding',
  'etag',
  'modified',
  'size',
  'headers',
  'limit_rate',
  'limit_rate_after',
  'cache',
];

// fetch() says status, supertest and Fastify's inject() say statusCode and have plain headers.
async function taken(response) {
  const { headers } = response;
  const header = (name) => (typeof headers.get === 'function' ? headers.get(name) : headers[name]);
  const text = typeof response.text === 'function' ? await response.text() : (response.payload ?? response.text);
  // supertest leaves what it does not know in a buffer
  const body = text ?? (Buffer.isBuffer(response.body) ? response.body.toString() : JSON.stringify(response.body));
  return { status: response.status ?? response.statusCode, header, body };
}
