import { useId, useRef, useState } from "preact/hooks";

export interface Option {
  value: string;
  label: string;
  /** Text beside the label, such as a technical name. */
  note?: string;
}

interface Props {
  label: string;
  text: string;
  setText: (text: string) => void;
  options: Option[];
  choose: (value: string) => void;
  /** Text in place of the options. */
  nothing?: string | undefined;
  placeholder?: string;
  focused?: boolean;
  invalid?: boolean;
  /** Removes the last chosen value: Backspace in an empty field. */
  back?: () => void;
  /** Enter in a field without a highlighted option. */
  enter?: () => void;
}

/** A text field with a list of suggestions (WAI-ARIA combobox): arrow keys move, Enter chooses, Escape closes the list. */
export function Combobox({ label, text, setText, options, choose, nothing, placeholder = "", focused = false, invalid = false, back, enter }: Props) {
  const id = useId();
  const list = useRef<HTMLUListElement>(null);
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const at = open && active < options.length ? active : -1;
  const move = (next: number) => {
    setOpen(true);
    setActive(next);
    list.current?.children[next]?.scrollIntoView({ block: "nearest" });
  };
  const pick = (value: string) => {
    choose(value);
    setActive(-1);
    setOpen(false);
  };
  const key = (event: KeyboardEvent) => {
    if (event.isComposing) return;
    if (event.key === "ArrowDown") move(options.length === 0 ? -1 : (at + 1) % options.length);
    else if (event.key === "ArrowUp") move(options.length === 0 ? -1 : (at <= 0 ? options.length : at) - 1);
    else if (event.key === "Enter" && options[at]) pick(options[at].value);
    else if (event.key === "Enter" && enter) enter();
    else if (event.key === "Escape" && open) setOpen(false);
    else if (event.key === "Backspace" && text === "" && back) return back();
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const shown = open && (options.length > 0 || nothing !== undefined);
  return (
    <div class="combobox">
      <input
        type="text"
        role="combobox"
        aria-label={label}
        aria-expanded={shown}
        aria-controls={shown ? id : undefined}
        aria-autocomplete="list"
        aria-activedescendant={at >= 0 ? `${id}-${at}` : undefined}
        aria-invalid={invalid || undefined}
        autocomplete="off"
        spellcheck={false}
        placeholder={placeholder}
        value={text}
        ref={(input) => {
          if (focused && input && !input.dataset["focused"]) {
            input.dataset["focused"] = "yes";
            input.focus();
          }
        }}
        onInput={(event) => {
          setText(event.currentTarget.value);
          setActive(-1);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onClick={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={key}
      />
      {shown && (
        <ul class="options" role="listbox" id={id} aria-label={label} ref={list}>
          {options.map(({ value, label: name, note }, place) => (
            <li
              key={value}
              id={`${id}-${place}`}
              role="option"
              aria-selected={place === at}
              onPointerDown={(event) => event.preventDefault()} // the field keeps the focus
              onClick={() => pick(value)}
            >
              <span>{name}</span> {note && <small>{note}</small>}
            </li>
          ))}
          {options.length === 0 && (
            <li role="option" aria-selected="false" aria-disabled="true">
              <small>{nothing}</small>
            </li>
          )}
        </ul>
      )}
    </div>
  );
}
