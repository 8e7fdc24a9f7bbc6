// Around what docs/frameworks/express.md shows: sessions, and a login of one line.
// PAGE is the folder of the page's files.

const express = require('express');
const session = require('express-session');

const app = express();
app.use(session({ secret: 'only for the test', resave: false, saveUninitialized: false }));
app.get('/login', (req, res) => {
  if (req.query.user) req.session.user = req.query.user;
  res.type('text/plain').send('in\n');
});
app.get('/logout', (req, res) => req.session.destroy(() => res.type('text/plain').send('out\n')));
app.use(require(`${process.env.PAGE}/reports`));
app.listen(process.env.PORT, '127.0.0.1');
