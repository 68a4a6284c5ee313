// Package footfall is Footfall's client for Go: one file, standard library only. Copy it into a folder `footfall` of your module.
//
//	telemetry := footfall.New("mytool", "https://stats.example.com", footfall.Options{Version: "1.4.0"})
//	command := telemetry.Start("build", os.Args[1:])
//	err := build()
//	command.End(err)
//
// An event is written to a small queue in the user's configuration folder, and a detached process sends it: this program itself, started
// again, which `init` below turns into the sender before `main` is reached. The host program never waits for the network. Nothing is written
// or sent before the first-run notice was shown, nothing is printed but that notice, and no panic reaches the host program.
// docs/clients.md of Footfall describes the rules that all clients share.
package footfall

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

const (
	maxEvents   = 100
	maxEvent    = 8 * 1024
	maxLocal    = 256 * 1024
	maxAge      = 7 * 24 * time.Hour
	maxAttempts = 100
	claimedFor  = 60 // seconds after which a sender that still claims events is considered dead
	sendWithin  = 10 * time.Second
	variable    = "FOOTFALL_SENDER"
)

// Options of a tool. Key is a write key, if the project requires one; Command the tool's own telemetry command as users type it, and About a
// page on what is sent: the notice names both. NoNotice says that users are informed elsewhere, before the first run. SampleRate is the share of
// events that is sent, chosen at random: 0.1 is one in ten.
type Options struct {
	Version, Key, Command, About               string
	Environment, InstallSource, PackageManager string
	NoNotice                                   bool
	SampleRate                                 float64
}

// Fields of an event, as the server knows them: outcome, duration_ms, error, target, session_id, properties.
type Fields map[string]any

// Footfall is the telemetry of one tool.
type Footfall struct {
	tool, url, prefix, folder string
	options                   Options
}

// New creates the telemetry of a tool. The address ends with /p/PROJECT if the project has one.
func New(tool, url string, options Options) *Footfall {
	upper := func(letter rune) rune {
		if letter >= 'A' && letter <= 'Z' || letter >= '0' && letter <= '9' {
			return letter
		}
		return '_'
	}
	prefix := strings.Map(upper, strings.ToUpper(tool))
	return &Footfall{tool, strings.TrimRight(url, "/"), prefix, folderOf(tool), options}
}

// Track records one event. It never fails and never waits.
func (f *Footfall) Track(name string, fields Fields) {
	defer quiet()
	state, reason := f.State()
	if reason == unasked && f.showNotice() {
		state, _ = f.State()
	}
	if state == "off" {
		return
	}
	if number, _ := strconv.ParseUint(uuid()[:8], 16, 32); state == "on" && f.isSampled() && float64(number) >= f.options.SampleRate*(1<<32) {
		return
	}
	body := encode(f.Event(name, fields))
	if len(body) > maxEvent {
		cut := Fields{}
		for key, value := range fields {
			cut[key] = value
		}
		cut["properties"] = map[string]any{"cut": true}
		body = encode(f.Event(name, cut))
	}
	if len(body) > maxEvent {
		return
	}
	if state == "local" {
		appendTo(filepath.Join(f.folder, "local.jsonl"), append(body, '\n'))
		return
	}
	if put(filepath.Join(f.folder, "queue"), body) {
		f.startSender()
	}
}

func (f *Footfall) isSampled() bool { return f.options.SampleRate > 0 && f.options.SampleRate < 1 }

// Command is a running command.
type Command struct {
	footfall *Footfall
	name     string
	flags    []string
	began    time.Time
}

// Start begins a command. Names of options among the flags are kept, never their values.
func (f *Footfall) Start(name string, flags []string) *Command {
	return &Command{f, name, flags, time.Now()}
}

// End records the command's event: duration, outcome, error type and scrubbed message. Errors with ExitCode() 0 are successes.
func (c *Command) End(err error) {
	defer quiet()
	fields := Fields{"outcome": "success", "duration_ms": float64(time.Since(c.began).Microseconds()) / 1000}
	var coded interface{ ExitCode() int }
	if err != nil && !(errors.As(err, &coded) && coded.ExitCode() == 0) {
		fields["outcome"], fields["error"] = "failure", err
	}
	if names := flagNames(c.flags); names != "" {
		fields["properties"] = map[string]any{"flags": names}
	}
	c.footfall.Track(c.name, fields)
}

