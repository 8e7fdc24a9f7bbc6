import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { createServer } from 'node:http';
import test from 'node:test';

import { MEDIA_TYPE, RevokeError, checkLive, revoke, signUrl } from '../index.js';

const KEY = 'a key of 32 bytes, or even more?';

async function serving(answer, use) {
  const server = createServer(async (request, response) => {
    const pieces = [];
    for await (const piece of request) pieces.push(piece);
    const [status, headers, body] = answer(request, Buffer.concat(pieces).toString());
    response.writeHead(status, headers).end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    return await use(`http://127.0.0.1:${server.address().port}`);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

test('signUrl: as documented', () => {
  // the link in docs/signing.md
  assert.equal(
    signUrl('/dl/report.pdf', KEY, { expires: 1764000000, basename: 'Q3 report.pdf' }),
    '/dl/report.pdf?expires=1764000000&basename=Q3%20report.pdf&signature=k0zhGOz9dQYrGcJCAAIUSHj5iNgkH-4MkPiL_6qRLw8',
  );
});

test('signUrl: what is signed', () => {
  for (const [url, options, signed] of [
    ['/a', {}, '/a?expires=9'],
    ['https://h:8/a%20b', {}, '/a%20b?expires=9'],
    ['/a?x=1&y', {}, '/a?x=1&y&expires=9'],
    ['/a#page=2', {}, '/a?expires=9'],
    ['/a', { expires: new Date(9999) }, '/a?expires=9'],
    ['/a', { notBefore: 8, method: 'GET', limitRate: 0 }, '/a?expires=9&not_before=8&method=GET&limit_rate=0'],
    ['/a', { attachment: false, basename: "é+'/" }, '/a?expires=9&basename=%C3%A9%2B%27%2F&attachment=0'],
    ['/a', { address: '192.0.2.0/24' }, '/a?expires=9&address=192.0.2.0%2F24'],
    ['/a', { address: '2001:db8::/32' }, '/a?expires=9&address=2001%3Adb8%3A%3A%2F32'],
    ['/d/e/f', { prefix: '/d/' }, '/d/?expires=9&prefix=/d/'],
    ['/d%20%C3%A9/f', { prefix: '/d é/' }, '/d%20%C3%A9/?expires=9&prefix=/d%20%C3%A9/'],
  ]) {
    const signature = createHmac('sha256', KEY).update(signed).digest('base64url');
    const [base, fragment] = url.split('#');
    const expected = `${base.split('?')[0]}?${signed.split('?')[1]}&signature=${signature}${fragment ? `#${fragment}` : ''}`;
    assert.equal(signUrl(url, KEY, { expires: 9, ...options }), expected);
  }
});

test('signUrl: refused', () => {
  for (const [url, key, options] of [
    ['a', KEY],
    ['', KEY],
    ['/a b', KEY],
    ['/é', KEY],
    ['/100%', KEY],
    ['/a/../b', KEY],
    ['/a/%2e%2E/b', KEY],
    ["/a?b='", KEY],
    ['/a?expires=1', KEY],
    ['/a?e%78pires=1', KEY],
    ['/a?signature=', KEY],
    ['/a', ''],
    ['/a', `${KEY}\n`],
    ['/a', ` ${KEY}`],
    ['/a', KEY, { expires: -1 }],
    ['/a', KEY, { expires: 1.5 }],
    ['/a', KEY, { expires: undefined }],
    ['/a', KEY, { expires: new Date(NaN) }],
    ['/a', KEY, { method: 'POST' }],
    ['/a', KEY, { address: 'example.org' }],
    ['/a', KEY, { address: '192.0.2.7/33' }],
    ['/a', KEY, { address: 'fe80::1%eth0' }],
    ['/a', KEY, { basename: '' }],
    ['/a', KEY, { basename: 'a\nb' }],
    ['/d/a', KEY, { prefix: '/' }],
    ['/d/a', KEY, { prefix: '/d' }],
    ['/d/a', KEY, { prefix: '/d/./' }],
    ['/d/a', KEY, { prefix: '/e/' }],
    ['/d/', KEY, { prefix: '/d/' }],
  ]) {
    assert.throws(() => signUrl(url, key, { expires: 9, ...options }), TypeError, `${url} ${JSON.stringify(options)}`);
  }
});

test('revoke', async () => {
  let asked;
  const answer = (request, body) => {
    asked = [request.method, request.url, [...new URLSearchParams(body)]];
    return [200, {}, '{"revoked": 3}'];
  };
  await serving(answer, async (url) => {
    assert.equal(await revoke(`${url}/revoke`, { tags: ['user:7', 'é &'], key: ['/a', 's'], cut: true }), 3);
  });
  const form = [['tag', 'user:7'], ['tag', 'é &'], ['key', '/a'], ['key', 's'], ['cut', '1']];
  assert.deepEqual(asked, ['POST', '/revoke', form]);

  for (const [status, body, message] of [
    [400, '{"error": "unknown argument"}', /400: unknown argument/],
    [403, '<html>', /answered 403/],
    [302, '', /answered 302/],
    [200, '<html>', /no location with download_revoke/],
    [200, '[]', /no location with download_revoke/],
  ]) {
    await serving(() => [status, {}, body], (url) => assert.rejects(revoke(url, { tags: ['a'] }), { name: 'RevokeError', message }));
  }
  await assert.rejects(revoke('http://127.0.0.1:1/', { tags: ['a'] }), RevokeError);
  await assert.rejects(revoke('http://127.0.0.1:1/', {}), TypeError);
  await assert.rejects(revoke('http://127.0.0.1:1/', { tags: 'user:7' }), TypeError);
});

const FILE = 'the file\n';

function live({ url, headers }) {
  const json = { 'Content-Type': 'application/health+json' };
  const byNginx = { Server: 'nginx/1.28.3', 'X-By': 'nginx' };
  if (url === '/file') return headers.range === 'bytes=0-0' ? [206, byNginx, 't'] : [200, byNginx, FILE];
  if (url === '/grant') return [200, { 'Content-Type': MEDIA_TYPE }, '{"file":{"path":"/a"}}'];
  if (url === '/wrong') return [200, { 'Content-Type': MEDIA_TYPE }, '{"file":{"path":"a"}}'];
  if (url === '/accel') return [200, { 'X-Accel-Redirect': '/a' }, ''];
  if (url === '/login') return [302, { Location: '/file' }, ''];
  if (url === '/pass') return [200, json, '{"status": "pass", "checks": {"a": {"status": "pass"}, "b": "pass"}}'];
  return [503, json, '{"status": "fail", "checks": {"a": "pass", "b": [{"status": "fail", "output": "no disk"}]}}'];
}

test('checkLive', async () => {
  await serving(live, async (url) => {
    const sha256 = createHash('sha256').update(FILE).digest('hex');
    const headers = { 'x-by': 'nginx', 'X-Not-There': null };
    for (const [path, expected, failures] of [
      ['/file', { body: FILE, size: 9, sha256, headers, server: 'nginx', ranges: true }, []],
      ['/file', { status: 404 }, ['status']],
      ['/file', { body: 'the file' }, ['body']],
      ['/file', { size: 8 }, ['size']],
      ['/file', { sha256: '0' }, ['sha256']],
      ['/file', { headers: { 'X-By': null } }, ['header X-By']],
      ['/file', { server: 'Express' }, ['server']],
      ['/file', { grant: true }, ['grant']],
      ['/login', {}, ['status']],
      ['/grant', { ranges: true }, ['nothing internal', 'range']],
      ['/grant', { grant: true }, []],
      ['/wrong', { grant: true }, ['grant']],
      ['/accel', {}, ['nothing internal']],
      ['/pass', {}, []],
      ['/fail', {}, ['status', 'health', 'health: b']],
    ]) {
      const health = await checkLive(url + path, expected);
      assert.deepEqual(health.failures.map(({ name }) => name), failures, `${health}`);
      assert.equal(health.ok, !failures.length);
      assert.equal(health.status, failures.length ? 'fail' : 'pass');
    }
    assert.match(`${await checkLive(`${url}/fail`)}`, /FAILED {2}health: b: .*no disk/);
  });
  assert.equal((await checkLive('http://127.0.0.1:1/', { timeout: 1000 })).ok, false);
  assert.equal((await checkLive('nothing')).ok, false);
});
