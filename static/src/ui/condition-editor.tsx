import { useEffect, useState } from "preact/hooks";
import { useOperation } from "../api/use.ts";
import { type Field, OP_NAMES, labelOf } from "../pages/measures.ts";
import { type Condition, type Op, isSingle, isUnary } from "../view/conditions.ts";
import { useView } from "../view/state.ts";
import { Combobox, type Option } from "./combobox.tsx";
import "./condition-editor.css";
import { Icon } from "./icons.tsx";

const DEBOUNCE = 200; // ms
const MOST_VALUES = 100;
const SHOWN_FIELDS = 60;

interface EditorProps {
  project: string;
  fields: Field[];
  /** The condition to edit; undefined for a new one. */
  start: Condition | undefined;
  apply: (condition: Condition) => void;
  cancel: () => void;
}

/** Form for one condition: field, operator, values. */
export default function ConditionEditor({ project, fields, start, apply, cancel }: EditorProps) {
  const [field, setField] = useState(start?.field ?? "");
  const [search, setSearch] = useState(start ? labelOf(fields, start.field) : "");
  const [op, setOp] = useState<Op>(start?.op ?? "IS");
  const [values, setValues] = useState(start?.values ?? []);
  const [text, setText] = useState(start && isSingle(start.op) ? (start.values[0] ?? "") : "");
  const [missing, setMissing] = useState("");
  const known = fields.find(({ name }) => name === field);
  const ops = known?.ops ?? ["IS"];
  const entered = isUnary(op) ? [] : isSingle(op) ? [text.trim()].filter(Boolean) : [...new Set([...values, text.trim()])].filter(Boolean).slice(0, MOST_VALUES);

  const choose = (name: string) => {
    const chosen = fields.find((each) => each.name === name);
    setField(name);
    setSearch(labelOf(fields, name));
    if (name !== field) setValues([]);
    if (chosen && !chosen.ops.includes(op)) setOp(chosen.ops.find((each) => !isUnary(each)) ?? chosen.ops[0] ?? "IS");
    setMissing("");
  };
  const submit = () => {
    if (!field) setMissing("Choose a field.");
    else if (entered.length === 0 && !isUnary(op)) setMissing("Enter a value.");
    else apply({ field, op, values: entered });
  };
  const options = fieldOptions(fields, field ? "" : search);
  return (
    <form
      class="condition-editor"
      aria-label={start ? "Edit the filter" : "New filter"}
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
      onKeyDown={(event) => event.key === "Escape" && cancel()}
    >
      <Combobox
        label="Field"
        placeholder="Search fields…"
        focused={!start}
        invalid={missing !== "" && !field}
        text={search}
        setText={(next) => {
          setSearch(next);
          setField("");
        }}
        options={options}
        choose={choose}
        nothing={fields.length === 0 ? "Loading…" : "No matching field."}
      />
      {field && (
        <>
          <select aria-label="Operator" value={op} onChange={(event) => setOp(event.currentTarget.value as Op)}>
            {ops.map((each) => (
              <option key={each} value={each}>
                {OP_NAMES[each]}
              </option>
            ))}
          </select>
          {!isUnary(op) && <ValuesInput project={project} field={field} op={op} values={values} setValues={setValues} text={text} setText={setText} submit={submit} invalid={missing !== ""} />}
        </>
      )}
      <div class="inline">
        <button type="submit" class="button strong">
          Apply
        </button>
        <button type="button" class="button" onClick={cancel}>
          Cancel
        </button>
      </div>
      {missing && (
        <p class="wrong" role="alert">
          {missing}
        </p>
      )}
    </form>
  );
}

/** Fields that match a search, by label or name. */
function fieldOptions(fields: Field[], search: string): Option[] {
  const words = search.trim().toLowerCase();
  return fields
    .filter(({ name, label }) => `${label} ${name}`.toLowerCase().includes(words))
    .slice(0, SHOWN_FIELDS)
    .map(({ name, label, kind }) => ({ value: name, label, ...(kind === "PROPERTY" ? { note: "property" } : {}) }));
}

interface ValuesProps {
  project: string;
  field: string;
  op: Op;
  values: string[];
  setValues: (values: string[]) => void;
  text: string;
  setText: (text: string) => void;
  submit: () => void;
  invalid: boolean;
}

/** Values of a condition. Suggests those that events of the period have. */
function ValuesInput({ project, field, op, values, setValues, text, setText, submit, invalid }: ValuesProps) {
  const { span } = useView();
  const search = useDebounced(text.trim());
  const suggests = op === "IS" || op === "IS_NOT" || op === "PREFIX" || op === "CONTAINS";
  const answer = useOperation("FieldValues", { slug: project, field, search: search.slice(0, 100), period: span.period }, { enabled: suggests });
  if (op === "ABOVE" || op === "BELOW") return <input type="number" step="any" aria-label="Value" required value={text} aria-invalid={invalid || undefined} onInput={(event) => setText(event.currentTarget.value)} />;
  if (op === "SEMVER") return <input type="text" aria-label="Version range" placeholder="&gt;=2.7 &lt;3, ^1.4 or ~2.1" required value={text} aria-invalid={invalid || undefined} onInput={(event) => setText(event.currentTarget.value)} />;
  const current = answer.isPlaceholderData || search !== text.trim() ? [] : (answer.data?.project.fieldValues ?? []);
  const options = current.filter((value) => !values.includes(value)).map((value) => ({ value, label: value }));
  const add = (value: string) => {
    if (value && !values.includes(value)) setValues([...values, value]);
    setText("");
  };
  return (
    <div class="tokens">
      {values.map((value) => (
        <button type="button" class="token" key={value} aria-label={`Remove the value ${value}`} onClick={() => setValues(values.filter((other) => other !== value))}>
          {value} <Icon name="close" size={12} />
        </button>
      ))}
      <Combobox
        label="Value"
        focused
        placeholder={values.length > 0 ? "Another value…" : "Search values…"}
        invalid={invalid}
        text={text}
        setText={setText}
        options={options}
        choose={add}
        nothing={answer.isError ? answer.error.message : answer.isFetching || search !== text.trim() ? "Searching…" : text.trim() ? "No matching value in this period." : "No other value in this period."}
        back={() => setValues(values.slice(0, -1))}
        enter={() => (text.trim() ? add(text.trim()) : submit())}
      />
    </div>
  );
}

/** A value that follows its source once that has not changed for a while. */
function useDebounced(value: string): string {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), DEBOUNCE);
    return () => clearTimeout(timer);
  }, [value]);
  return settled;
}