// Exit records the command's event and ends the program with the code.
func (c *Command) Exit(code int) {
	var err error
	if code != 0 {
		err = exitError(code)
	}
	c.End(err)
	os.Exit(code)
}

type exitError int

func (e exitError) Error() string { return "" }

const unasked = "the notice was not shown yet"

// State is on, local or off, and the reason.
func (f *Footfall) State() (state, reason string) {
	if isSet("DO_NOT_TRACK") {
		return "off", "DO_NOT_TRACK is set"
	}
	if isSet(f.prefix + "_NO_TELEMETRY") {
		return "off", f.prefix + "_NO_TELEMETRY is set"
	}
	setting := strings.ToLower(strings.TrimSpace(os.Getenv(f.prefix + "_TELEMETRY")))
	isOn := setting == "1" || setting == "true" || setting == "on" || setting == "yes"
	if setting == "local" && f.folder != "" {
		return "local", f.prefix + "_TELEMETRY is set"
	}
	if setting != "" && !isOn {
		return "off", f.prefix + "_TELEMETRY is set"
	}
	if f.folder == "" {
		return "off", "there is no home folder"
	}
	if choice, err := os.ReadFile(filepath.Join(f.folder, "choice")); err == nil {
		if word := strings.TrimSpace(string(choice)); word == "on" || word == "local" {
			return word, "your choice"
		}
		return "off", "your choice"
	}
	if isOn {
		return "on", f.prefix + "_TELEMETRY is set"
	}
	if _, err := os.Stat(filepath.Join(f.folder, "notice")); f.options.NoNotice || err == nil {
		return "on", "the default"
	}
	return "off", unasked
}

// Event is the event as it is sent.
func (f *Footfall) Event(name string, fields Fields) map[string]any {
	state, _ := f.State()
	event := surroundings()
	event["name"], event["id"], event["timestamp"] = name, uuid(), time.Now().UnixMilli()
	event["installation_id"], event["version"] = installationID(f.folder, state == "on"), f.options.Version
	for key, value := range map[string]string{
		"environment": f.options.Environment, "install_source": f.options.InstallSource, "package_manager": f.options.PackageManager,
	} {
		if value != "" {
			event[key] = value
		}
	}
	if f.isSampled() {
		event["sample_rate"] = f.options.SampleRate
	}
	for key, value := range fields {
		if err, ok := value.(error); ok && key == "error" {
			event[key] = described(err)
		} else {
			event[key] = clean(value)
		}
	}
	for key, value := range event {
		if value == nil || value == "" {
			delete(event, key)
		}
	}
	return event
}

// CLI is the tool's `telemetry` command: status, on, local, off, show, erase. It prints, and returns the exit code.
func (f *Footfall) CLI(words []string) int {
	verb := "status"
	if len(words) > 0 {
		verb = words[0]
	}
	print := func() {
		state, reason := f.State()
		fmt.Printf("telemetry: %s (%s)\n", state, reason)
	}
	switch verb {
	case "status":
		print()
	case "on", "local", "off":
		if f.folder == "" || !write(filepath.Join(f.folder, "choice"), []byte(verb+"\n")) {
			fmt.Fprintf(os.Stderr, "The choice cannot be stored. Set %s_TELEMETRY=%s instead.\n", f.prefix, verb)
			return 1
		}
		if verb != "on" {
			for _, path := range listed(filepath.Join(f.folder, "queue")) {
				os.Remove(path)
			}
		}
		print()
	case "show":
		fmt.Println(string(encode(f.Event("example", Fields{"outcome": "success", "duration_ms": 0}))))
		for _, path := range append(listed(filepath.Join(f.folder, "queue")), filepath.Join(f.folder, "local.jsonl")) {
			if content, err := os.ReadFile(path); err == nil {
				fmt.Println(strings.TrimSpace(string(content)))
			}
		}
	case "erase":
		return f.erase()
	default:
		fmt.Fprintln(os.Stderr, "usage: telemetry status|on|local|off|show|erase")
		return 2
	}
	return 0
}

