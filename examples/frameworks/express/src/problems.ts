// What a caller is told who does not get what he asks for (RFC 9457), in the same words as the API server's.

import { ConnectionFailed, Problem } from "appliance-client";
import type { ErrorRequestHandler } from "express";

/** An answer that is none. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    detail: string,
    readonly hint: string,
    readonly headers: Record<string, string> = {},
  ) {
    super(detail);
  }
}

/** Who calls has no token, or none that is good now (RFC 6750, section 3). */
export function notKnown(detail: string): Refused {
  const hint = "log in at the node (auth.login, auth.refresh) and send the access token as Authorization: Bearer …";
  return new Refused(401, "Unauthenticated", detail, hint, { "www-authenticate": "Bearer" });
}

/** The answer for an error; undefined if it is another kind of error. What the node says of its own is passed on. */
export function answer(error: unknown): { status: number; headers: Record<string, string>; body: Record<string, unknown> } | undefined {
  if (error instanceof Problem) {
    const headers: Record<string, string> = error.retryAfter === undefined ? {} : { "retry-after": String(error.retryAfter) };
    return { status: error.status, headers, body: error.members };
  }
  const refused =
    error instanceof ConnectionFailed
      ? new Refused(503, "NodeGone", "the node's API server cannot be reached", "ask again later", { "retry-after": "10" })
      : error;
  if (!(refused instanceof Refused)) return undefined;
  const { status, code, hint, headers, message } = refused;
  const body = { type: `urn:appliance:problem:${code}`, status, code, detail: message, hint, retryable: status === 503 };
  return { status, headers, body };
}

/** Middleware for the end of an application. */
export const problems: ErrorRequestHandler = (error, _request, response, next) => {
  const found = answer(error);
  if (found === undefined || response.headersSent) return next(error);
  response.status(found.status).set(found.headers).type("application/problem+json").send(JSON.stringify(found.body));
};
