"""Footfall's client for Python 3.8 and later: one file, standard library only. Copy it into your package.

    from mytool.footfall import Footfall

    telemetry = Footfall("mytool", "https://stats.example.com", version="1.4.0")

    with telemetry.command("build", flags=sys.argv[1:]):
        build()

An event is written to a small queue in the user's configuration folder, and a detached process sends it: the host program never waits for
the network. Nothing is written or sent before the first-run notice was shown, nothing is ever printed but that notice, and no exception
reaches the host program. docs/clients.md of Footfall describes the rules that all clients share.
"""

import os
import sys
import time

__all__ = ["Footfall"]

CLIENT = "footfall-py/1"
MAX_EVENTS = 100  # in the queue; the oldest go first
MAX_EVENT = 8 * 1024  # bytes of one event
MAX_AGE = 7 * 86400  # seconds
MAX_ATTEMPTS = 100
MAX_LOCAL = 256 * 1024  # bytes of local.jsonl
CLAIMED_FOR = 60  # seconds after which a sender that left events claimed is taken for dead
SEND_WITHIN = 10  # seconds of a sender's whole life with the server
IN_PROCESS_WAIT = 0.05  # seconds that the exit waits where no process can be started (frozen programs, zip files)
REFUSED_VERSION = (401, 403, 404)  # a version of the tool with another key or address may deliver the events
RETRIED = (*REFUSED_VERSION, 407, 408, 425, 429)
FALSE = ("", "0", "false", "off", "no")
TRUE = ("1", "true", "on", "yes")

CI_SYSTEMS = (
    ("GITHUB_ACTIONS", "github"), ("GITLAB_CI", "gitlab"), ("TF_BUILD", "azure"), ("JENKINS_URL", "jenkins"), ("CIRCLECI", "circle"),
    ("TRAVIS", "travis"), ("BUILDKITE", "buildkite"), ("TEAMCITY_VERSION", "teamcity"), ("BITBUCKET_BUILD_NUMBER", "bitbucket"),
    ("CODEBUILD_BUILD_ID", "codebuild"), ("APPVEYOR", "appveyor"), ("DRONE", "drone"), ("CIRRUS_CI", "cirrus"), ("SEMAPHORE", "semaphore"),
    ("GITEA_ACTIONS", "gitea"), ("FORGEJO_ACTIONS", "forgejo"), ("NETLIFY", "netlify"), ("HUDSON_URL", "hudson"),
)  # fmt: skip
AGENTS = (
    ("CLAUDECODE", "claude-code"), ("CURSOR_AGENT", "cursor"), ("GEMINI_CLI", "gemini-cli"), ("CODEX_SANDBOX", "codex"),
    ("CODEX_THREAD_ID", "codex"), ("OPENCODE", "opencode"), ("CLINE_ACTIVE", "cline"), ("AUGMENT_AGENT", "augment"),
    ("GOOSE_TERMINAL", "goose"), ("QWEN_CODE", "qwen-code"), ("COPILOT_CLI", "copilot-cli"), ("AMP_CURRENT_THREAD_ID", "amp"),
    ("REPLIT_AGENT", "replit"), ("ANTIGRAVITY_AGENT", "antigravity"), ("AI_AGENT", "other"),
)  # fmt: skip
PEOPLES_CONTAINERS = ("CODESPACES", "REMOTE_CONTAINERS", "GITPOD_WORKSPACE_ID", "TOOLBOX_PATH", "DISTROBOX_ENTER_PATH")


def _is_set(name):
    return os.environ.get(name, "").strip().lower() not in FALSE


def _quiet(method):
    """Suppress every exception of a method."""

    def wrapped(*arguments, **named):
        try:
            return method(*arguments, **named)
        except Exception:
            return None

    wrapped.__doc__ = method.__doc__
    return wrapped