func (f *Footfall) erase() int {
	queue := filepath.Join(f.folder, "queue")
	id := installationID(f.folder, false)
	for round := 0; id != "" && round < 3; round++ {
		finishSending(queue)
		before := listed(queue)
		status, _, _ := request("DELETE", f.url+"/v1/installs/"+id, f.options.Key, nil)
		if status != 404 && (status < 200 || status > 299) {
			fmt.Fprintln(os.Stderr, "The server could not be asked to erase; nothing was changed. Try again later.")
			return 1
		}
		if reflect.DeepEqual(listed(queue), before) {
			break
		}
	}
	for _, path := range listed(queue) {
		os.Remove(path)
	}
	for _, name := range []string{"id", "local.jsonl", "local.jsonl.old"} {
		os.Remove(filepath.Join(f.folder, name))
	}
	fmt.Println("Erased: the id, the events that waited, and what the server held of this installation.")
	return 0
}

func (f *Footfall) showNotice() bool {
	if ciSystem() != "" || !isTerminal(os.Stdout) || !isTerminal(os.Stderr) {
		return false
	}
	for _, word := range os.Args[1:] {
		if strings.HasPrefix(word, "--json") {
			return false
		}
	}
	host := f.url[strings.Index(f.url, "//")+2:]
	host, _, _ = strings.Cut(host, "/")
	stop := f.prefix + "_TELEMETRY=off"
	if f.options.Command != "" {
		stop = f.options.Command + " off, or " + stop
	}
	text := fmt.Sprintf("%s sends anonymous usage data to %s: commands, durations, outcomes, version and system,\n"+
		"under a random id; no names, paths or contents. To stop it: %s, or DO_NOT_TRACK=1.\n", f.tool, host, stop)
	if f.options.About != "" {
		text += fmt.Sprintf("More: %s\n", f.options.About)
	}
	return write(filepath.Join(f.folder, "notice"), []byte("shown\n"), func() { fmt.Fprint(os.Stderr, text) })
}

func quiet() { _ = recover() }

func isSet(name string) bool {
	switch strings.ToLower(strings.TrimSpace(os.Getenv(name))) {
	case "", "0", "false", "off", "no":
		return false
	}
	return true
}

// Fields that the client adds

var ciSystems = [][2]string{
	{"GITHUB_ACTIONS", "github"}, {"GITLAB_CI", "gitlab"}, {"TF_BUILD", "azure"}, {"JENKINS_URL", "jenkins"}, {"CIRCLECI", "circle"},
	{"TRAVIS", "travis"}, {"BUILDKITE", "buildkite"}, {"TEAMCITY_VERSION", "teamcity"}, {"BITBUCKET_BUILD_NUMBER", "bitbucket"},
	{"CODEBUILD_BUILD_ID", "codebuild"}, {"APPVEYOR", "appveyor"}, {"DRONE", "drone"}, {"CIRRUS_CI", "cirrus"}, {"SEMAPHORE", "semaphore"},
	{"GITEA_ACTIONS", "gitea"}, {"FORGEJO_ACTIONS", "forgejo"}, {"NETLIFY", "netlify"}, {"HUDSON_URL", "hudson"},
	{"CI", "other"}, {"CONTINUOUS_INTEGRATION", "other"},
}

var agents = [][2]string{
	{"CLAUDECODE", "claude-code"}, {"CURSOR_AGENT", "cursor"}, {"GEMINI_CLI", "gemini-cli"}, {"CODEX_SANDBOX", "codex"},
	{"CODEX_THREAD_ID", "codex"}, {"OPENCODE", "opencode"}, {"CLINE_ACTIVE", "cline"}, {"AUGMENT_AGENT", "augment"},
	{"GOOSE_TERMINAL", "goose"}, {"QWEN_CODE", "qwen-code"}, {"COPILOT_CLI", "copilot-cli"}, {"AMP_CURRENT_THREAD_ID", "amp"},
	{"REPLIT_AGENT", "replit"}, {"ANTIGRAVITY_AGENT", "antigravity"}, {"AI_AGENT", "other"},
}

