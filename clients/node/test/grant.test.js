import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import test from 'node:test';

import { GrantError, MAX_SIZE, MEDIA_TYPE, assertGrant, content, fromNginx, grant, grantBody, sendGrant } from '../index.js';

const core = new URL('../../../core/', import.meta.url);
const read = (path) => readFileSync(new URL(path, core), 'utf8');

// Ajv need not be here; NODE_PATH says where it is.
function validator() {
  try {
    const { default: Ajv } = createRequire(import.meta.url)('ajv/dist/2020.js');
    return new Ajv({ strict: false }).compile(JSON.parse(read('grant.schema.json')));
  } catch (error) {
    if (error.code === 'MODULE_NOT_FOUND') return null;
    throw error;
  }
}

function taken(values) {
  try {
    grant(values);
    return true;
  } catch (error) {
    if (error instanceof GrantError) return false;
    throw error;
  }
}

test('corpus', () => {
  for (const [folder, accepted] of [
    ['accepted', true],
    ['refused', false],
  ]) {
    const files = readdirSync(new URL(`tests/grants/${folder}/`, core));
    assert.ok(files.length > 10);
    for (const file of files) {
      const values = JSON.parse(read(`tests/grants/${folder}/${file}`));
      // descriptors cannot be passed; limits.json has one, and numbers that JavaScript cannot have
      const good = accepted && (values.file?.descriptor ?? null) === null;
      assert.equal(taken(values), good, `${folder}/${file}`);
    }
  }
});

const STRINGS = [
  ...['', ' ', 'a', 'a b', '/a/b.txt', 'https://a/b?c', 'é', '日本', '\u202e', 'a\tb', 'a\rb', 'a\nb', 'a\r\n', '\0', 'a\0'],
  ...['\x1b', '\x7f', '\x80', '\x85', '\u2028', '\u{10ffff}', 'a\\', '"', '"a"', 'W/"a"', 'w/"a"', '""', '"a"b"', '"a b"', '"é"'],
  ...['"\x01"', '"a"\n', 'W/', 'gzip', 'gzip, br', 'utf-8', 'utf-8\n', 'text/plain', 'text/html; charset=utf-8'],
  ...['text/html;charset="a\\"b;c"', 'text/html;;a=b ;', 'text/html; ', 'text/html ', ' text/html', 'text/html;a', 'text/html;a='],
  ...['text/html;a =b', 'text/html;a="b', 'text/html;a="b"c', 'text/html;a="é"', 'text/html;a="\t"', 'text/html\n', 'a/b/c'],
  ...['QUJD', 'QUI=', 'QUI', 'QQ==', 'QQ=', 'QQ', 'Q', 'QR==', 'QUJ', 'QUJD=', 'Q===', '=', '_-8=', '+/8=', 'QUJD\n', 'QQ==QQ=='],
  ...['Vary', 'X-Accel', 'X-Accel-Redirect', 'x_accel_mapping', 'X-SENDFILE', 'X-Sendfile2', 'XSendfile', 'X-LIGHTTPD-send-file'],
  ...['X-Reproxy-URL', 'Content-Type', 'content_encoding', 'ETag', 'LAST-MODIFIED', 'Content-Disposition', 'Connection', 'te'],
  ...['Keep-Alive', 'Trailer', 'Trailers', 'Transfer-Encoding', 'Content-Length', 'accept_ranges', 'Status', 'X-A:', 'X A', '(a)'],
];
const OTHERS = [
  ...[null, true, false, 0, 1, -1, 0.5, 1e300, 253402300799, 253402300800, [], [null], [1], ['a', 'b'], ['a', ''], ['a\n']],
  ...[{}, { a: 'b' }, { a: null }, { a: 1 }, { ttl: 1 }, { tags: ['a'] }, { ttl: null, tags: null }, { path: '/a' }],
  ...[{ path: 'a', storage: 'b' }, { file: { path: '/a' } }, { ttl: true }],
];

