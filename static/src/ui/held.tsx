import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { QueryTextContext, useBrowserQuery, useQueryText } from "../view/address.ts";

const HOLD = 1_000; // ms

/** Provides the query of the browser's address, so that only one component listens to it. */
export function AddressProvider({ children }: { children: ComponentChildren }) {
  return <QueryTextContext.Provider value={useBrowserQuery()}>{children}</QueryTextContext.Provider>;
}

/**
 * Keeps its children and their address as drawn while their data is that of an older address, for at most `HOLD`: to draw the old figures again, with
 * new links, would delay the new figures.
 */
export function Held({ isStale, children }: { isStale: boolean; children: ComponentChildren }) {
  const text = useQueryText();
  const [late, setLate] = useState<string | null>(null); // the address whose data is late
  const isHeld = isStale && late !== text;
  const drawn = useRef({ text, children });
  if (!isHeld) drawn.current = { text, children };
  useEffect(() => {
    if (!isHeld) return undefined;
    const timer = setTimeout(() => setLate(text), HOLD);
    return () => clearTimeout(timer);
  }, [isHeld, text]);
  return <QueryTextContext.Provider value={drawn.current.text}>{drawn.current.children}</QueryTextContext.Provider>;
}