func ciSystem() string {
	for _, pair := range ciSystems {
		if isSet(pair[0]) {
			return pair[1]
		}
	}
	return ""
}

func container() string {
	if isSet("KUBERNETES_SERVICE_HOST") {
		return "kubernetes"
	}
	for path, name := range map[string]string{"/.dockerenv": "docker", "/run/.containerenv": "podman"} {
		if _, err := os.Stat(path); err == nil {
			return name
		}
	}
	switch name := os.Getenv("container"); name {
	case "", "docker", "podman", "lxc", "oci", "systemd-nspawn":
		return name
	}
	return "other"
}

func surroundings() map[string]any {
	ci, box, environment, found := ciSystem(), container(), "person", []string{}
	if box != "" {
		environment = "container"
	}
	for _, name := range []string{"CODESPACES", "REMOTE_CONTAINERS", "GITPOD_WORKSPACE_ID", "TOOLBOX_PATH", "DISTROBOX_ENTER_PATH"} {
		if isSet(name) {
			environment = "person"
		}
	}
	if ci != "" {
		environment = "ci"
	}
	for _, pair := range agents {
		if isSet(pair[0]) && !strings.Contains(" "+strings.Join(found, " ")+" ", " "+pair[1]+" ") {
			found = append(found, pair[1])
		}
	}
	return map[string]any{
		"os": runtime.GOOS, "arch": runtime.GOARCH, "runtime": strings.Replace(runtime.Version(), "go", "go ", 1),
		"environment": environment, "ci_system": ci, "container": box, "agent": strings.Join(found, " "),
		"interactive": isTerminal(os.Stdin) && isTerminal(os.Stdout), "install_source": installSource(),
	}
}

func isTerminal(file *os.File) bool {
	info, err := file.Stat()
	if err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return false
	}
	null, err := os.Stat(os.DevNull)
	return err != nil || !os.SameFile(info, null)
}

func installSource() string {
	place, err := os.Executable()
	if err != nil {
		return "binary"
	}
	if real, err := filepath.EvalSymlinks(place); err == nil {
		place = real
	}
	place = filepath.ToSlash(place)
	for _, pair := range [][2]string{
		{"/Cellar/", "homebrew"}, {"/nix/store/", "nix"}, {"/snap/", "snap"}, {"/scoop/", "scoop"}, {"/chocolatey/", "chocolatey"},
		{"/node_modules/", "npm"}, {"/go-build", "source"}, {"/go/bin/", "go"}, {"/usr/bin/", "system"},
	} {
		if strings.Contains(place, pair[0]) {
			return pair[1]
		}
	}
	return "binary"
}

func flagNames(words []string) string {
	names := map[string]bool{}
	for _, word := range words {
		if word == "--" {
			break
		}
		if strings.HasPrefix(word, "--") {
			word, _, _ = strings.Cut(word, "=")
		} else if len(word) > 2 {
			word = word[:2] // -p of -psecret
		}
		if flag.MatchString(word) {
			names[word] = true
		}
	}
	found := make([]string, 0, len(names))
	for name := range names {
		found = append(found, name)
	}
	sort.Strings(found)
	return strings.Join(found, " ")
}

var flag = lazy(`^(--[a-zA-Z][a-zA-Z0-9-]{0,37}|-[a-zA-Z])$`)

// Privacy

func described(err error) map[string]any {
	if code, ok := err.(exitError); ok {
		return map[string]any{"type": "exit " + strconv.Itoa(int(code))}
	}
	kind := err
	for inner := errors.Unwrap(kind); inner != nil && strings.HasPrefix(fmt.Sprintf("%T", kind), "*fmt."); inner = errors.Unwrap(kind) {
		kind = inner
	}
	return map[string]any{"type": strings.TrimPrefix(fmt.Sprintf("%T", kind), "*"), "message": scrub(err.Error())}
}

