import { useIsFetching } from "@tanstack/preact-query";
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Link, useLocation } from "wouter-preact";
import { Toolbar } from "./toolbar.tsx";
import { Icon } from "./ui/icons.tsx";
import { PAGES, type PageName, mainProject, rememberReadAccess, useAccount } from "./view/account.ts";
import { useQueryText } from "./view/address.ts";
import { BASE } from "./view/base.ts";

interface Props {
  project?: string;
  page: PageName;
  /** The project has no events, so the toolbar is hidden. */
  empty?: boolean;
  children: ComponentChildren;
}

/** Frame of every page: navigation, title and toolbar. */
export function Shell({ project, page, empty = false, children }: Props) {
  const { me, projects, reads, changes } = useAccount();
  const [open, setOpen] = useState(false);
  const [, go] = useLocation();
  const search = useQueryText();
  const requested = new URLSearchParams(search).get("project"); // set on the explorer, whose path names no project
  const at = project ?? projects.find(({ slug }) => slug === requested)?.slug ?? mainProject(projects);
  const kept = project && search ? `?${search}` : "";
  const first = useRef(true);
  useEffect(() => {
    setOpen(false);
    if (!first.current) document.getElementById("main")?.focus({ preventScroll: true }); // screen readers continue at the new page
    first.current = false;
  }, [page, project]);

  const shown = (Object.keys(PAGES) as PageName[]).filter((name) => (reads || PAGES[name].open) && (name !== "settings" || changes));
  return (
    <div class="shell">
      <a class="skip" href="#main">
        Skip to content
      </a>
      <div class="side">
        <div class="rail">
          <header class="head">
            <Link href="/" class="brand" aria-label="Footfall: all projects">
              <img src={`${BASE}/static/pages/footfall.svg`} width="26" height="26" alt="" /> Footfall
            </Link>
            <button type="button" class="button quiet opener" aria-expanded={open} aria-controls="nav" onClick={() => setOpen(!open)}>
              <Icon name={open ? "close" : "menu"} /> <span class="sr">Menu</span>
            </button>
          </header>
          <nav id="nav" class={open ? "nav open" : "nav"} aria-label="Pages">
            <label class="switcher">
              <span class="sr">Project</span>
              <select value={at} onChange={(event) => go(`/d/${event.currentTarget.value}/${page === "explorer" ? "overview" : page}`)}>
                {projects.map(({ slug, name }) => (
                  <option value={slug} key={slug}>
                    {name}
                  </option>
                ))}
              </select>
            </label>
            <ul>
              {shown.map((name) => (
                <li key={name}>
                  <Link
                    href={name === "explorer" ? `/graphql?project=${at}` : `/d/${at}${name === "overview" ? "" : `/${name}`}${kept}`}
                    aria-current={name === page ? "page" : undefined}
                  >
                    <Icon name={PAGES[name].icon} /> {PAGES[name].title}
                  </Link>
                </li>
              ))}
            </ul>
            <Foot known={me !== null} />
          </nav>
        </div>
      </div>
      <main id="main" class="main" tabIndex={-1}>
        <div class="top">
          <h1>{PAGES[page].title}</h1>
          <LoadingIndicator />
          {!empty && <Toolbar project={project} timed={PAGES[page].timed ?? false} filtered={PAGES[page].filtered ?? false} asks={PAGES[page].asks ?? false} />}
        </div>
        {children}
      </main>
    </div>
  );
}

function Foot({ known }: { known: boolean }) {
  return (
    <div class="foot">
      <a href={`${BASE}/docs`}>
        <Icon name="book" size={16} /> Reference
      </a>
      <ThemeSwitch />
      {known ? (
        <form method="post" action={`${BASE}/logout`} onSubmit={() => rememberReadAccess(false)}>
          <button type="submit" class="link">
            <Icon name="leave" size={16} /> Log out
          </button>
        </form>
      ) : (
        <a href={`${BASE}/login?next=${encodeURIComponent(location.pathname + location.search)}`}>
          <Icon name="leave" size={16} /> Log in
        </a>
      )}
    </div>
  );
}

function ThemeSwitch() {
  const dark = () => (document.documentElement.dataset["theme"] ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const [now, setNow] = useState(dark);
  const change = () => {
    const next = dark() ? "light" : "dark";
    document.documentElement.dataset["theme"] = next;
    localStorage.setItem("footfall.theme", next);
    setNow(next === "dark");
  };
  return (
    <button type="button" class="link" onClick={change} aria-label={now ? "Use light theme" : "Use dark theme"}>
      <Icon name={now ? "sun" : "moon"} size={16} /> {now ? "Light" : "Dark"}
    </button>
  );
}

/** Loading indicator, visible after a delay. */
function LoadingIndicator() {
  const asking = useIsFetching() > 0;
  return <span class={asking ? "busy on" : "busy"} aria-hidden="true" />;
}
