import { useEffect, useState } from "preact/hooks";

/** Resolves a CSS color variable for a canvas. */
export const color = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** A counter that increases whenever the color theme changes. */
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