func clean(value any) any {
	switch typed := value.(type) {
	case string:
		return scrub(typed)
	case error:
		return scrub(typed.Error())
	case map[string]any:
		cleaned := map[string]any{}
		for key, inner := range typed {
			cleaned[key] = clean(inner)
		}
		return cleaned
	case map[string]string:
		cleaned := map[string]any{}
		for key, inner := range typed {
			cleaned[key] = scrub(inner)
		}
		return cleaned
	case []string:
		cleaned := make([]any, len(typed))
		for place, inner := range typed {
			cleaned[place] = scrub(inner)
		}
		return cleaned
	case []any:
		cleaned := make([]any, len(typed))
		for place, inner := range typed {
			cleaned[place] = clean(inner)
		}
		return cleaned
	case nil, bool, int, int8, int16, int32, int64, uint8, uint16, uint32, float32, float64:
		return value
	}
	return scrub(fmt.Sprint(value))
}

// pattern is compiled when it is first used: most runs use none.
type pattern struct {
	text     string
	compiled *regexp.Regexp
}

func lazy(text string) *pattern { return &pattern{text: text} }

func (p *pattern) get() *regexp.Regexp {
	if p.compiled == nil {
		p.compiled = regexp.MustCompile(p.text)
	}
	return p.compiled
}

func (p *pattern) MatchString(text string) bool { return p.get().MatchString(text) }

var patterns = []struct {
	*pattern
	shown string
}{
	{lazy(`(?i)(?:/home/|/Users/|[a-z]:[\\/]+Users[\\/]+)[^\\/\s'":]+`), "~"},
	{lazy(`(?s)-----BEGIN [^-]*-----.*?(?:-----END [^-]*-----|$)`), "[secret]"},
	{lazy(`\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]+)?`), "[token]"},
	{lazy(`\b(?:gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk-|pk_live_|sk_live_|npm_|pypi-|hf_|ff_|AIza|AKIA|ASIA)[\w-]{8,}`), "[token]"},
	{lazy(`//[^\s/@'"]+@`), "//[credentials]@"},
	{lazy(`(?i)\b(bearer|basic)\s+[\w.~+/=-]{6,}`), "$1 [token]"},
	{lazy(`(?i)((?:token|secret|passw(?:or)?d|passwd|pwd|api[_-]?key|access[_-]?key|authorization)["']?\s*[=:]\s*)[^\s,;&]+`), "$1[secret]"},
	{lazy(`[\w.+%-]+@[\w-]+(?:\.[\w-]+)+`), "[email]"},
	{lazy(`\b\d{1,3}(?:\.\d{1,3}){3}\b`), "[ip]"},
	{lazy(`\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F:]+`), "[ip]"},
	{lazy(`\b[A-Za-z0-9+/_-]{40,}={0,2}`), "[token]"},
}

// scrub removes home folders, e-mail addresses, credentials, IP addresses, and the names of this user and this machine from a text.
func scrub(text string) string {
	text = strings.ToValidUTF8(cut(text, 8000), "\uFFFD")
	host, _ := os.Hostname()
	names := []string{host}
	for _, name := range []string{"USER", "LOGNAME", "USERNAME", "HOSTNAME", "COMPUTERNAME"} {
		names = append(names, os.Getenv(name))
	}
	if len(text) < 11 && !strings.ContainsAny(text, `@/\:=.`) {
		for _, name := range names {
			if len(name) > 2 && strings.Contains(text, name) {
				return "[name]"
			}
		}
		return text
	}
	for _, home := range []string{os.Getenv("HOME"), os.Getenv("USERPROFILE")} {
		if len(home) > 2 {
			text = strings.ReplaceAll(text, home, "~")
		}
	}
	for _, one := range patterns {
		text = one.get().ReplaceAllString(text, one.shown)
	}
	for _, name := range names {
		if len(name) > 2 && name != "root" && name != "runner" && name != "user" && name != "localhost" && strings.Contains(text, name) {
			text = regexp.MustCompile(`\b`+regexp.QuoteMeta(name)+`\b`).ReplaceAllString(text, "[name]")
		}
	}
	return cut(text, 1000)
}

func cut(text string, length int) string {
	if len(text) <= length {
		return text
	}
	for length > 0 && !utf8.RuneStart(text[length]) {
		length--
	}
	return text[:length]
}

