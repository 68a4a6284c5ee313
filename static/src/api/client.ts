import { HASHES, type Operations } from "../generated/operations.ts";
import { BASE } from "../view/base.ts";

export type Name = keyof Operations;
export type Data<N extends Name> = Operations[N]["data"];
export type Variables<N extends Name> = Operations[N]["variables"];

/** What the server says is wrong. `code` is one of its own words, such as `UNAUTHENTICATED`; `OFFLINE` where it was not reached. */
export class Refused extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

interface Document {
  data?: unknown;
  errors?: { message: string; extensions?: { code?: string } }[];
}

/** Run a documented operation. Throws Refused. */
export async function ask<N extends Name>(name: N, variables: Variables<N>, signal?: AbortSignal): Promise<Data<N>> {
  const extensions = { persistedQuery: { version: 1, sha256Hash: HASHES[name] } };
  return (await post({ operationName: name, variables, extensions }, signal)) as Data<N>;
}

/** Post a body to `/graphql`; the data of its answer. Throws Refused. */
export async function post(body: object, signal?: AbortSignal): Promise<unknown> {
  const document = await exchange(body, signal);
  const error = document.errors?.[0];
  if (error) throw new Refused(error.extensions?.code ?? "FAILED", error.message);
  return document.data;
}

/** Post a body to `/graphql`; its answer as it is. Throws Refused where there is none. */
export async function exchange(body: object, signal?: AbortSignal): Promise<Document> {
  const { status, text } = await send(JSON.stringify(body), signal);
  let document: Document & { detail?: string };
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    throw new Refused("OFFLINE", `The server answered ${status}.`);
  }
  if (document.data !== undefined || document.errors) return document;
  throw new Refused(status >= 500 ? "OFFLINE" : "FAILED", document.detail ?? `The server answered ${status}.`); // a problem document
}

/** The text of an answer, for what must not be parsed: parsing rounds integers beyond 2^53. Throws Refused where there is none. */
export async function exchangeText(body: string): Promise<string> {
  const { status, text } = await send(body);
  if (!text.trimStart().startsWith("{")) throw new Refused("OFFLINE", `The server answered ${status}.`);
  return text;
}

async function send(body: string, signal?: AbortSignal): Promise<{ status: number; text: string }> {
  try {
    const answer = await fetch(`${BASE}/graphql`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body,
      signal: signal ?? null,
    });
    return { status: answer.status, text: await answer.text() };
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Refused("OFFLINE", "The server cannot be reached.");
  }
}
