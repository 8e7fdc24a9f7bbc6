import type { IncomingMessage } from 'node:http';

/** The media type of grants. */
export const MEDIA_TYPE: 'application/vnd.nginx-download.grant+json';

/** The most bytes that a grant may have: `download_grant_max_size`, as nginx has it by default. */
export const MAX_SIZE: 65536;

/** nginx would refuse this grant, or find no file by it; the message says which field is wrong. */
export class GrantError extends TypeError {}

/** What a client may have. */
export type File =
  | { storage: string; path: string }
  | { path: string }
  | { location: string }
  | { url: string }
  | { content: string }
  | { base64: string };

/** A file, and what is said about it. What is absent or `null` is left to nginx. */
export interface Grant {
  file: File;
  /** The name to save the file under; any character but line ends. */
  basename?: string | null;
  /** Save the file, or show it. */
  attachment?: boolean | null;
  /** Content-Type, with or without parameters. */
  mimetype?: string | null;
  charset?: string | null;
  /** The Content-Encoding that the file is stored in. */
  encoding?: string | null;
  /** In its quotes: `"v1"` or `W/"v1"`. */
  etag?: string | null;
  /** Last-Modified in Unix seconds. */
  modified?: number | null;
  size?: number | null;
  /** Header fields for the client. */
  headers?: Record<string, string> | null;
  /** Bytes per second; 0: no limit. */
  limit_rate?: number | null;
  /** Bytes that are sent at full speed first. */
  limit_rate_after?: number | null;
  /** For how many seconds nginx may remember the decision, and how it can be revoked. */
  cache?: { ttl?: number | null; tags?: readonly string[] | null } | null;
}

/** Checks a grant as strictly as nginx does. Throws a GrantError. */
export function grant(values: Grant): Readonly<Grant>;

/** The grant as the body of an answer. Throws a GrantError, also if it is larger than nginx takes. */
export function grantBody(values: Grant, options?: { maxSize?: number }): string;

/** The `file` of a grant that brings its content along: as text if it is UTF-8. */
export function content(body: string | Uint8Array): { content: string } | { base64: string };

/** A response of Express or node:http, or a reply of Fastify, which the app has not sent yet. */
export type Answer = NodeResponse | FastifyReply;

interface NodeResponse {
  statusCode: number;
  getHeaders(): object;
  setHeader(name: string, value: string | number): unknown;
  removeHeader(name: string): unknown;
  end(body: string): unknown;
}

interface FastifyReply {
  getHeaders(): object;
  removeHeader(name: string): unknown;
  code(status: number): unknown;
  header(name: string, value: string): unknown;
  send(body: string): unknown;
}

/**
 * Answers with a grant. Header fields that the response has so far are said in the grant, too;
 * cookies stay on the response, and nginx passes them on.
 */
export function sendGrant<R extends Answer>(response: R, values: Grant, options?: { maxSize?: number }): R;

/** Is it nginx who asks? It sends the token: `proxy_set_header X-Download-Token ...`. */
export function fromNginx(request: Pick<IncomingMessage, 'headers'>, token: string): boolean;

export interface Claims {
  /** Unix seconds, or a Date. */
  expires: number | Date;
  notBefore?: number | Date;
  /** `GET`: GET and HEAD. */
  method?: 'GET' | 'HEAD';
  /** The client's IP address or network, such as `192.0.2.0/24`. */
  address?: string;
  /** A directory, not percent-encoded: the query of this link is good for every path below. */
  prefix?: string;
  basename?: string;
  attachment?: boolean;
  limitRate?: number;
  /** The argument that carries the signature: `signature`. */
  arg?: string;
}

/**
 * A link that may be fetched until it expires, for `download_signature hmac-sha256`. The URL, or its
 * path, is percent-encoded already; the key is a line of nginx's key file.
 */
export function signUrl(url: string, key: string | Uint8Array, claims: Claims): string;

/** nginx did not revoke: what was remembered still counts. */
export class RevokeError extends Error {}

export interface Revocation {
  /** Decisions with any of these tags. */
  tags?: string[];
  /** The decision for this key, part by part as in `download_cache_key`. */
  key?: string[];
  /** Cut transfers off that began by one of these decisions. */
  cut?: boolean;
  /** In milliseconds: 5000. */
  timeout?: number;
}

/** Makes nginx forget decisions; how many it forgot. `url` is that of a location with `download_revoke`. */
export function revoke(url: string | URL, revocation: Revocation): Promise<number>;

export interface Expected {
  /** 200. Redirects are not followed. */
  status?: number;
  body?: string | Uint8Array;
  size?: number;
  /** In hexadecimal. */
  sha256?: string;
  /** Fields that the response has to have; `null`: it must not have it. */
  headers?: Record<string, string | null>;
  /** How the field Server has to begin. */
  server?: string;
  /** Ask for the first byte as well; it has to come as a 206. */
  ranges?: boolean;
  /** The URL is the app's own, around nginx: the response has to be a grant. */
  grant?: boolean;
  requestHeaders?: Record<string, string>;
  /** In milliseconds: 10000. */
  timeout?: number;
}

export interface Check {
  name: string;
  passed: boolean;
  detail: string;
}

export interface Health {
  ok: boolean;
  status: 'pass' | 'fail';
  checks: Check[];
  failures: Check[];
  toString(): string;
}

/**
 * Fetches a download through the deployed server and says whether it is what it should be. The answer of
 * a health location, `{"status": "pass", "checks": {...}}`, is understood where nothing is said of
 * the body. Does not throw for what the server does.
 */
export function checkLive(url: string | URL, expected?: Expected): Promise<Health>;

/** What fields of a grant have to be; `null`: the grant must not have it. */
export interface ExpectedGrant extends Partial<Omit<Grant, 'headers'>> {
  /** Those of the fields that matter, in whatever case; `null` as a value: it has no such field. */
  headers?: Record<string, string | null> | null;
  /** What the grant brings along. */
  content?: string | Uint8Array;
}

/**
 * Asserts that a response is a grant that nginx would take: one of fetch(), of supertest, or of
 * Fastify's inject(). Returns the grant.
 */
export function assertGrant(response: object, expected?: ExpectedGrant): Promise<Readonly<Grant>>;