// Files

func folderOf(tool string) string {
	if tool == "" || len(tool) > 64 || tool[0] == '.' || strings.Trim(strings.ToLower(tool), "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return ""
	}
	home, base := os.Getenv("HOME"), os.Getenv("XDG_CONFIG_HOME")
	switch {
	case runtime.GOOS == "windows":
		base = os.Getenv("APPDATA")
	case runtime.GOOS == "darwin":
		base = filepath.Join(home, "Library", "Application Support")
	case !filepath.IsAbs(base):
		base = filepath.Join(home, ".config")
	}
	if !filepath.IsAbs(base) {
		return ""
	}
	folder := filepath.Join(base, tool, "telemetry")
	for _, path := range []string{home, base, filepath.Dir(folder), folder} {
		if !isOwn(path) {
			return ""
		}
	}
	return folder
}

// isOwn reports whether a folder is this user's or does not exist: root could write into another user's, who could not change files of root.
func isOwn(path string) bool {
	info, err := os.Stat(path)
	if err != nil || os.Geteuid() < 0 {
		return true
	}
	owner := reflect.Indirect(reflect.ValueOf(info.Sys())).FieldByName("Uid")
	return !owner.IsValid() || owner.Uint() == uint64(os.Geteuid())
}

func encode(value any) []byte {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return make([]byte, maxEvent+1) // invalid JSON is not sent
	}
	return bytes.TrimSpace(text.Bytes())
}

// create writes a file that does not exist yet. It leaves none if the disk is full.
func create(path string, body []byte) bool {
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return false
	}
	if os.WriteFile(path, body, 0o600) != nil {
		_ = os.Remove(path)
		return false
	}
	return true
}

// write writes a file atomically. The functions run when only the renaming is left to do.
func write(path string, body []byte, before ...func()) bool {
	part := path + "." + uuid() + ".tmp"
	if !create(part, body) {
		return false
	}
	for _, run := range before {
		run()
	}
	return os.Rename(part, path) == nil
}

func appendTo(path string, line []byte) {
	if os.MkdirAll(filepath.Dir(path), 0o700) != nil {
		return
	}
	if info, err := os.Stat(path); err == nil && info.Size() > maxLocal {
		_ = os.Rename(path, path+".old")
	}
	if file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
		_, _ = file.Write(line)
		_ = file.Close()
	}
}

