// Who is logged in here. The access token is in memory only.
//
// The refresh token is good once, and whoever uses an old one ends the log-in. A browser can duplicate a tab, so the tabs of one
// log-in share the newest one and take turns: it lies in localStorage, sealed by a key in sessionStorage that these tabs have and
// no other. When the last of them is closed nobody can open it any more.

import { Problem, send } from "./http.js";

const HERE = "log-in"; // in sessionStorage: a name for the log-in, and the key
const SEALED = "log-in "; // in localStorage, with that name behind it
const EARLY = 30_000; // milliseconds: refreshed before it is refused
const IDLE = 7 * 86_400_000; // a log-in that nobody used for so long is over

let access = null; // { token, until }
let renewing = null;
let leave = () => {};
let again = (error) => Promise.reject(error);
let held = Promise.resolve();

// Called when the log-in is over, by this tab or another.
export function onLeave(callback) {
  leave = callback;
}

// Called when the log-in has ended by itself: `callback(error)` resolves when somebody has logged in again.
export function onExpired(callback) {
  again = callback;
}

// What the browser kept, which may be damaged; null for that too.
function read(storage, name) {
  try {
    return JSON.parse(storage.getItem(name));
  } catch {
    return null;
  }
}

// Something is shown this one time, and the log-in ends with it: nobody is asked to log in again before what is returned is called,
// or `signal` ends.
export function hold(signal) {
  let release;
  held = new Promise((done) => {
    release = done;
  });
  signal.addEventListener("abort", release, { once: true });
  return release;
}

const place = () => read(sessionStorage, HERE);

// Is somebody logged in, or was before the page was loaded anew?
export const known = () => Boolean(place());

// Returns how many log-ins failed since the last one that did not.
export async function logIn(name, password, code) {
  const granted = await (await send("POST", "/auth/login", { body: { name, password, code, client: client() } })).json();
  await enter(granted);
  return granted.failed_before;
}

// Log-ins by somebody else, by name.
export async function elsewhere() {
  const { items } = await (await send("GET", "/auth/logins")).json();
  return items.filter((each) => each.open).map((each) => each.name);
}

// Somebody is back from a log-in elsewhere. The code is good once, with the cookie that this browser has.
export async function arrive(code) {
  const answer = await send("POST", "/auth/logins/exchange", { body: { code, client: client() }, cookies: true });
  await enter(await answer.json());
}

// Takes the tokens of a log-in.
async function enter(granted) {
  sweep();
  const random = (size) => text(crypto.getRandomValues(new Uint8Array(size)));
  const here = { name: random(12), key: random(32) };
  sessionStorage.setItem(HERE, JSON.stringify(here));
  await take(here, granted);
}

export const register = (code, name, password) => send("POST", "/auth/register", { body: { code, name, password } });

export const logOut = () => ended(false);
export const logOutEverywhere = () => ended(true);

async function ended(everywhere) {
  try {
    await send("POST", "/auth/logout", { body: { everywhere }, token: await fresh() });
  } finally {
    forget();
    leave();
  }
}

// An access token that is good for a while; not the one that was refused. However many wait, one asks.
export async function fresh(refused = "") {
  if (!access || access.token === refused || Date.now() > access.until) {
    renewing ??= renew().finally(() => {
      renewing = null;
    });
    await renewing;
  }
  return access.token;
}

async function renew() {
  try {
    const here = place();
    await (navigator.locks ? navigator.locks.request(SEALED + here?.name, () => refresh(here)) : refresh(here));
  } catch (error) {
    if (error.status !== 401) throw error;
    forget();
    await held;
    await again(error);
  }
}

async function refresh(here) {
  const last = here && (await unsealed(here));
  if (!last) throw new Problem({ detail: "The log-in is over.", hint: "Log in again." }, 401);
  await take(here, await (await send("POST", "/auth/refresh", { body: { refresh_token: last } })).json());
}

async function take(here, granted) {
  access = { token: granted.access_token, until: Date.now() + granted.expires_in * 1000 - EARLY };
  const iv = crypto.getRandomValues(new Uint8Array(12));
  const sealed = await crypto.subtle.encrypt(
    { name: "AES-GCM", iv },
    await opener(here, "encrypt"),
    new TextEncoder().encode(granted.refresh_token),
  );
  localStorage.setItem(
    SEALED + here.name,
    JSON.stringify({ at: Date.now(), iv: text(iv), sealed: text(new Uint8Array(sealed)) }),
  );
}

// The newest refresh token of these tabs; "" if there is none that can be read.
async function unsealed(here) {
  try {
    const kept = read(localStorage, SEALED + here.name);
    return new TextDecoder().decode(
      await crypto.subtle.decrypt({ name: "AES-GCM", iv: bytes(kept.iv) }, await opener(here, "decrypt"), bytes(kept.sealed)),
    );
  } catch {
    return "";
  }
}

const opener = (here, use) => crypto.subtle.importKey("raw", bytes(here.key), "AES-GCM", false, [use]);
const text = (found) => btoa(String.fromCharCode(...found));
const bytes = (found) => Uint8Array.from(atob(found), (each) => each.charCodeAt(0));

function forget() {
  const here = place();
  access = null;
  sessionStorage.removeItem(HERE);
  if (here) localStorage.removeItem(SEALED + here.name);
}

// What tabs left that were closed without logging out.
function sweep() {
  for (const name of Object.keys(localStorage).filter((each) => each.startsWith(SEALED))) {
    if (!(Date.now() - read(localStorage, name)?.at < IDLE)) localStorage.removeItem(name);
  }
}

// What the list of log-ins calls this one: browser and system, as far as the browser tells them.
function client() {
  const browser = navigator.userAgent.match(/(Firefox|Edg|OPR|Chrome|Safari)\/(\d+)/);
  const system = navigator.userAgent.match(/Windows|Android|iPhone|iPad|Mac OS X|Linux/);
  return ["dashboard", browser ? `${browser[1]} ${browser[2]}` : "", system ? system[0] : ""].filter(Boolean).join(", ");
}

// Another tab of this log-in has logged out.
addEventListener("storage", (event) => {
  const here = place();
  if (!here || event.key !== SEALED + here.name || event.newValue !== null) return;
  forget();
  leave();
});
