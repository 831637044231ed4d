// An application built on Express at a node: who calls it, which trace a call belongs to, and the node's API in the caller's name.
//
//   const appliance = new Appliance({ url: "http://127.0.0.1:8470" });
//   app.use(appliance.tracing(), appliance.known());
//   app.get("/peers", async (request, response) => { response.json(await request.node.peers()); });
//   app.use(problems);

import { Client, type Options } from "appliance-client";
import type { RequestHandler } from "express";
import { type Caller, Callers, may } from "./callers.js";
import { Refused } from "./problems.js";
import { step } from "./tracing.js";

export { type Caller, Callers, may } from "./callers.js";
export { Refused, answer, notKnown, problems } from "./problems.js";
export { step } from "./tracing.js";

declare global {
  namespace Express {
    interface Request {
      /** The traceparent of this step; set by `tracing`. */
      trace: string;
      /** Set by `known`. */
      caller: Caller;
      /** The node's API in the caller's name, within the request's trace; set by `known`. */
      node: Client;
    }
  }
}

export interface Settings {
  /** Of the API server. */
  url: string;
  /** As tokens have to name it; left out: whoever has the keys. */
  issuer?: string;
  /** For clients of the API. */
  client?: Omit<Options, "token">;
}

export class Appliance {
  readonly callers: Callers;

  constructor(private readonly settings: Settings) {
    this.callers = new Callers(settings.url, settings.issuer);
  }

  /** Each request belongs to a trace, and its answer tells which. */
  tracing(): RequestHandler {
    return (request, response, next) => {
      request.trace = step(request.get("traceparent"));
      response.set("traceparent", request.trace);
      next();
    };
  }

  /** Only callers with a token; after `tracing`. */
  known(): RequestHandler {
    return async (request, _response, next) => {
      const [caller, token] = await this.callers.known(request.get("authorization"));
      request.caller = caller;
      request.node = this.node(token, request.trace);
      next();
    };
  }

  /** Only callers with one of the roles; after `known`. A program's token must have the scope too: it may less than its user. */
  allowed(roles: readonly string[], scope: string): RequestHandler {
    return (request, _response, next) => {
      if (!may(request.caller, roles, scope)) {
        const hint = `this takes one of the roles ${roles.join(", ")}, and of a program's token the scope ${scope}`;
        throw new Refused(403, "Forbidden", "you may not do this", hint);
      }
      next();
    };
  }

  /** The node's API, as whoever has the token. */
  node(token: string, trace: string): Client {
    const more = this.settings.client ?? {};
    return new Client(this.settings.url, {
      ...more,
      token,
      interceptors: [
        (request, proceed) => {
          request.headers.set("traceparent", trace);
          return proceed(request);
        },
        ...(more.interceptors ?? []),
      ],
    });
  }
}
