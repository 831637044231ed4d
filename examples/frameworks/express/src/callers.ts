// Who calls, by the access token of the API server: a JWT (RFC 9068) that its published keys verify, without asking it each time.
// A token is good for ten minutes, also if its user was locked meanwhile.

import { createRemoteJWKSet, errors, jwtVerify } from "jose";
import { Refused, notKnown } from "./problems.js";

/** Whom access tokens are for. */
const AUDIENCE = "appliance";
/** Characters of a token. */
const LONGEST = 8192;

export interface Caller {
  /** The user's id; it stays when he is called otherwise. */
  readonly user: string;
  readonly roles: readonly string[];
  /** For a program: all that its token may do. Undefined for a user who logged in. */
  readonly scopes: readonly string[] | undefined;
}

/** Has he one of these roles, and his token that scope if it is a program's? */
export function may(caller: Caller, roles: readonly string[], scope: string): boolean {
  return roles.some((role) => caller.roles.includes(role)) && (caller.scopes?.includes(scope) ?? true);
}

/** Judges tokens by the keys of one API server. */
export class Callers {
  private readonly keys: ReturnType<typeof createRemoteJWKSet>;

  /**
   * Keys are fetched anew after five minutes, and for a key that is not known, but at most every ten seconds: who makes tokens up
   * makes nobody fetch. `issuer`: as tokens have to name it, urn:appliance: and the node's identity.
   */
  constructor(
    url: string,
    private readonly issuer?: string,
  ) {
    const address = new URL(`${url.replace(/\/$/, "")}/api/v1/auth/keys`);
    this.keys = createRemoteJWKSet(address, { cacheMaxAge: 300_000, cooldownDuration: 10_000, timeoutDuration: 10_000 });
  }

  /** By the header Authorization, with the token. Throws Refused. */
  async known(authorization: string | undefined): Promise<[Caller, string]> {
    const token = /^bearer ([^ ]+)$/i.exec(authorization ?? "")?.[1];
    if (token === undefined || token.length > LONGEST) throw notKnown("an access token is missing");
    try {
      const { payload } = await jwtVerify(token, this.keys, {
        algorithms: ["EdDSA"],
        audience: AUDIENCE,
        ...(this.issuer === undefined ? {} : { issuer: this.issuer }),
        typ: "at+jwt",
        clockTolerance: 30,
        requiredClaims: ["exp", "iat", "sub", "iss"],
      });
      const { sub, roles, scope } = payload;
      const scopes = typeof scope === "string" ? scope.split(" ") : undefined;
      return [{ user: String(sub), roles: Array.isArray(roles) ? roles.map(String) : [], scopes }, token];
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw notKnown("the access token has expired");
      if (error instanceof errors.JWKSNoMatchingKey || isOfToken(error)) throw notKnown("the access token is not valid");
      throw new Refused(503, "NoKeys", "tokens cannot be verified now", "ask again later", { "retry-after": "10" });
    }
  }
}

/** Is it the token that is wrong, and not the way to the keys? */
function isOfToken(error: unknown): boolean {
  const kinds = [
    errors.JWTClaimValidationFailed, errors.JWTInvalid, errors.JWSInvalid, errors.JWSSignatureVerificationFailed,
    errors.JOSEAlgNotAllowed, errors.JOSENotSupported,
  ]; // prettier-ignore
  return kinds.some((kind) => error instanceof kind);
}
