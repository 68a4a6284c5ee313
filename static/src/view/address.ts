import { createContext } from "preact";
import { useContext, useEffect, useMemo, useRef } from "preact/hooks";
import { navigate, useSearch } from "wouter-preact/use-browser-location";

/** Encodes parameters for an address. Colons and commas stay readable. */
export const queryText = (params: URLSearchParams): string => params.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");

/** Appends parameters to a path. */
export function pathWith(path: string, params: URLSearchParams): string {
  const text = queryText(params);
  return text ? `${path}?${text}` : path;
}

/** The undecoded query of the browser's address, without its question mark. The router's own hook decodes it, and parsing would decode it again. */
export const useBrowserQuery = (): string => useSearch().replace(/^\?/, "");

/** The query for which a part of the page is drawn: that of the address, or an older one. */
export const QueryTextContext = createContext("");
export const useQueryText = (): string => useContext(QueryTextContext);

type Change = (change: (next: URLSearchParams) => void) => void;

/** The parameters of the address, with a function that changes a copy of them and goes there. */
export function useParams(): [URLSearchParams, Change] {
  const text = useQueryText();
  const params = useMemo(() => new URLSearchParams(text), [text]);
  return [params, changeAddress];
}

const upcoming = new Set<(params: URLSearchParams) => void>();

/** Calls a function with new parameters of the address before anything is drawn with them, for example to ask a question early. */
export function useUpcomingParams(call: (params: URLSearchParams) => void): void {
  const last = useRef(call);
  last.current = call;
  useEffect(() => {
    const listener = (params: URLSearchParams) => last.current(params);
    upcoming.add(listener);
    return () => void upcoming.delete(listener);
  }, []);
}

const changeAddress: Change = (change) => {
  const next = new URLSearchParams(location.search);
  change(next);
  for (const call of upcoming) call(next);
  navigate(pathWith(location.pathname, next));
};