class Footfall:
    """Telemetry of one tool.

    `url` is the server's address, with `/p/PROJECT` unless the project is the default one; `key` is a write key, if the project requires one.
    `command` is the tool's own telemetry command as users type it ("mytool telemetry"), `about` a page on what is sent: the notice names
    both. `notice=False` says that users are informed elsewhere, before the first run (an installer, a package's description).
    `sample_rate` is the share of events that is sent, chosen at random: 0.1 is one in ten.
    """

    def __init__(self, tool, url, *, version=None, key=None, command=None, about=None, notice=True,
                 environment=None, install_source=None, package_manager=None, sample_rate=None):  # fmt: skip
        self.tool, self.url, self.version, self.key = str(tool), str(url).rstrip("/"), version, key
        self._command, self._about, self._notice = command, about, notice
        self._given = {"environment": environment, "install_source": install_source, "package_manager": package_manager}
        self._sample_rate = sample_rate if sample_rate and 0 < sample_rate < 1 else None
        self._prefix = "".join(letter if letter.isalnum() else "_" for letter in self.tool.upper())
        self._folder = _folder(self.tool)
        self._spawned = -1e9  # on the monotonic clock
        self._waiting = False  # events that wait for the sender of this program's end
        self._listening = False

    # What the host program calls

    @_quiet
    def track(self, name, **fields):
        """Record one event. Fields: outcome, duration_ms, error, target, session_id, properties, flags, and any that the server knows."""
        state = self._state_for_an_event()
        if state == "off":
            return
        if state == "on" and self._sample_rate and int(_uuid()[:8], 16) >= self._sample_rate * 2**32:
            return
        body = _encode(self.event(name, **fields)).encode()
        if len(body) > MAX_EVENT:
            body = _encode(self.event(name, **dict(fields, properties={"cut": True}))).encode()
        if len(body) > MAX_EVENT:
            return
        if state == "local":
            _append(os.path.join(self._folder, "local.jsonl"), body + b"\n")
            return
        _put(os.path.join(self._folder, "queue"), body)
        self._send_later()

    def command(self, name, flags=None):
        """A context manager and decorator: an event with the command's duration, outcome, error type and scrubbed message.

        `flags` is the command line: names of options are kept, never their values or anything else.
        """
        return _Command(self, name, flags)

    def event(self, name, **fields):
        """The event as it is sent, as a dictionary."""
        event = {"name": str(name), "id": _uuid(), "timestamp": int(time.time() * 1000)}
        installation = _installation_id(self._folder, make=self.state()[0] == "on")
        if installation:
            event["installation_id"] = installation
        event["version"], event["sample_rate"] = self.version, self._sample_rate
        event.update(_surroundings())
        event.update(self._given and {key: value for key, value in self._given.items() if value})
        error = fields.pop("error", None)
        if error is not None:
            event["error"] = _error(error)
        flags = _flag_names(fields.pop("flags", None))
        properties = _clean(fields.pop("properties", None) or {})
        if flags:
            properties["flags"] = flags
        event.update({key: _clean(value) for key, value in fields.items()})
        if properties:
            event["properties"] = properties
        return {key: value for key, value in event.items() if value is not None}

    def state(self):
        """("on" | "local" | "off", the reason)."""
        if _is_set("DO_NOT_TRACK"):
            return "off", "DO_NOT_TRACK is set"
        if _is_set(self._prefix + "_NO_TELEMETRY"):
            return "off", self._prefix + "_NO_TELEMETRY is set"
        name = self._prefix + "_TELEMETRY"
        setting = os.environ.get(name, "").strip().lower()
        if setting and setting not in TRUE:
            return ("local" if setting == "local" and self._folder else "off"), name + " is set"
        if self._folder is None:
            return "off", "there is no home folder"
        choice = _read(os.path.join(self._folder, "choice"))
        if choice is not None:
            choice = choice.strip()
            return (choice if choice in ("on", "local", "off") else "off"), "your choice"
        if setting:
            return "on", name + " is set"
        if not self._notice or os.path.exists(os.path.join(self._folder, "notice")):
            return "on", "the default"
        return "off", "the notice was not shown yet"

    def cli(self, arguments):
        """The tool's `telemetry` command: status, on, local, off, show, erase. Prints; returns the exit code."""
        verb = arguments[0] if arguments else "status"
        if verb == "status":
            print("telemetry: %s (%s)" % self.state())
        elif verb in ("on", "local", "off"):
            return self._choose(verb)
        elif verb == "show":
            print(_encode(self.event("example", outcome="success", duration_ms=0)))
            for event in self._stored():
                print(event)
        elif verb == "erase":
            return self._erase()
        else:
            print("usage: telemetry status|on|local|off|show|erase", file=sys.stderr)
            return 2
        return 0

    # Consent

    def _state_for_an_event(self):
        state, reason = self.state()
        if state == "off" and reason == "the notice was not shown yet" and self._show_notice():
            return self.state()[0]
        return state

    def _show_notice(self):
        if _surroundings_ci() or not (os.isatty(1) and os.isatty(2)) or any(word.startswith("--json") for word in sys.argv[1:]):
            return False
        host = self.url.split("//")[-1].split("/")[0]
        stop = "%s off, or %s_TELEMETRY=off" % (self._command, self._prefix) if self._command else "%s_TELEMETRY=off" % self._prefix
        text = (
            "%s sends anonymous usage data to %s: commands, durations, outcomes, version and system,\n"
            "under a random id; no names, paths or contents. To stop it: %s, or DO_NOT_TRACK=1.%s\n"
            % (self.tool, host, stop, "\nMore: %s" % self._about if self._about else "")
        )

        def show():
            sys.stderr.write(text)
            sys.stderr.flush()

        _write(os.path.join(self._folder, "notice"), b"shown\n", show)
        return True

    def _choose(self, verb):
        try:
            _write(os.path.join(self._folder, "choice"), verb.encode() + b"\n")
            if verb != "on":
                for path in _listed(os.path.join(self._folder, "queue")):
                    os.unlink(path)
        except (OSError, TypeError):
            print("The choice cannot be stored. Set %s_TELEMETRY=%s instead." % (self._prefix, verb), file=sys.stderr)
            return 1
        print("telemetry: %s (%s)" % self.state())
        return 0

    def _stored(self):
        for path in _listed(os.path.join(self._folder or "", "queue")):
            yield (_read(path) or "").strip()
        yield from (_read(os.path.join(self._folder or "", "local.jsonl")) or "").splitlines()

    def _erase(self):
        installation = _installation_id(self._folder, make=False)
        queue = os.path.join(self._folder or "", "queue")
        for _ in range(3 if installation else 0):
            _finish_sending(queue)
            before = _listed(queue)
            status, _, _ = _request(self.url + "/v1/installs/" + installation, self.key, method="DELETE")
            if not (200 <= status < 300 or status == 404):
                print("The server could not be asked to erase; nothing was changed. Try again later.", file=sys.stderr)
                return 1
            if _listed(queue) == before:
                break
        for path in [
            *_listed(queue),
            *(os.path.join(self._folder or "", n) for n in ("id", "local.jsonl", "local.jsonl.old")),
        ]:
            if os.path.exists(path):
                os.unlink(path)
        print("Erased: the id, the events that waited, and what the server held of this installation.")
        return 0

    # Sending

    def _send_later(self):
        """Start a sender now; if there are many events in a short time, at the end of the program."""
        now = time.monotonic()
        if now - self._spawned > 2:
            self._spawned = now
            self._start_sender()
        elif not self._waiting:
            self._waiting = True
            if not self._listening:
                import atexit

                self._listening = True
                atexit.register(_quiet(self._at_exit))

    def _at_exit(self):
        if self._waiting:
            self._start_sender()

    def _start_sender(self):
        self._waiting = False
        queue = os.path.join(self._folder, "queue")
        if _must_wait(queue, self.key):
            return
        source = os.path.abspath(__file__)
        is_python = "py" in os.path.basename(sys.executable or "").lower() and not getattr(sys, "frozen", False)
        if not is_python or not source.endswith(".py") or not os.path.isfile(source):
            self._send_in_thread(queue)
            return
        # Through the environment, where other users of the machine cannot read the key.
        env = dict(os.environ, FOOTFALL_SENDER="\n".join((self.url, self.key or "", queue)))
        command = [sys.executable, "-I", "-S", source]
        if hasattr(os, "posix_spawn") and os.path.exists("/bin/sh"):
            _spawn_orphan(command, env)
        else:
            import subprocess

            detached = {"creationflags": 0x08000008} if os.name == "nt" else {"start_new_session": True}  # DETACHED_PROCESS, no window
            null = subprocess.DEVNULL
            subprocess.Popen(command, env=env, stdin=null, stdout=null, stderr=null, close_fds=True, cwd=os.path.dirname(queue), **detached)

    def _send_in_thread(self, queue):
        import atexit
        import threading

        thread = threading.Thread(target=_quiet(_drain), args=(self.url, self.key, queue), daemon=True)
        thread.start()
        atexit.register(thread.join, IN_PROCESS_WAIT)


