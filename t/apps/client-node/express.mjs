// Express with nginx-download.
//
// MEDIA_ROOT and PORT come by the environment; who has the cookie user=alice may have the files.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

// NODE_PATH says where these are, which imports do not heed
const require = createRequire(import.meta.url);
const compression = require('compression');
const express = require('express');
const { content, fromNginx, sendGrant, signUrl } = await import(require.resolve('nginx-download'));

const TOKEN = 'a token of your own';
const root = process.env.MEDIA_ROOT;
const app = express();
app.use(compression({ threshold: 0 }));

app.use((req, res, next) => {
  if (!/(^|; )user=alice(;|$)/.test(req.headers.cookie || '')) return res.status(403).type('text/plain').send('not for you');
  res.set('Cache-Control', 'private, max-age=60');
  res.set('X-Of-The-App', 'kept');
  if (!req.path.includes('cached')) res.cookie('seen', '1');
  next();
});

const files = express.Router();

files.get('/stored/*name', (req, res) => {
  const name = req.params.name.join('/');
  if (!existsSync(path.join(root, name))) return res.status(404).type('text/plain').send('no such file');
  // around nginx
  if (!fromNginx(req, TOKEN)) return res.sendFile(name, { root, cacheControl: false });
  sendGrant(res, { file: { storage: 'media', path: name } });
});

files.get('/named/*name', (req, res) => {
  const file = { storage: 'media', path: req.params.name.join('/') };
  sendGrant(res, { file, basename: 'Größe "7".txt', attachment: false, mimetype: 'text/x-own', etag: '"of-the-app"' });
});

files.get('/made', (req, res) => sendGrant(res, { file: content(Buffer.from('made – ß\n'.repeat(100))), basename: 'made.txt' }));

let asked = 0;
files.get('/cached/*name', (req, res) => {
  asked += 1;
  res.set('Cache-Control', 'no-store');
  const file = { storage: 'media', path: req.params.name.join('/') };
  sendGrant(res, { file, headers: { 'X-Asked': String(asked) }, cache: { ttl: 60, tags: ['user:alice'] } });
});

app.get('/sign/*name', (req, res) => {
  const name = req.params.name.map(encodeURIComponent).join('/');
  res.type('text/plain').send(signUrl(`/media/${name}`, 'a signing key of these tests, it is', { expires: Math.floor(Date.now() / 1000) + 60 }));
});

app.use('/files', files);
app.use(files);
app.listen(process.env.PORT, '127.0.0.1');
