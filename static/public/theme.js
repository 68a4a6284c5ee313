// Before anything is drawn: the theme that was chosen here last, so that a dark page does not flash white.
const theme = localStorage.getItem("footfall.theme");
if (theme) document.documentElement.dataset.theme = theme;