class _Command:
    def __init__(self, telemetry, name, flags):
        self._telemetry, self._name, self._flags = telemetry, name, flags

    def __enter__(self):
        self._began = time.perf_counter()
        return self

    def __exit__(self, kind, error, trace):
        fields = {"duration_ms": round((time.perf_counter() - self._began) * 1000, 3), "flags": self._flags}
        code = None if error is None else _exit_code(error)
        if kind is not None and code is None and issubclass(kind, (KeyboardInterrupt, GeneratorExit)):
            fields["properties"] = {"interrupted": True}
        else:
            fields["outcome"] = "success" if error is None or code == 0 else "failure"
            if fields["outcome"] == "failure":
                fields["error"] = error
        self._telemetry.track(self._name, **fields)

    def __call__(self, function):
        import functools

        @functools.wraps(function)
        def timed(*arguments, **named):
            with _Command(self._telemetry, self._name, self._flags):
                return function(*arguments, **named)

        return timed


@_quiet
def _exit_code(error):
    """0 if an exception ends a command successfully: SystemExit(0), click's and typer's Exit."""
    code = getattr(error, "code", None) if isinstance(error, SystemExit) else getattr(error, "exit_code", None)
    if isinstance(error, SystemExit) and code is None:
        return 0
    return code


@_quiet
def _flag_names(arguments):
    names = []
    for word in arguments or ():
        if word == "--":
            break
        name = str(word).split("=")[0]
        if not name.startswith("--"):
            name = name[:2]  # -p of -psecret
        if len(name) > 1 and name[0] == "-" and name[1:].replace("-", "").isalnum() and not name[1:].isdigit() and len(name) <= 40:
            names.append(name)
    return " ".join(sorted(set(names)))