// Where a path that leads nowhere is refused here, and by nginx later.
function stricter(place, value) {
  if (value === null) return place === 'storage';
  if (place === 'path' || place === 'location') return !value.startsWith('/');
  if (place === 'path in it') return value.startsWith('/') || value.endsWith('/');
  if (place === 'url') return !value.startsWith('https://');
  return place === 'file' && value.a === null;
}

test('every value in every place is judged as by the schema', (t) => {
  const validate = validator();
  if (!validate) return t.skip('ajv is not installed');
  const file = { path: '/a' };
  const places = {
    storage: (value) => ({ file: { storage: value, path: 'a' } }),
    'path in it': (value) => ({ file: { storage: 'a', path: value } }),
    tag: (value) => ({ file, cache: { tags: ['a', value] } }),
    header: (value) => ({ file, headers: { 'X-A': value } }),
    'header name': (value) => ({ file, headers: { [String(value)]: 'a' } }),
    ttl: (value) => ({ file, cache: { ttl: value } }),
    'with headers': (value) => ({ file, basename: value, headers: { content_Disposition: 'inline' } }),
  };
  for (const kind of ['path', 'location', 'url', 'content', 'base64']) places[kind] = (value) => ({ file: { [kind]: value } });
  for (const field of ['file', 'basename', 'attachment', 'mimetype', 'charset', 'encoding', 'etag', 'modified', 'size', 'headers']) {
    places[field] = (value) => ({ file, [field]: value });
  }
  for (const field of ['limit_rate', 'limit_rate_after', 'cache']) places[field] = (value) => ({ file, [field]: value });
  let good = 0;
  for (const [place, made] of Object.entries(places)) {
    for (const value of [...STRINGS, ...OTHERS]) {
      const values = made(value);
      const accepted = validate(values) && !stricter(place, value);
      assert.equal(taken(values), accepted, JSON.stringify(values));
      good += accepted;
    }
  }
  assert.ok(good > 200);
});

