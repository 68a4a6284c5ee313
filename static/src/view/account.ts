import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Data } from "../api/client.ts";
import type { IconName } from "../ui/icons.tsx";

/** Who looks, and what they may see: what the server said of itself when it was asked. */
export interface Account {
  me: Data<"Projects">["me"];
  projects: Data<"Projects">["projects"]["nodes"];
}

const AccountContext = createContext<Account>({ me: null, projects: [] });
export const AccountProvider = AccountContext.Provider;

export interface Rights extends Account {
  /** May read lists, not only the charts of a public dashboard. */
  reads: boolean;
  /** May change things. */
  changes: boolean;
}

export function useAccount(): Rights {
  const account = useContext(AccountContext);
  const scopes = account.me?.scopes ?? [];
  return { ...account, reads: scopes.includes("READ"), changes: scopes.includes("ADMIN") };
}

const READER = "footfall.reader";

/** Whether somebody here could read when they last looked: a guess, before the server has said who is here. */
export const couldRead = (): boolean => localStorage.getItem(READER) !== null;

export function remember(reads: boolean): void {
  if (reads) localStorage.setItem(READER, "yes");
  else localStorage.removeItem(READER);
}

/** When a project's first event was, in epoch ms; null as long as there was none. */
export function useBeginning(project: string): number | null {
  const first = useContext(AccountContext).projects.find(({ slug }) => slug === project)?.firstEvent;
  return first == null ? null : Date.parse(first);
}

export type PageName = "overview" | "installs" | "usage" | "funnel" | "errors" | "downloads" | "live" | "health" | "settings" | "explorer";

interface PageFacts {
  title: string;
  icon: IconName;
  /** Can be public. */
  open?: boolean;
  /** Is about a period. */
  timed?: boolean;
  /** Is about the events that meet a filter. */
  filtered?: boolean;
}

/** The pages, in their order. */
export const PAGES: Record<PageName, PageFacts> = {
  overview: { title: "Overview", icon: "overview", open: true, timed: true, filtered: true },
  installs: { title: "Installs", icon: "installs", open: true, timed: true, filtered: true },
  usage: { title: "Usage", icon: "usage", timed: true, filtered: true },
  funnel: { title: "Funnel", icon: "funnel", timed: true, filtered: true },
  errors: { title: "Errors", icon: "errors", timed: true, filtered: true },
  downloads: { title: "Downloads", icon: "downloads", timed: true, filtered: true },
  live: { title: "Live", icon: "live", filtered: true },
  health: { title: "Health", icon: "health", timed: true },
  settings: { title: "Settings", icon: "settings" },
  explorer: { title: "Explorer", icon: "explorer" },
};
