// Set the saved theme before the first paint, so that a dark page does not flash white. A frame on another page can set its own theme.
const base = document.querySelector('meta[name="footfall-base"]').content;
const framed = location.pathname.startsWith(`${base}/embed/`);
const theme = framed ? new URLSearchParams(location.search).get("theme") : localStorage.getItem("footfall.theme");
if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
