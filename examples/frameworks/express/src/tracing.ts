// The trace that a request belongs to (W3C Trace Context): continued from its caller, told to the API server.

import { randomBytes } from "node:crypto";

const FORM = /^([0-9a-f]{2})-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

/** This step of the trace that a request names, or the first of a new one. */
export function step(header: string | undefined): string {
  const span = randomBytes(8).toString("hex");
  const found = FORM.exec(header ?? "");
  if (found === null || found[1] === "ff" || (found[1] === "00" && found[5] !== undefined)) {
    return `00-${randomBytes(16).toString("hex")}-${span}-00`;
  }
  return `00-${found[2]}-${span}-0${Number.parseInt(found[4] ?? "0", 16) & 1}`;
}
