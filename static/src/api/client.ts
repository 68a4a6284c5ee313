import { HASHES, type Operations } from "../generated/operations.ts";
import { BASE } from "../view/base.ts";

export type Name = keyof Operations;
export type Data<N extends Name> = Operations[N]["data"];
export type Variables<N extends Name> = Operations[N]["variables"];

/** An error response. `code` is the server's error code, such as `UNAUTHENTICATED`, or `OFFLINE` when the server is unreachable. */
export class ApiError extends Error {
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

/** Runs a persisted operation. Throws ApiError. */
export async function runOperation<N extends Name>(name: N, variables: Variables<N>, signal?: AbortSignal): Promise<Data<N>> {
  const extensions = { persistedQuery: { version: 1, sha256Hash: HASHES[name] } };
  return (await post({ operationName: name, variables, extensions }, signal)) as Data<N>;
}

/** Posts a body to `/graphql` and returns the response's data. Throws ApiError. */
export async function post(body: object, signal?: AbortSignal): Promise<unknown> {
  const document = await exchange(body, signal);
  const error = document.errors?.[0];
  if (error) throw new ApiError(error.extensions?.code ?? "FAILED", error.message);
  return document.data;
}

/** Posts a body to `/graphql` and returns the response document. Throws ApiError if there is none. */
export async function exchange(body: object, signal?: AbortSignal): Promise<Document> {
  const { status, text } = await send(JSON.stringify(body), signal);
  let document: Document & { detail?: string };
  try {
    document = JSON.parse(text) as typeof document;
  } catch {
    throw new ApiError("OFFLINE", `The server responded with status ${status}.`);
  }
  if (document.data !== undefined || document.errors) return document;
  throw new ApiError(status >= 500 ? "OFFLINE" : "FAILED", document.detail ?? `The server responded with status ${status}.`); // problem+json
}

/** Posts a body and returns the unparsed response, because parsing rounds integers beyond 2^53. Throws ApiError if there is none. */
export async function exchangeText(body: string): Promise<string> {
  const { status, text } = await send(body);
  if (!text.trimStart().startsWith("{")) throw new ApiError("OFFLINE", `The server responded with status ${status}.`);
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
    throw new ApiError("OFFLINE", "The server cannot be reached.");
  }
}
