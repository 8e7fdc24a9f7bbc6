// Express: the app names the file, nginx sends it.
//
// MEDIA_ROOT and PORT come by the environment; who has the cookie user=alice may have the files.

const fs = require('node:fs');
const path = require('node:path');
const express = require('express');

const root = process.env.MEDIA_ROOT;
const app = express();

// Else Express makes an ETag of the body that the file takes the place of: the same for every file.
app.disable('etag');

function onlyAlice(req, res, next) {
  if (/(^|; )user=alice(;|$)/.test(req.headers.cookie || '')) return next();
  res.status(403).type('text/plain').send('not for you');
}

const encoded = (name) => name.split('/').map(encodeURIComponent).join('/');

app.get('/files/*name', onlyAlice, (req, res) => {
  const name = req.params.name.join('/');
  if (!fs.existsSync(path.join(root, name))) return res.status(404).type('text/plain').send('no such file');
  res.attachment(name);
  res.set('Cache-Control', 'private, max-age=60');
  res.set('X-Of-The-App', 'kept');
  res.append('Link', '</a>; rel=next');
  res.append('Link', '</b>; rel=prev');
  res.cookie('seen', '1');
  res.cookie('read', '2');
  res.set('X-Accel-Redirect', '/protected/' + encoded(name));
  res.send();
});

// With an ETag that is the app's: Express itself answers 304, and X-Accel-Redirect is there still.
app.get('/tagged/*name', onlyAlice, (req, res) => {
  res.set('ETag', '"of-the-app"');
  res.set('X-Accel-Redirect', '/protected/' + encoded(req.params.name.join('/')));
  res.type('text/plain').send();
});

// By its path on disk.
app.get('/sendfile/*name', onlyAlice, (req, res) => {
  const file = Buffer.from(path.join(root, ...req.params.name)).toString('latin1');
  res.set('X-Sendfile', file).type('text/plain').send();
});

// Some of the file, as lighttpd has it: two parts, joined.
app.get('/parts/:name', onlyAlice, (req, res) => {
  const file = encodeURIComponent(path.join(root, req.params.name)).replaceAll('%2F', '/');
  res.set('X-Sendfile2', `${file} 0-3, ${file} 6-`).type('text/plain').send();
});

// By any of the headers there are, and in one go with a body that is not to be sent.
app.all('/by/:header/*name', onlyAlice, (req, res) => {
  const name = req.params.name.join('/');
  const places = { 'X-Accel-Redirect': '/protected/' + encoded(name) };
  res.set(req.params.header, places[req.params.header] || path.join(root, name));
  res.set('Content-Encoding', 'gzip');
  res.set('Vary', 'Accept-Encoding');
  res.type('text/plain').send('instead of the file\n'.repeat(50_000));
});

app.get('/headers', (req, res) => res.json(req.headers));

app.listen(process.env.PORT, '127.0.0.1');
