import { useState } from "preact/hooks";
import { Link } from "wouter-preact";
import type { Data, Variables } from "../api/client.ts";
import { useChange, useOperation } from "../api/use.ts";
import { Menu } from "../ui/card.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field, FormError, formValue } from "../ui/form.tsx";
import { Icon } from "../ui/icons.tsx";
import { useAccount } from "../view/account.ts";
import { pathWith, useParams } from "../view/address.ts";
import { type PlainQuestion, inputOf, paramsOf, questionOf } from "../view/question.ts";
import { funnelOf, funnelParams, pathsOf, pathsParams, reportOf, retentionOf, retentionParams } from "../view/reports.ts";
import { ShareDialog } from "./share-dialog.tsx";
import { viewOf } from "../view/state.ts";

type Saved = Data<"SavedQuestions">["project"]["savedQuestions"][number];

const NAME = "saved"; // parameter of the address: the name of the saved question that is open

/** Parameters of the address that open a saved question or report. */
function paramsFor({ name, question, funnel, retention, paths }: Saved): URLSearchParams {
  const params = funnel ? funnelParams(funnel) : retention ? retentionParams(retention) : paths ? pathsParams(paths) : question ? questionParams(question) : new URLSearchParams();
  params.set(NAME, name);
  return params;
}

function questionParams({ over = null, compare = null, compareTo = null, ...rest }: NonNullable<Saved["question"]>): URLSearchParams {
  return paramsOf({ ...rest, over, compare, compareTo } as PlainQuestion);
}

/** The question or report of an address, as `SaveQuestion` takes it. */
function askedOf(params: URLSearchParams): Omit<Variables<"SaveQuestion">, "slug" | "name"> {
  const report = reportOf(params);
  if (report === "funnel") return { funnel: funnelOf(params) };
  if (report === "retention") return { retention: retentionOf(params) };
  return report === "paths" ? { paths: pathsOf(params) } : { question: inputOf(questionOf(params), viewOf(params)) };
}

const textOf = (params: URLSearchParams): string => JSON.stringify(askedOf(params));

/** Title of the question or report of the address with its actions: open, save, rename and delete saved ones. The name of the open one is in the address. */
export function SavedQuestions({ project }: { project: string }) {
  const { changes } = useAccount();
  const [params, setParams] = useParams();
  const answer = useOperation("SavedQuestions", { slug: project });
  const saved = answer.data?.project.savedQuestions ?? [];
  const open = saved.find(({ name }) => name === params.get(NAME));
  const isChanged = open !== undefined && textOf(params) !== textOf(paramsFor(open));
  const [dialog, setDialog] = useState<"save" | "rename" | "delete" | "share" | null>(null);
  const close = () => setDialog(null);
  const opens = (name: string) => {
    setParams((next) => next.set(NAME, name));
    close();
  };
  const save = useChange("SaveQuestion", ({ name }) => opens(name));
  const saveAs = (name: string) => save.mutate({ slug: project, name, ...askedOf(params) });
  const show = (which: typeof dialog) => {
    save.reset();
    setDialog(which);
  };
  return (
    <header class="question-head">
      <h2>{open?.name ?? "New question"}</h2>
      {isChanged && <span class="tag">changed</span>}
      <div class="question-actions">
        {saved.length > 0 && (
          <Menu label="Saved questions" text={`Saved (${saved.length})`}>
            {saved.map((each) => (
              <Link key={each.name} href={pathWith(`/d/${project}/explore`, paramsFor(each))} aria-current={each === open || undefined}>
                {each.name}
              </Link>
            ))}
            {open && <Link href={`/d/${project}/explore`}>New question</Link>}
          </Menu>
        )}
        {changes && isChanged && (
          <button type="button" class="button small strong" disabled={save.isPending} onClick={() => saveAs(open.name)}>
            Save changes
          </button>
        )}
        {changes && !open && (
          <button type="button" class="button small" onClick={() => show("save")}>
            <Icon name="plus" size={14} /> Save this question
          </button>
        )}
        {changes && open && (
          <Menu label={`Options for ${open.name}`}>
            <button type="button" onClick={() => show("share")}>
              Share…
            </button>
            <button type="button" onClick={() => show("save")}>
              Save as…
            </button>
            <button type="button" onClick={() => show("rename")}>
              Rename…
            </button>
            <button type="button" class="bad" onClick={() => show("delete")}>
              Delete…
            </button>
          </Menu>
        )}
      </div>
      {open?.problem && (
        <p class="wrong" role="alert">
          {open.problem}
        </p>
      )}
      {dialog === null && <FormError error={save.error} />}
      {dialog === "save" && <SaveDialog saved={saved} pending={save.isPending} error={save.error} save={saveAs} close={close} />}
      {dialog === "share" && open && <ShareDialog project={project} question={open} shares={answer.data?.project.shares ?? []} close={close} />}
      {dialog === "rename" && open && <RenameDialog project={project} name={open.name} done={opens} close={close} />}
      {dialog === "delete" && open && <DeleteDialog
          project={project}
          name={open.name}
          done={() => {
            setParams((next) => next.delete(NAME));
            close();
          }}
          close={close}
        />}
    </header>
  );
}