# Fields that the client adds


def _surroundings_ci():
    for name, system in CI_SYSTEMS:
        if _is_set(name):
            return system
    return "other" if _is_set("CI") or _is_set("CONTINUOUS_INTEGRATION") else None


def _container():
    if _is_set("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    if os.path.exists("/.dockerenv"):
        return "docker"
    if os.path.exists("/run/.containerenv"):
        return "podman"
    value = os.environ.get("container", "")
    return None if not value else value if value in ("docker", "podman", "lxc", "oci", "systemd-nspawn") else "other"


def _surroundings():
    ci, container = _surroundings_ci(), _container()
    of_a_person = any(_is_set(name) for name in PEOPLES_CONTAINERS)
    agents = list(dict.fromkeys(agent for name, agent in AGENTS if _is_set(name)))
    source = _install_source()
    return {
        "os": {"win32": "windows", "cygwin": "windows"}.get(sys.platform, sys.platform),
        "arch": os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE"),
        "runtime": "%s %d.%d.%d" % ((sys.implementation.name.replace("cpython", "python"),) + tuple(sys.version_info[:3])),
        "environment": "ci" if ci else "container" if container and not of_a_person else "person",
        "ci_system": ci,
        "container": container,
        "agent": " ".join(agents) or None,
        "interactive": _is_terminal(0) and _is_terminal(1),
        "install_source": source,
        "package_manager": source if source in ("pip", "pipx", "uv", "conda") else None,
    }


def _is_terminal(descriptor):
    try:
        return os.isatty(descriptor)
    except OSError:
        return False


def _install_source():
    place = (sys.executable or "").replace("\\", "/") + " " + __file__.replace("\\", "/")
    for part, source in (
        ("/pipx/venvs/", "pipx"), ("/uv/tools/", "uv"), ("/Cellar/", "homebrew"), ("/nix/store/", "nix"), ("/snap/", "snap"),
        ("/app/lib/", "flatpak"), ("/conda-meta", "conda"), ("/dist-packages/", "system"), ("/site-packages/", "pip"),
    ):  # fmt: skip
        if part in place:
            if part == "/site-packages/" and os.path.isdir(os.path.join(sys.prefix, "conda-meta")):
                return "conda"
            return source
    return "binary" if getattr(sys, "frozen", False) else "source"


# Privacy


def _error(error):
    if isinstance(error, BaseException):
        if isinstance(error, SystemExit):
            if isinstance(error.code, int):
                return {"type": "exit %d" % error.code}
            return {"type": "SystemExit", "message": _scrub(str(error.code))}
        return {"type": type(error).__name__, "message": _scrub(str(error))}
    return {key: _scrub(str(value)) for key, value in dict(error).items() if key in ("type", "message") and value is not None}


def _clean(value):
    """A value without data that could identify a person."""
    if isinstance(value, str):
        return _scrub(value)
    if isinstance(value, dict):
        return {str(key)[:256]: _clean(inner) for key, inner in list(value.items())[:100]}
    if isinstance(value, (list, tuple)):
        return [_clean(inner) for inner in value[:100]]
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else str(value)
    return _scrub(str(value))


def _scrub(text):
    """Text without home folders, e-mail addresses, credentials, IP addresses, this user's or this machine's name."""
    names = [os.environ.get(name, "") for name in ("USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME")]
    names.append(os.uname().nodename if hasattr(os, "uname") else "")
    names = [name for name in names if len(name) > 2 and name not in ("root", "runner", "user", "localhost") and name in text]
    if not names and not any(mark in text for mark in (*"@/\\:=.", "earer ", "asic ")) and all(len(word) < 11 for word in text.split()):
        return text[:1000]  # plain words, without the cost of importing `re`
    import re

    text = text[:8000].encode("utf-8", "replace").decode()
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    if home and len(home) > 2:
        text = text.replace(home, "~")
    for pattern, shown in (
        (r"(?i)(?:/home/|/Users/|[a-z]:[\\/]+Users[\\/]+)[^\\/\s'\":]+", "~"),
        (r"-----BEGIN [^-]*-----[\s\S]*?(?:-----END [^-]*-----|$)", "[secret]"),
        (r"\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?", "[token]"),
        (r"\b(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk-|pk_live_|sk_live_|npm_|pypi-|hf_|ff_|AIza|AKIA|ASIA)[\w-]{8,}", "[token]"),
        (r"//[^\s/@'\"]+@", "//[credentials]@"),
        (r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}", r"\1 [token]"),
        (r"(?i)((?:token|secret|passw(?:or)?d|passwd|pwd|api[_-]?key|access[_-]?key|authorization)[\"']?\s*[=:]\s*)[^\s,;&]+", r"\1[secret]"),
        (r"[\w.+%-]+@[\w-]+(?:\.[\w-]+)+", "[email]"),
        (r"\b\d{1,3}(?:\.\d{1,3}){3}\b", "[ip]"),
        (r"(?<![\w:.])(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F:]{1,}", "[ip]"),
        (r"\b[A-Za-z0-9+/_-]{40,}={0,2}", "[token]"),
    ):  # fmt: skip
        text = re.sub(pattern, shown, text)
    for name in names:
        text = re.sub(r"(?<![\w-])%s(?![\w-])" % re.escape(name), "[name]", text)
    return text[:1000]


# Files


def _folder(tool):
    if not tool or not all(letter.isalnum() or letter in "._-" for letter in tool) or tool[0] == "." or len(tool) > 64:
        return None
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE") or ""
    if os.name == "nt":
        base = os.environ.get("APPDATA") or ""
    elif sys.platform == "darwin":
        base = home and os.path.join(home, "Library", "Application Support")
    else:
        base = os.environ.get("XDG_CONFIG_HOME", "")
        if not os.path.isabs(base):
            base = home and os.path.join(home, ".config")
    if not base or not os.path.isabs(base):
        return None
    folder = os.path.join(base, tool, "telemetry")
    return folder if all(map(_is_own, (home, base, os.path.dirname(folder), folder))) else None


def _is_own(path):
    """Return True if a folder is this user's or does not exist: root could write into another user's, who could not change files of root."""
    try:
        return not hasattr(os, "geteuid") or not path or os.stat(path).st_uid == os.geteuid()
    except OSError:
        return True  # it is not there yet


def _read(path):
    try:
        with open(path, "rb") as file:
            return file.read(MAX_LOCAL * 2).decode("utf-8", "replace")
    except (OSError, TypeError):
        return None


def _create(path, body):
    """Write a file that does not exist yet. Leaves none if the disk is full."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(body)
    except OSError:
        _remove(path)
        raise


def _write(path, body, before=None):
    """Write a file atomically. `before` runs when only the renaming is left to do."""
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    part = "%s.%s.tmp" % (path, _uuid())
    _create(part, body)
    if before:
        before()
    os.replace(part, path)


def _append(path, line):
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    if os.path.exists(path) and os.path.getsize(path) > MAX_LOCAL:
        os.replace(path, path + ".old")
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        file.write(line)


def _uuid():
    digits = bytearray(os.urandom(16))
    digits[6] = digits[6] & 0x0F | 0x40
    digits[8] = digits[8] & 0x3F | 0x80
    text = digits.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _installation_id(folder, make):
    """The random id, created once: if several processes create it at the same time, one wins and the others use its id."""
    if folder is None:
        return None
    path = os.path.join(folder, "id")
    for _ in range(3):
        found = _read(path)
        stored = (found or "").strip()
        if len(stored) == 36:
            return stored
        if not make:
            return None
        os.makedirs(folder, mode=0o700, exist_ok=True)
        part = "%s.%s.tmp" % (path, _uuid())
        _create(part, _uuid().encode() + b"\n")
        try:
            if found is not None:  # no id in it
                os.replace(part, path)
            else:
                os.link(part, path)
        except FileExistsError:
            pass
        except OSError:  # no hard links here
            if not os.path.exists(path):
                os.rename(part, path)
        finally:
            if os.path.exists(part):
                os.unlink(part)
    return None


# The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `….json.{seconds}`.


def _listed(queue):
    try:
        names = os.listdir(queue)
    except OSError:
        return []
    return [os.path.join(queue, name) for name in sorted(names) if _parts(name)]


def _parts(name):
    """The parts of an event's file name, as [milliseconds-id, attempts, "json", seconds?]; nothing for other files."""
    parts = name.split(".")
    is_event = len(parts) in (3, 4) and parts[2] == "json" and parts[0].partition("-")[0].isdecimal()
    return parts if is_event and all(part.isdecimal() for part in parts[1:2] + parts[3:]) else []


def _put(queue, body):
    os.makedirs(queue, mode=0o700, exist_ok=True)
    waiting = _listed(queue)
    for path in waiting[: max(0, len(waiting) - MAX_EVENTS + 1)]:
        _remove(path)
    _write(os.path.join(queue, "%d-%s.0.json" % (time.time() * 1000, _uuid())), body)


def _remove(path):
    try:
        os.unlink(path)
    except OSError:
        pass


def _must_wait(queue, key):
    """Return True during a pause: the server asked for one, did not answer, or refused this key."""
    until, _ = _pause(queue, key)
    return 0 < until - time.time() < 86400 + 60


def _pause(queue, key):
    """The time of the next attempt, and the number of failures. The pause after a refused key holds for that key only."""
    try:
        until, failures, *refused = (_read(os.path.join(queue, "wait")) or "0 0").split()
        return (float(until), int(failures)) if refused in ([], [_key_mark(key)]) else (0.0, 0)
    except ValueError:
        return 0.0, 0


def _key_mark(key):
    return key[-4:] if key and len(key) >= 4 else "-"


def _spawn_orphan(command, env):
    """Start a detached process: it leaves no zombie, and a host program that waits for its own children does not see it."""
    quiet = [(os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_RDWR, 0) for number in (0, 1, 2)]
    run = 'if command -v nice; then exec nice -n 19 "$@"; else exec "$@"; fi'
    closed = "exec %s" % " ".join("%d>&-" % number for number in range(3, 10))  # locks and pipes that the host inherited
    # The terminal may be closed before the sender has a session of its own.
    shell = ["/bin/sh", "-c", "trap '' INT HUP; %s; cd / && { %s; } &" % (closed, run), "sh", *command]
    os.waitpid(os.posix_spawn("/bin/sh", shell, env, file_actions=quiet), 0)


# The sender, in a process of its own


def _claim(queue):
    """Events that no other sender has, as [(path, attempts)]: those that are too old or had too many attempts are dropped."""
    claimed, now = [], time.time()
    for name in os.listdir(queue):
        if name.endswith(".tmp") and _modified(os.path.join(queue, name), now) < now - 86400:
            _remove(os.path.join(queue, name))
    for path in _listed(queue):
        parts = _parts(os.path.basename(path))
        written, attempts, taken = int(parts[0].partition("-")[0]) / 1000, int(parts[1]), int((parts[3:] or "0")[0])
        if abs(now - written) > MAX_AGE or attempts >= MAX_ATTEMPTS:
            _remove(path)
        elif abs(now - taken) > CLAIMED_FOR and len(claimed) < MAX_EVENTS:
            mine = os.path.join(queue, "%s.%d.json.%d" % (parts[0], attempts + (1 if taken else 0), now))
            try:
                os.rename(path, mine)
            except OSError:
                continue  # another was faster
            claimed.append((mine, attempts))
    return claimed


def _finish_sending(queue):
    """Wait until no sender has events, at most slightly longer than a request may take: events must not arrive after an erasure."""
    deadline = time.monotonic() + SEND_WITHIN + 2
    while time.monotonic() < deadline:
        claims = [int(parts[3]) for parts in (_parts(os.path.basename(path)) for path in _listed(queue)) if parts[3:]]
        if not any(abs(time.time() - taken) <= CLAIMED_FOR for taken in claims):
            return
        time.sleep(0.05)


def _modified(path, now):
    try:
        return os.path.getmtime(path)
    except OSError:  # its process has renamed it
        return now


def _release(claimed):
    for path, attempts in claimed:
        head = path.rpartition(".json")[0].rpartition(".")[0]
        try:
            os.rename(path, "%s.%d.json" % (head, attempts + 1))
        except OSError:
            pass


def _drain(url, key, queue):
    """Send all events of the queue that are free, each batch once."""
    import threading

    claimed = []

    def give_up():
        _release(claimed)
        _postpone(queue, key)
        if threading.current_thread() is not threading.main_thread() and "FOOTFALL_SENDER" in os.environ:
            os._exit(0)

    for _ in range(10):
        if _must_wait(queue, key):
            return
        claimed[:] = _claim(queue)
        if not claimed:
            return
        timer = threading.Timer(SEND_WITHIN, give_up)
        timer.daemon = True
        timer.start()
        bodies = [(_read(path) or "").strip() for path, _ in claimed]
        body = '{"events":[%s]}' % ",".join(body for body in bodies if body.startswith("{"))
        status, retry_after, answer = _request(url + "/v1/events", key, body.encode())
        timer.cancel()
        if (200 <= status < 300 and '"accepted"' in answer) or (400 <= status < 500 and status not in RETRIED):
            for path, _ in claimed:
                _remove(path)
            _remove(os.path.join(queue, "wait"))
        else:
            _release(claimed)
            _postpone(queue, key, retry_after, status in REFUSED_VERSION)
            return


def _postpone(queue, key, retry_after=None, is_version_refused=False):
    failures = min(_pause(queue, key)[1], 12) + 1
    seconds = min(retry_after, 86400) if retry_after else min(3600, 15 * 2**failures)
    mark = " " + _key_mark(key) if is_version_refused else ""
    _write(os.path.join(queue, "wait"), ("%d %d%s\n" % (time.time() + seconds, failures, mark)).encode())


def _request(url, key, body=None, method="POST"):
    """(status, seconds of Retry-After or None, the start of the response); the status is 0 without a response. Does not follow redirects."""
    import urllib.error
    import urllib.request

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    try:
        headers = {"Content-Type": "application/json", "User-Agent": CLIENT}
        if key:
            headers["Authorization"] = "Bearer " + key
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.build_opener(Stay).open(request, timeout=5) as answer:
                return answer.status, _retry_after(answer.headers), answer.read(4096).decode("utf-8", "replace")
        except urllib.error.HTTPError as answer:
            with answer:
                return answer.code, _retry_after(answer.headers), ""
    except Exception:  # http.client and ssl raise more than OSError
        return 0, None, ""


def _retry_after(headers):
    header = (headers.get("Retry-After") or "").strip()
    if header.isdigit():
        return int(header)
    from email.utils import parsedate_to_datetime

    try:
        return max(1, int(parsedate_to_datetime(header).timestamp() - time.time()))
    except (TypeError, ValueError):
        return None


# JSON, without importing `json`: its import costs as much as everything else here


def _encode(value):
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return repr(value) if value - value == 0 else "null"
    if isinstance(value, dict):
        return "{%s}" % ",".join("%s:%s" % (_encode(str(key)), _encode(inner)) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return "[%s]" % ",".join(map(_encode, value))
    text = str(value).encode("utf-8", "replace").decode()
    try:
        from _json import encode_basestring_ascii as quote
    except ImportError:
        from json.encoder import py_encode_basestring_ascii as quote
    return quote(text)


def _main():
    if hasattr(os, "setsid"):
        try:
            os.setsid()
        except OSError:
            pass
    url, key, queue = os.environ["FOOTFALL_SENDER"].split("\n", 2)
    _drain(url, key or None, queue)


if __name__ == "__main__" and "FOOTFALL_SENDER" in os.environ:
    _quiet(_main)()
