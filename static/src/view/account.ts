import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Data } from "../api/client.ts";
import type { IconName } from "../ui/icons.tsx";

/** The current account and the projects it may read. */
export interface Account {
  me: Data<"Projects">["me"];
  projects: Data<"Projects">["projects"]["nodes"];
}

const AccountContext = createContext<Account>({ me: null, projects: [] });
export const AccountProvider = AccountContext.Provider;

export interface Rights extends Account {
  /** Has the `read` scope: sees lists as well as public charts. */
  reads: boolean;
  /** Has the `admin` scope. */
  changes: boolean;
}

export function useAccount(): Rights {
  const account = useContext(AccountContext);
  const scopes = account.me?.scopes ?? [];
  return { ...account, reads: scopes.includes("READ"), changes: scopes.includes("ADMIN") };
}

/** The project that pages without one refer to: the first with events. */
export const mainProject = (projects: Account["projects"]): string => (projects.find(({ firstEvent }) => firstEvent !== null) ?? projects[0])?.slug ?? "default";

const READER = "footfall.reader";

/** Returns whether this browser had read access on its last visit. A hint until the account has loaded. */
export const hadReadAccess = (): boolean => localStorage.getItem(READER) !== null;

export function rememberReadAccess(reads: boolean): void {
  if (reads) localStorage.setItem(READER, "yes");
  else localStorage.removeItem(READER);
}

/** Time of a project's first event in epoch ms; null before it. */
export function useFirstEventTime(project: string): number | null {
  const first = useContext(AccountContext).projects.find(({ slug }) => slug === project)?.firstEvent;
  return first == null ? null : Date.parse(first);
}

export type PageName = "overview" | "explore" | "installs" | "usage" | "funnel" | "errors" | "downloads" | "live" | "health" | "settings" | "explorer";

interface PageFacts {
  title: string;
  icon: IconName;
  /** May be public. */
  open?: boolean;
  /** Depends on the period. */
  timed?: boolean;
  /** Depends on the filters. */
  filtered?: boolean;
  /** Has a filter bar of its own, in place of the toolbar's filters. */
  asks?: boolean;
}

/** All pages, in menu order. */
export const PAGES: Record<PageName, PageFacts> = {
  overview: { title: "Overview", icon: "overview", open: true, timed: true, filtered: true },
  explore: { title: "Explore", icon: "explore", timed: true, filtered: true, asks: true },
  installs: { title: "Installs", icon: "installs", open: true, timed: true, filtered: true },
  usage: { title: "Usage", icon: "usage", timed: true, filtered: true },
  funnel: { title: "Funnel", icon: "funnel", timed: true, filtered: true },
  errors: { title: "Errors", icon: "errors", timed: true, filtered: true },
  downloads: { title: "Downloads", icon: "downloads", timed: true, filtered: true },
  live: { title: "Live", icon: "live", filtered: true },
  health: { title: "Health", icon: "health", timed: true },
  settings: { title: "Settings", icon: "settings" },
  explorer: { title: "GraphQL", icon: "explorer" },
};
