import { useQueryClient } from "@tanstack/preact-query";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";

const SETTLE = 50; // ms for the visible part of a page to begin its queries
const DRAW = 30; // ms for the last of their answers to be drawn, before the others are asked for

/** Reports whether the page has had no running query since `key` changed. Queries that can wait are asked after the others then. */
export function useIdle(key: string, skip = false): boolean {
  const client = useQueryClient();
  const [idle, setIdle] = useState("");
  const waits = !skip && idle !== key;
  useEffect(() => {
    if (!waits) return undefined;
    let unsubscribe = () => {};
    let timer = setTimeout(() => {
      let isScheduled = false;
      const check = () => {
        if (isScheduled || client.isFetching() > 0) return;
        isScheduled = true;
        timer = setTimeout(() => setIdle(key), DRAW);
      };
      check();
      unsubscribe = client.getQueryCache().subscribe(check);
    }, SETTLE);
    return () => {
      clearTimeout(timer);
      unsubscribe();
    };
  }, [client, key, waits]);
  return !waits;
}

/** Reports whether the card with this `ref` may ask: it is on the screen, or the visible part of the page is answered. */
export function useTurn(key: string): { ref: (element: Element | null) => void; isDue: boolean; isVisible: boolean } {
  const [box, setBox] = useState<Element | null>(null);
  const [isVisible, setVisible] = useState(false);
  useLayoutEffect(() => {
    if (!box) return undefined;
    const { top, bottom } = box.getBoundingClientRect();
    setVisible(top < innerHeight && bottom > 0);
    const observer = new IntersectionObserver((entries) => setVisible(entries.at(-1)?.isIntersecting ?? false));
    observer.observe(box);
    return () => observer.disconnect();
  }, [box]);
  return { ref: setBox, isDue: useIdle(key, isVisible), isVisible };
}
