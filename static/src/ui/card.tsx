import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Link } from "wouter-preact";
import { count } from "../view/format.ts";
import { Icon } from "./icons.tsx";
import { type Picture, type Table, saveCsv, savePng } from "./save.ts";

interface Props {
  title: string;
  /** Text beside the title. */
  note?: ComponentChildren;
  /** The content as a table, for screen readers and CSV. */
  table?: (() => Table) | undefined;
  /** Fetches the table with all rows, if the card shows only some. */
  all?: (() => Promise<Table>) | undefined;
  /** The content as an image. */
  picture?: (() => Picture | null) | undefined;
  wide?: boolean;
  /** The content is a table already. */
  tabular?: boolean;
  /** Address of the card's question on the Explore page. */
  explore?: string | undefined;
  children: ComponentChildren;
}

/** A titled card with a menu that saves its content. */
export function Card({ title, note, table, all, picture, wide = false, tabular = false, explore, children }: Props) {
  const [tabled, setTabled] = useState(false);
  const [failed, setFailed] = useState<Error | null>(null);
  const name = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  return (
    <section class={wide ? "card wide" : "card"} aria-label={title}>
      <header>
        <h2>{title}</h2>
        {note && <div class="note">{note}</div>}
        {explore && (
          <Link href={explore} class="explore-link" aria-label={`Explore ${title}`} title={`Open ${title} in Explore`}>
            Explore
          </Link>
        )}
        {table && (
          <Menu label={`Options for ${title}`}>
            {!tabular && (
              <button type="button" onClick={() => setTabled(!tabled)}>
                {tabled ? "Show as chart" : "Show as table"}
              </button>
            )}
            <button type="button" onClick={() => void (all ? all().then((rows) => saveCsv(name, rows), setFailed) : saveCsv(name, table()))}>
              Save as CSV
            </button>
            {picture && (
              <button
                type="button"
                onClick={() => {
                  const drawn = picture();
                  if (drawn) savePng(name, title, drawn);
                }}
              >
                Save as PNG
              </button>
            )}
          </Menu>
        )}
      </header>
      {failed && (
        <p class="bad" role="alert">
          Could not save the file: {failed.message}
        </p>
      )}
      {tabled && table ? <DataTable table={table()} /> : children}
    </section>
  );
}

/** A button that opens a list of actions. It shows an icon unless it has a text. */
export function Menu({ label, text, children }: { label: string; text?: string; children: ComponentChildren }) {
  const box = useRef<HTMLDetailsElement>(null);
  useEffect(() => {
    const close = (event: Event) => {
      const inside = box.current?.contains(event.target as Node);
      if (box.current?.open && (event instanceof KeyboardEvent ? event.key === "Escape" : !inside)) box.current.open = false;
    };
    addEventListener("pointerdown", close);
    addEventListener("keydown", close);
    return () => {
      removeEventListener("pointerdown", close);
      removeEventListener("keydown", close);
    };
  }, []);
  const chosen = () => {
    if (box.current) box.current.open = false;
  };
  return (
    <details class="menu" ref={box}>
      <summary class={text ? "button small" : ""} aria-label={label} title={label}>
        {text ? (
          <>
            {text} <Icon name="open" size={14} />
          </>
        ) : (
          <Icon name="more" />
        )}
      </summary>
      <div class="menu-list" onClick={chosen}>
        {children}
      </div>
    </details>
  );
}

/** A plain data table. */
export function DataTable({ table: { columns, rows } }: { table: Table }) {
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Table">
      <table>
        <thead>
          <tr>
            {columns.map((column) => (
              <th scope="col" key={column}>
                {column}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, place) => (
            <tr key={place}>
              {row.map((value, column) => (
                <td key={column} class={typeof value === "number" ? "figure" : ""}>
                  {typeof value === "number" ? count(value) : value}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
