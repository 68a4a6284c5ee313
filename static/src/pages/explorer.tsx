import { autocompletion, closeBrackets } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { json } from "@codemirror/lang-json";
import { HighlightStyle, bracketMatching, foldGutter, syntaxHighlighting } from "@codemirror/language";
import { EditorState, type Extension } from "@codemirror/state";
import { EditorView, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { graphql, updateSchema } from "cm6-graphql";
import { buildClientSchema, getIntrospectionQuery, type IntrospectionQuery } from "graphql";
import type { Ref } from "preact";
import { useEffect, useImperativeHandle, useMemo, useRef, useState } from "preact/hooks";
import { useParams } from "../view/address.ts";
import { exchangeText, post } from "../api/client.ts";
import { indented } from "../view/json.ts";
import { DOCUMENTS } from "../generated/documents.ts";
import { Icon } from "../ui/icons.tsx";
import { mainProject, useAccount } from "../view/account.ts";
import { BASE } from "../view/base.ts";

const FIRST = `# Ctrl-Space completes, Ctrl-Enter runs. Completion shows each field's description.
query Hello($slug: String!) {
  me { label scopes }
  project(slug: $slug) {
    overview(period: {last: 30}) {
      events { value change }
      active { people { value } all { value } }
      medianDuration { value }
    }
  }
}
`;
const STORAGE_KEY = "footfall.explorer";

const COLORS = HighlightStyle.define([
  { tag: [tags.keyword, tags.definitionKeyword], color: "var(--code-word)" },
  { tag: [tags.propertyName, tags.atom], color: "var(--accent)" },
  { tag: [tags.string], color: "var(--good)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--code-number)" },
  { tag: [tags.variableName, tags.typeName], color: "var(--code-type)" },
  { tag: tags.comment, color: "var(--soft)" },
]);
const THEME = EditorView.theme({
  "&": { backgroundColor: "transparent", color: "var(--ink)", height: "var(--height)", fontSize: "0.8125rem" },
  "&.cm-focused": { outline: "none" },
  ".cm-content, .cm-gutters": { fontFamily: "var(--mono)" },
  ".cm-gutters": { backgroundColor: "transparent", color: "var(--soft)", border: "none" },
  ".cm-tooltip": { backgroundColor: "var(--raised)", border: "1px solid var(--line)" },
  ".cm-tooltip-autocomplete ul li[aria-selected]": { backgroundColor: "var(--accent-soft)", color: "var(--ink)" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
});

interface Editor {
  text(): string;
  set(text: string): void;
  view: EditorView | null;
}

/** A code editor. */
function Code({ label, start, extensions, handle, size = "" }: { label: string; start: string; extensions: Extension[]; handle: Ref<Editor>; size?: string }) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  useEffect(() => {
    if (!box.current) return;
    const basics = [lineNumbers(), foldGutter(), bracketMatching(), syntaxHighlighting(COLORS), THEME, EditorView.lineWrapping];
    const state = EditorState.create({ doc: start, extensions: [...extensions, ...basics, EditorView.contentAttributes.of({ "aria-label": label })] });
    // In a shadow root CodeMirror uses an adopted style sheet. In the page it would add an inline style, which the Content-Security-Policy forbids.
    const root = box.current.shadowRoot ?? box.current.attachShadow({ mode: "open" });
    const editor = new EditorView({ state, parent: root, root });
    view.current = editor;
    return () => editor.destroy();
  }, []);
  useImperativeHandle(handle, () => ({
    text: () => view.current?.state.doc.toString() ?? "",
    set: (text: string) => view.current?.dispatch({ changes: { from: 0, to: view.current.state.doc.length, insert: text } }),
    get view() {
      return view.current;
    },
  }));
  return (
    <div class={`editor ${size}`}>
      <h2>{label}</h2>
      <div ref={box} />
    </div>
  );
}

/** The query and variables of the last run, from local storage; empty when the stored value is invalid. */
function storedOperation(): { query?: string; variables?: string } {
  try {
    const { query, variables } = JSON.parse(localStorage.getItem(STORAGE_KEY) ?? "{}") as Record<string, unknown>;
    return { ...(typeof query === "string" ? { query } : {}), ...(typeof variables === "string" ? { variables } : {}) };
  } catch {
    return {};
  }
}

/** GraphQL explorer with completion from the server's schema. */
export default function Explorer() {
  const { projects } = useAccount();
  const query = useRef<Editor>(null);
  const variables = useRef<Editor>(null);
  const answer = useRef<Editor>(null);
  const [note, setNote] = useState("");
  const stored = useMemo(storedOperation, []);
  const requested = useParams()[0].get("project");
  const slug = projects.find((each) => each.slug === requested)?.slug ?? mainProject(projects);

  useEffect(() => {
    document.title = "GraphQL · Footfall";
    const abort = new AbortController();
    post({ query: getIntrospectionQuery({ specifiedByUrl: true }) }, abort.signal)
      .then((data) => query.current?.view && updateSchema(query.current.view, buildClientSchema(data as IntrospectionQuery)))
      .catch((error: Error) => abort.signal.aborted || setNote(error.message));
    return () => abort.abort();
  }, []);

  const run = () => {
    const [text, variablesText] = [query.current?.text() ?? "", variables.current?.text() ?? ""];
    localStorage.setItem(STORAGE_KEY, JSON.stringify({ query: text, variables: variablesText }));
    const values = variablesText.trim() || "{}"; // as text: parsing and serializing would round large integers
    try {
      JSON.parse(values);
    } catch {
      setNote("The variables are not valid JSON.");
      return;
    }
    const startedAt = performance.now();
    setNote("Running…");
    exchangeText(`{"query":${JSON.stringify(text)},"variables":${values}}`)
      .then((document) => {
        answer.current?.set(indented(document));
        setNote(`${Math.round(performance.now() - startedAt)} ms`);
      })
      .catch((error: Error) => setNote(error.message));
  };
  const choose = (name: string) => {
    const found = DOCUMENTS.find((each) => each.name === name);
    if (!found) return;
    query.current?.set(found.text);
    variables.current?.set(JSON.stringify({ ...found.variables, ...("slug" in found.variables ? { slug } : {}) }, null, 2));
  };
  const runs = keymap.of([{ key: "Mod-Enter", run: () => (run(), true) }]);
  const writing = [runs, history(), closeBrackets(), autocompletion(), keymap.of([...defaultKeymap, ...historyKeymap])];

  return (
    <>
      <div class="choose">
        <button type="button" class="button strong" onClick={run}>
          <Icon name="play" size={14} /> Run
        </button>
        <select aria-label="Example operation" value="" onChange={(event) => choose(event.currentTarget.value)}>
          <option value="">Load an example…</option>
          {DOCUMENTS.map(({ name }) => (
            <option key={name}>{name}</option>
          ))}
        </select>
        <span class="soft" role="status">
          {note}
        </span>
        <span class="soft aside">
          To query from a script, send a key to <code>POST /graphql</code>; see <a href={`${BASE}/docs`}>the reference</a>.
        </span>
      </div>
      <div class="explorer">
        <div class="stack">
          <Code label="Operation" start={stored.query ?? FIRST} extensions={[...writing, graphql()]} handle={query} />
          <Code label="Variables" size="small" start={stored.variables ?? JSON.stringify({ slug })} extensions={[...writing, json()]} handle={variables} />
        </div>
        <Code label="Response" size="tall" start="" extensions={[json(), EditorState.readOnly.of(true)]} handle={answer} />
      </div>
    </>
  );
}
