import { useEffect, useState } from "preact/hooks";

/** The colours of the page, as a canvas needs them. */
export const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Changes whenever the page's colours do. */
export function useTheme(): number {
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    const turned = () => setTurn((last) => last + 1);
    const preference = matchMedia("(prefers-color-scheme: dark)");
    const observer = new MutationObserver(turned);
    observer.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    preference.addEventListener("change", turned);
    return () => {
      observer.disconnect();
      preference.removeEventListener("change", turned);
    };
  }, []);
  return turn;
}
