// Fastify with nginx-download.
//
// PORT comes by the environment; who has the cookie user=alice may have the files.

import { createRequire } from 'node:module';

// NODE_PATH says where these are, which imports do not heed
const require = createRequire(import.meta.url);
const { sendGrant } = await import(require.resolve('nginx-download'));
const app = require('fastify')();

app.get('/files/*', async (request, reply) => {
  if (!/(^|; )user=alice(;|$)/.test(request.headers.cookie || '')) return reply.code(403).type('text/plain').send('not for you');
  reply.header('X-Of-The-App', 'kept').header('Set-Cookie', 'seen=1');
  return sendGrant(reply, { file: { storage: 'media', path: request.params['*'] } });
});

await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
