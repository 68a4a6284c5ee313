/** Path prefix behind a proxy, such as `/telemetry`; empty at the root of a host. The server writes it into the page. */
export const BASE = document.querySelector<HTMLMetaElement>('meta[name="footfall-base"]')?.content ?? "";

/** Base URL for examples. */
export const ORIGIN = location.origin + BASE;
