// What an app tells nginx's download module; index.d.ts describes all of it.

export { GrantError, MAX_SIZE, MEDIA_TYPE, content, fromNginx, grant, grantBody, sendGrant } from './grant.js';
export { checkLive } from './health.js';
export { RevokeError, revoke } from './revoke.js';
export { signUrl } from './sign.js';
export { assertGrant } from './testing.js';
