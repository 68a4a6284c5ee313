// A button for each example that may be copied; a phone's table of contents starts folded.
for (const figure of document.querySelectorAll("figure[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const code = figure.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code); // no clipboard without https: selected is half copied
      document.execCommand("copy");
    }
    button.textContent = "Copied";
    setTimeout(() => (button.textContent = "Copy"), 1500);
  });
  figure.querySelector("figcaption").append(button);
}
const contents = document.querySelector("details.contents");
if (contents && matchMedia("(max-width: 60rem)").matches) {
  contents.open = false;
  contents.addEventListener("click", (event) => event.target.closest("a") && (contents.open = false));
}
// A link shown at the first start brings the token behind a #, which no log ever sees: it goes into the form and out of the address.
const token = document.querySelector("#token");
if (token && location.hash.startsWith("#token=")) {
  token.value = decodeURIComponent(location.hash.slice(7));
  history.replaceState(null, "", location.pathname + location.search);
  token.form.querySelector("button").focus();
}