test('messages name the field', () => {
  for (const [values, message] of [
    [{ basename: 'a\nb' }, /basename must not contain CR, LF or NUL/],
    [{ etag: 'v1' }, /etag is not an entity tag in its quotes: "v1"/],
    [{ modified: 1.5 }, /modified is no whole number/],
    [{ modified: 10n }, /modified is no whole number/],
    [{ headers: { 'Content-Type': 'a/b' } }, /use the grant's field "mimetype"/],
    [{ headers: { 'X-A': 'a\r\nB: c' } }, /no control character but tab/],
    [{ headers: { 'X-A': 'a', 'x-a': 'b' } }, /comes twice/],
    [{ cache: { tags: 'user:7' } }, /tags is no list/],
    [{ basename: '\ud800' }, /cannot be written in UTF-8/],
    [{ filename: 'a' }, /unknown field "filename"/],
    [{ file: { path: '/a/../b' } }, /".." segment/],
    [{ file: { path: '/a/' } }, /is a directory/],
    [{ file: { location: 'a?b' } }, /must begin with a slash/],
    [{ file: { url: 'ftp://a/' } }, /http:\/\//],
    [{ file: { descriptor: 0 } }, /cannot pass/],
    [{ file: null }, /file is missing/],
  ]) {
    assert.throws(() => grant({ file: { path: '/a' }, ...values }), (error) => error instanceof GrantError && message.test(error.message));
  }
});

test('size', () => {
  const body = 'é'.repeat(MAX_SIZE / 2);
  assert.throws(() => grantBody({ file: { content: body } }), /nginx takes 65536/);
  assert.ok(grantBody({ file: { content: body } }, { maxSize: 1 << 20 }).length > MAX_SIZE / 2);
  assert.equal(grantBody({ file: { path: '/a' }, size: null }), '{"file":{"path":"/a"}}');
});

test('content', () => {
  assert.deepEqual(content('é'), { content: 'é' });
  assert.deepEqual(content(Buffer.from('\ufeffé')), { content: '\ufeffé' });
  assert.deepEqual(content(new Uint8Array([0xff, 0])), { base64: '/wA=' });
});

async function answered(app, use) {
  const server = createServer(app).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('sendGrant and assertGrant', async () => {
  const app = (request, response) => {
    response.setHeader('X-Frame-Options', 'DENY');
    response.setHeader('Cache-Control', 'no-store');
    response.setHeader('Link', ['</a>', '</b>']);
    response.setHeader('Set-Cookie', ['a=1', 'b=2']);
    response.setHeader('ETag', 'of the grant');
    response.setHeader('Content-Disposition', 'attachment');
    const ttl = request.url === '/ttl' ? 30 : undefined;
    sendGrant(response, {
      file: { storage: 'media', path: 'q3.pdf' },
      basename: 'Q3.pdf',
      headers: { 'x-frame-options': 'SAMEORIGIN' },
      cache: { ttl, tags: ['a'] },
    });
  };
  await answered(app, async (url) => {
    let response = await fetch(url);
    const found = await assertGrant(response, {
      file: { storage: 'media', path: 'q3.pdf' },
      basename: 'Q3.pdf',
      attachment: null,
      headers: { 'X-Frame-Options': 'SAMEORIGIN', 'Cache-Control': 'no-store', Link: '</a>, </b>', 'Content-Disposition': null },
      cache: { tags: ['a'] },
    });
    assert.equal(found.headers['set-cookie'], undefined);
    assert.deepEqual(response.headers.getSetCookie?.() ?? ['a=1', 'b=2'], ['a=1', 'b=2']);
    assert.equal(response.headers.get('etag'), null);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    response = await fetch(`${url}ttl`);
    await assertGrant(response, { headers: { 'Cache-Control': 'no-store' }, cache: { ttl: 30, tags: ['a'] } });
    // it would keep nginx from remembering, which cache allows
    assert.equal(response.headers.get('cache-control'), null);
    assert.equal((await fetch(url, { method: 'HEAD' })).status, 200);
  });
});

test('assertGrant fails', async () => {
  const response = (body, more = {}) => ({
    statusCode: 200,
    headers: { 'content-type': MEDIA_TYPE },
    payload: JSON.stringify(body),
    ...more,
  });
  const good = { file: { content: 'abc' }, headers: { A: 'b' }, size: 3 };
  for (const [answer, expected, message] of [
    [response(good, { statusCode: 403 }), {}, /the app answered 403/],
    [response(good, { headers: {} }), {}, /Content-Type is ""/],
    [response(good, { headers: { 'content-type': MEDIA_TYPE, 'content-encoding': 'gzip' } }), {}, /Content-Encoding "gzip"/],
    [response({ file: {} }), {}, /nginx would refuse this grant/],
    [response(good, { payload: '{' }), {}, /nginx would refuse this grant/],
    [response(good), { file: { path: '/a' } }, /the grant's file/],
    [response(good), { size: null }, /the grant's size/],
    [response(good), { headers: { a: 'c' } }, /the grant's header a/],
    [response(good), { content: 'abd' }, /the grant's content/],
    [response({ file: { path: '/a' } }), { content: '' }, /brings no content/],
  ]) {
    await assert.rejects(assertGrant(answer, expected), { name: 'AssertionError', message });
  }
  await assert.rejects(assertGrant(response(good), { filename: 'a' }), TypeError);
  await assertGrant(response({ file: { base64: '/w' } }), { content: Buffer.from([0xff]), basename: null });
});

test('fromNginx', () => {
  assert.equal(fromNginx({ headers: { 'x-download-token': 'a' } }, 'a'), true);
  assert.equal(fromNginx({ headers: { 'x-download-token': 'b' } }, 'a'), false);
  assert.equal(fromNginx({ headers: {} }, 'a'), false);
});