func uuid() string {
	digits := make([]byte, 16)
	_, _ = rand.Read(digits)
	digits[6], digits[8] = digits[6]&0x0f|0x40, digits[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", digits[:4], digits[4:6], digits[6:8], digits[8:10], digits[10:])
}

// installationID is the random id, created once: if several processes create it at the same time, one wins and the others use its id.
func installationID(folder string, make bool) string {
	if folder == "" {
		return ""
	}
	path := filepath.Join(folder, "id")
	for range [3]int{} {
		found, missing := os.ReadFile(path)
		if stored := strings.TrimSpace(string(found)); len(stored) == 36 {
			return stored
		}
		if !make {
			return ""
		}
		part := path + "." + uuid() + ".tmp"
		if !create(part, []byte(uuid()+"\n")) {
			return ""
		}
		if missing == nil { // no id in it
			_ = os.Rename(part, path)
		} else if err := os.Link(part, path); err != nil && !os.IsExist(err) {
			_ = os.Rename(part, path) // no hard links here
		}
		_ = os.Remove(part)
	}
	return ""
}

// The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `….json.{seconds}`.

var queued = lazy(`^(\d+)-([\w-]+)\.(\d+)\.json(?:\.(\d+))?$`)

func listed(queue string) []string {
	entries, _ := os.ReadDir(queue)
	paths := []string{}
	for _, entry := range entries {
		if queued.MatchString(entry.Name()) {
			paths = append(paths, filepath.Join(queue, entry.Name()))
		}
	}
	return paths
}

func put(queue string, body []byte) bool {
	waiting := listed(queue)
	for len(waiting) >= maxEvents {
		_ = os.Remove(waiting[0])
		waiting = waiting[1:]
	}
	return write(filepath.Join(queue, fmt.Sprintf("%d-%s.0.json", time.Now().UnixMilli(), uuid())), body)
}

// pause returns the time of the next attempt, and the number of failures. The pause after a refused key holds for that key only.
func pause(queue, key string) (until int64, failures int) {
	text, _ := os.ReadFile(filepath.Join(queue, "wait"))
	words := strings.Fields(string(text))
	if len(words) < 2 || len(words) > 2 && words[2] != keyMark(key) {
		return 0, 0
	}
	until, _ = strconv.ParseInt(words[0], 10, 64)
	failures, err := strconv.Atoi(words[1])
	if err != nil {
		return 0, 0
	}
	return until, failures
}

// keyMark returns the end of a key, by which the file `wait` tells whose key was refused.
func keyMark(key string) string {
	if len(key) < 4 {
		return "-"
	}
	return key[len(key)-4:]
}

func mustWait(queue, key string) bool {
	until, _ := pause(queue, key)
	remaining := until - time.Now().Unix()
	return remaining > 0 && remaining < 86460
}

// The sender

type settings struct{ URL, Key, Queue string }

func (f *Footfall) startSender() {
	queue := filepath.Join(f.folder, "queue")
	program, err := os.Executable()
	if err != nil || mustWait(queue, f.options.Key) {
		return
	}
	command := exec.Command(program)
	if runtime.GOOS != "windows" {
		// On Linux, `setsid` begins the session after the start: a new session is a new scheduling group (autogroup), in which the shell would wait
		// for its turn, while the host program waits for the shell.
		const script = `trap '' INT HUP; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; { command -v nice && set -- nice -n 19 "$@"
			command -v setsid && set -- setsid "$@"; exec "$@"; } &`
		command = exec.Command("/bin/sh", "-c", script, "sh", program)
	}
	// Through the environment, where other users of the machine cannot read the key.
	command.Env = append(os.Environ(), variable+"="+string(encode(settings{f.url, f.options.Key, queue})))
	command.Dir = filepath.VolumeName(program) + string(filepath.Separator)
	detach(command)
	if command.Start() == nil && runtime.GOOS != "windows" {
		_ = command.Wait() // for the shell, which ends at once: the sender is not a child of the host program
	}
}

// detach requests a session of its own (not on Linux) and no window. Fields are set by name, because the type differs between systems and this is one file.
func detach(command *exec.Cmd) {
	pointer := reflect.ValueOf(command).Elem().FieldByName("SysProcAttr")
	attributes := reflect.New(pointer.Type().Elem())
	for _, name := range []string{"Setsid", "HideWindow"} {
		if field := attributes.Elem().FieldByName(name); field.IsValid() && !(name == "Setsid" && runtime.GOOS == "linux") {
			field.SetBool(true)
		}
	}
	pointer.Set(attributes)
}

func init() {
	text := os.Getenv(variable)
	if text == "" {
		return
	}
	var sender settings
	if json.Unmarshal([]byte(text), &sender) == nil && sender.Queue != "" {
		func() {
			defer quiet()
			drain(sender)
		}()
	}
	os.Exit(0)
}

type claimed struct {
	path, free string
	body       []byte
}

// claim takes the events that no other sender has; those that are too old or had too many attempts are dropped.
func claim(queue string) []claimed {
	found, now := []claimed{}, time.Now()
	entries, _ := os.ReadDir(queue)
	for _, entry := range entries {
		path := filepath.Join(queue, entry.Name())
		if info, err := entry.Info(); err == nil && strings.HasSuffix(path, ".tmp") && now.Sub(info.ModTime()) > 24*time.Hour {
			_ = os.Remove(path)
		}
		parts := queued.get().FindStringSubmatch(entry.Name())
		if parts == nil {
			continue
		}
		written, _ := strconv.ParseInt(parts[1], 10, 64)
		attempts, _ := strconv.Atoi(parts[3])
		taken, _ := strconv.ParseInt(parts[4], 10, 64)
		if now.Sub(time.UnixMilli(written)).Abs() > maxAge || attempts >= maxAttempts {
			_ = os.Remove(path)
		} else if (now.Unix()-taken > claimedFor || taken > now.Unix()+claimedFor) && len(found) < maxEvents {
			stem := filepath.Join(queue, parts[1]+"-"+parts[2])
			mine := fmt.Sprintf("%s.%d.json.%d", stem, attempts, now.Unix())
			if os.Rename(path, mine) == nil {
				body, _ := os.ReadFile(mine)
				found = append(found, claimed{mine, fmt.Sprintf("%s.%d.json", stem, attempts+1), bytes.TrimSpace(body)})
			}
		}
	}
	return found
}

// finishSending waits until no sender has events, at most slightly longer than a request may take: events must not arrive after an erasure.
func finishSending(queue string) {
	for deadline := time.Now().Add(sendWithin + 2*time.Second); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		isSending := false
		for _, path := range listed(queue) {
			taken, err := strconv.ParseInt(strings.TrimPrefix(filepath.Ext(path), "."), 10, 64)
			age := time.Now().Unix() - taken
			isSending = isSending || err == nil && -claimedFor <= age && age <= claimedFor
		}
		if !isSending {
			return
		}
	}
}

