// A certified provider of OpenID Connect (npm: oidc-provider), with its own pages for logging in and consenting.
// Arguments: port, redirect address, client's id and secret. Everybody is of the group "staff".
import Provider from "oidc-provider";

const [port, callback, client_id, client_secret] = process.argv.slice(2);
const DEVICE = "urn:ietf:params:oauth:grant-type:device_code";
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [{ client_id, client_secret, redirect_uris: [callback], grant_types: ["authorization_code", DEVICE], response_types: ["code"] }],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"] },
  conformIdTokenClaims: false,
  cookies: { keys: ["of a test"] },
  features: { devInteractions: { enabled: true }, deviceFlow: { enabled: true } },
  findAccount: (_context, id) => ({
    accountId: id,
    claims: async () => ({ sub: id, preferred_username: id, groups: ["staff"] }),
  }),
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
