import type { UseQueryResult } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { ApiError } from "../api/client.ts";
import { Icon } from "./icons.tsx";
import { BASE } from "../view/base.ts";

interface Props<T> {
  answer: UseQueryResult<T, Error>;
  /** Height of the skeleton in px, which prevents layout shifts. */
  height?: number;
  /** A ref to the element around the data, the skeleton or the error. */
  box?: (element: Element | null) => void;
  children: (data: T) => ComponentChildren;
}

/** Renders a query's data, or its skeleton or error. */
export function QueryResult<T>({ answer, height = 200, box, children }: Props<T>) {
  if (answer.data !== undefined) {
    return (
      <div ref={box ?? null} class={answer.isPlaceholderData ? "stale" : ""} aria-busy={answer.isPlaceholderData}>
        {answer.isError && <ErrorNotice error={answer.error} retry={() => void answer.refetch()} slim />}
        {children(answer.data)}
      </div>
    );
  }
  if (answer.isError) {
    return (
      <div ref={box ?? null}>
        <ErrorNotice error={answer.error} retry={() => void answer.refetch()} />
      </div>
    );
  }
  return <div ref={box ?? null} class="skeleton" style={{ height: `${height}px` }} aria-busy="true" aria-label="Loading" role="status" />;
}

/** An error message with a way to recover. */
export function ErrorNotice({ error, retry, slim = false }: { error: Error; retry?: () => void; slim?: boolean }) {
  const code = error instanceof ApiError ? error.code : "";
  if (code === "UNAUTHENTICATED") {
    return (
      <div class={slim ? "trouble slim" : "trouble"} role="alert">
        <p>Log in to see this.</p>
        <a class="button" href={`${BASE}/login?next=${encodeURIComponent(location.pathname + location.search)}`}>
          Log in
        </a>
      </div>
    );
  }
  if (code === "PERSISTED_QUERY_NOT_FOUND" || code === "BROKEN") {
    return (
      <div class="trouble" role="alert">
        <p>{code === "BROKEN" ? error.message : "Footfall was updated since this page was opened."}</p>
        <button type="button" class="button" onClick={() => location.reload()}>
          Reload the page
        </button>
      </div>
    );
  }
  return (
    <div class={slim ? "trouble slim" : "trouble"} role="alert">
      <p>{error.message}</p>
      {retry && (
        <button type="button" class="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  );
}

/** Text in place of missing content; `height` (px) is that of the content. */
export function EmptyState({ height, children }: { height?: number; children: ComponentChildren }) {
  return height === undefined ? (
    <p class="nothing">{children}</p>
  ) : (
    <p class="nothing tall" style={{ minHeight: `${height}px` }}>
      {children}
    </p>
  );
}

/** Copies text to the clipboard and returns whether it succeeded. Falls back to a text field, since plain HTTP has no clipboard API. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "sr";
    field.readOnly = true;
    document.body.append(field);
    const focused = document.activeElement;
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    if (focused instanceof HTMLElement) focused.focus();
    return done;
  }
}

/** A code block with a copy button. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    const done = await copyText(text);
    setCopied(done);
    if (done) setTimeout(() => setCopied(false), 1_500);
  };
  return (
    <div class="copyable">
      <pre tabIndex={0} aria-label={label}>
        <code>{text}</code>
      </pre>
      <button type="button" class="button quiet" onClick={() => void copy()}>
        <Icon name="copy" size={15} /> {copied ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