interface NameProps {
  /** Name of the field in the schema. */
  field: string;
  action: string;
  start?: string;
  error: Error | null;
  pending: boolean;
  submit: (name: string) => void;
  close: () => void;
  /** Describes what a name does. */
  about?: (name: string) => string | undefined;
}

function NameForm({ field, action, start = "", error, pending, submit, close, about }: NameProps) {
  const [name, setName] = useState(start);
  return (
    <form
      class="fields"
      onSubmit={(event) => {
        event.preventDefault();
        submit(formValue(event.currentTarget, "name"));
      }}
    >
      <Field label="Name" name={field} error={error} about={about?.(name.trim())}>
        <input name="name" required maxLength={100} value={name} autocomplete="off" onInput={(event) => setName(event.currentTarget.value)} />
      </Field>
      <FormError error={error} fields={[field]} />
      <div class="inline">
        <button type="button" class="button" onClick={close}>
          Cancel
        </button>
        <button type="submit" class="button strong" disabled={pending}>
          {action}
        </button>
      </div>
    </form>
  );
}

function SaveDialog({ saved, pending, error, save, close }: { saved: Saved[]; pending: boolean; error: Error | null; save: (name: string) => void; close: () => void }) {
  const isTaken = (name: string) => saved.some((each) => each.name === name);
  return (
    <Dialog title="Save this question" close={close}>
      <NameForm field="name" action="Save" error={error} pending={pending} submit={save} close={close} about={(name) => (isTaken(name) ? "Replaces the saved question with this name." : undefined)} />
    </Dialog>
  );
}

interface ChangeProps {
  project: string;
  name: string;
  close: () => void;
}

function RenameDialog({ project, name, done, close }: ChangeProps & { done: (name: string) => void }) {
  const rename = useChange("RenameQuestion", ({ newName }) => done(newName));
  return (
    <Dialog title="Rename the question" close={close}>
      <NameForm field="newName" action="Rename" start={name} error={rename.error} pending={rename.isPending} submit={(newName) => rename.mutate({ slug: project, name, newName })} close={close} />
    </Dialog>
  );
}

function DeleteDialog({ project, name, done, close }: ChangeProps & { done: () => void }) {
  const remove = useChange("DeleteQuestion", done);
  return (
    <Dialog title="Delete the question" close={close}>
      <p>
        Delete <b>{name}</b>? Links to this saved question stop working. Events are not affected.
      </p>
      <FormError error={remove.error} />
      <div class="inline">
        <button type="button" class="button" onClick={close}>
          Cancel
        </button>
        <button type="button" class="button danger" disabled={remove.isPending} onClick={() => remove.mutate({ slug: project, name })}>
          Delete
        </button>
      </div>
    </Dialog>
  );
}
