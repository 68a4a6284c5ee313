import { useMemo } from "preact/hooks";
import { navigate, useSearch } from "wouter-preact/use-browser-location";

/** Encodes parameters for an address. Colons and commas stay readable. */
export const queryText = (params: URLSearchParams): string => params.toString().replaceAll("%3A", ":").replaceAll("%2C", ",");

/** Appends parameters to a path. */
export function pathWith(path: string, params: URLSearchParams): string {
  const text = queryText(params);
  return text ? `${path}?${text}` : path;
}

/** The undecoded query of the address, without its question mark. The router's own hook decodes it, and parsing would decode it again. */
export const useQueryText = (): string => useSearch().replace(/^\?/, "");

type Change = (change: (next: URLSearchParams) => void) => void;

/** The parameters of the address, with a function that changes a copy of them and goes there. */
export function useParams(): [URLSearchParams, Change] {
  const text = useQueryText();
  const params = useMemo(() => new URLSearchParams(text), [text]);
  return [params, changeAddress];
}

const changeAddress: Change = (change) => {
  const next = new URLSearchParams(location.search);
  change(next);
  navigate(pathWith(location.pathname, next));
};
