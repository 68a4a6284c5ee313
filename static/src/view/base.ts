/** The path under which a proxy serves this server, such as `/telemetry`; empty at the root of a host. The server writes it into the page. */
export const BASE = document.querySelector<HTMLMetaElement>('meta[name="footfall-base"]')?.content ?? "";

/** The address that examples begin with. */
export const ORIGIN = location.origin + BASE;
