// The client page: fills the tool and the key into the examples, and polls for the first event.
const form = document.querySelector("#fill");
const waiting = document.querySelector("#waiting");
const seen = document.querySelector("#seen");
const project = form.dataset.project;
const codes = [...document.querySelectorAll("figure.example code")].map((code) => [code, code.textContent]);
const PAUSE = 2000; // ms between two polls

function fill() {
  const tool = /^[a-z0-9][a-z0-9._-]*$/.test(form.elements.tool.value) ? form.elements.tool.value : "mytool";
  const key = /^[\w-]+$/.test(form.elements.key.value.trim()) ? form.elements.key.value.trim() : "";
  for (const [code, text] of codes) code.textContent = text.replaceAll("mytool", tool).replace(/(key["']?\s*[:=]\s*)""/gi, `$1"${key}"`);
}
form.addEventListener("input", fill);
form.addEventListener("submit", (event) => event.preventDefault());

async function ask(query, variables) {
  const answer = await fetch(form.action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ query, variables }) });
  const document = await answer.json();
  if (document.errors || !document.data) throw new Error(document.errors?.[0]?.message ?? `The server answered ${answer.status}.`);
  return [document.data, Date.parse(answer.headers.get("Date") ?? "") || Date.now()];
}

const NEWEST = `query ($slug: String!) { project(slug: $slug) { events(first: 1) { nodes {
  id name receivedAt outcome duration errorType errorMessage environment os arch runtime version packageManager agent installSource interactive properties install { hash } } } } }`;

async function newest() {
  const [data, now] = await ask(NEWEST, { slug: project });
  if (!data.project) throw new Error("No such project, or no access to it.");
  return [data.project.events.nodes[0], now];
}

function show(event, now) {
  const seconds = Math.max(0, Math.round((now - Date.parse(event.receivedAt)) / 1000));
  waiting.textContent = `The event arrived ${seconds === 1 ? "1 second" : `${seconds} seconds`} ago:`;
  const { receivedAt, install, properties, id, ...fields } = event;
  const given = typeof properties === "string" ? JSON.parse(properties || "{}") : (properties ?? {});
  const rows = Object.entries({ ...fields, installation: install?.hash, ...given }).filter(([, value]) => value !== null && value !== undefined);
  seen.replaceChildren(
    ...rows.flatMap(([name, value]) => {
      const [term, text] = [document.createElement("dt"), document.createElement("dd")];
      term.textContent = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`).replaceAll("_", " ");
      text.textContent = typeof value === "object" ? JSON.stringify(value) : String(value);
      return [term, text];
    }),
  );
  seen.hidden = false;
}

async function watch() {
  let [known] = await newest(); // throws without a login
  document.querySelector("#arrival").classList.add("open");
  waiting.textContent = known ? "Waiting for the next event …" : "Waiting for the first event …";
  let shown;
  for (;;) {
    await new Promise((resolve) => setTimeout(resolve, PAUSE));
    if (document.hidden) continue;
    try {
      const [event, now] = await newest();
      if (event && event.id !== known?.id) shown = known = event;
      if (shown) show(shown, now);
    } catch {
      waiting.textContent = "The server cannot be reached. Still waiting …";
    }
  }
}

const make = document.querySelector("#make-key");
make.addEventListener("click", async () => {
  const mutation = "mutation ($slug: String!) { createKey(scopes: [INGEST], slug: $slug, name: \"clients\") { secret errors { message } } }";
  try {
    const [{ createKey }] = await ask(mutation, { slug: project });
    if (!createKey.secret) throw new Error(createKey.errors[0]?.message ?? "No key was created.");
    form.elements.key.value = createKey.secret;
    make.disabled = true;
    fill();
  } catch (error) {
    make.textContent = error.message;
  }
});

watch().catch(() => {});
newest().then(() => (make.hidden = false), () => {});
