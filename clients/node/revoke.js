// Taking back what nginx remembers of the app's decisions: download_revoke.

export class RevokeError extends Error {
  name = 'RevokeError';
}

export async function revoke(url, { tags = [], key = [], cut = false, timeout = 5000 } = {}) {
  const form = new URLSearchParams([...list('tag', tags), ...list('key', key)]);
  if (![...form].length) throw new TypeError('nothing to revoke: give tags, or a key');
  if (cut) form.append('cut', '1');
  let response, body;
  try {
    const signal = AbortSignal.timeout(timeout);
    response = await fetch(url, { method: 'POST', body: form, redirect: 'manual', signal });
    body = await response.text();
  } catch (error) {
    throw new RevokeError(`${url}: ${error.cause?.message ?? error.message}`, { cause: error });
  }
  const said = parsed(body);
  if (response.status !== 200) {
    throw new RevokeError(`${url} answered ${response.status}${said?.error ? `: ${said.error}` : ''}`);
  }
  if (!Number.isInteger(said?.revoked)) throw new RevokeError(`${url} is no location with download_revoke`);
  return said.revoked;
}

function list(name, values) {
  if (!Array.isArray(values)) throw new TypeError('tags and key are lists of strings');
  return values.map((value) => [name, value]);
}

function parsed(body) {
  try {
    return JSON.parse(body);
  } catch {
    return null;
  }
}