// drain sends all events of the queue that are free, each batch once.
func drain(sender settings) {
	for range [10]int{} {
		if mustWait(sender.Queue, sender.Key) {
			return
		}
		taken := claim(sender.Queue)
		if len(taken) == 0 {
			return
		}
		bodies := [][]byte{}
		for _, one := range taken {
			if bytes.HasPrefix(one.body, []byte("{")) {
				bodies = append(bodies, one.body)
			}
		}
		body := append(append([]byte(`{"events":[`), bytes.Join(bodies, []byte(","))...), "]}"...)
		status, retryAfter, answer := request("POST", sender.URL+"/v1/events", sender.Key, body)
		isVersionRefused := status == 401 || status == 403 || status == 404 // a version with another key or address may deliver the events
		isRefused := status >= 400 && status < 500 && !isVersionRefused && status != 407 && status != 408 && status != 425 && status != 429
		if status >= 200 && status < 300 && strings.Contains(answer, `"accepted"`) || isRefused {
			for _, one := range taken {
				_ = os.Remove(one.path)
			}
			_ = os.Remove(filepath.Join(sender.Queue, "wait"))
			continue
		}
		for _, one := range taken {
			_ = os.Rename(one.path, one.free)
		}
		_, failures := pause(sender.Queue, sender.Key)
		if failures++; failures > 12 {
			failures = 12
		}
		seconds, longest := int64(15)<<failures, int64(3600)
		if retryAfter > 0 {
			seconds, longest = retryAfter, 86400
		}
		if seconds > longest {
			seconds = longest
		}
		mark := ""
		if isVersionRefused {
			mark = " " + keyMark(sender.Key)
		}
		write(filepath.Join(sender.Queue, "wait"), []byte(fmt.Sprintf("%d %d%s\n", time.Now().Unix()+seconds, failures, mark)))
		return
	}
}

// request returns the status (0 without a response), the seconds of Retry-After, and the start of the response. It does not follow redirects.
func request(method, url, key string, body []byte) (status int, retryAfter int64, answer string) {
	limit, cancel := context.WithTimeout(context.Background(), sendWithin)
	defer cancel()
	outgoing, err := http.NewRequestWithContext(limit, method, url, bytes.NewReader(body))
	if err != nil {
		return 0, 0, ""
	}
	outgoing.Header.Set("Content-Type", "application/json")
	outgoing.Header.Set("User-Agent", "footfall-go/1")
	if key != "" {
		outgoing.Header.Set("Authorization", "Bearer "+key)
	}
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	response, err := client.Do(outgoing)
	if err != nil {
		return 0, 0, ""
	}
	defer response.Body.Close()
	header := response.Header.Get("Retry-After")
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		retryAfter = seconds
	} else if moment, err := http.ParseTime(header); err == nil {
		if retryAfter = int64(time.Until(moment).Seconds()); retryAfter < 1 {
			retryAfter = 1
		}
	}
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return response.StatusCode, retryAfter, string(text)
}
