// Adds copy buttons to examples, and folds the table of contents on small screens.
for (const figure of document.querySelectorAll("figure[data-copy]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "Copy";
  button.addEventListener("click", async () => {
    const code = figure.querySelector("code");
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code); // the clipboard requires HTTPS: select the text instead
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
// The login link has the token in its fragment, which servers never receive. Fill it into the form, and remove it from the URL.
const token = document.querySelector("#token");
if (token && location.hash.startsWith("#token=")) {
  token.value = decodeURIComponent(location.hash.slice(7));
  history.replaceState(null, "", location.pathname + location.search);
  token.form.querySelector("button").focus();
}
