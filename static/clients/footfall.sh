# Footfall's client for POSIX shells (dash, bash, ksh, busybox). Needs awk, and curl or wget. Source it, or call it:
#
#   FOOTFALL_TOOL=mytool FOOTFALL_URL=https://stats.example.com FOOTFALL_VERSION=1.4.0
#   . ./footfall.sh
#   footfall_trap build "$@"                                 # one event when the script ends: duration, outcome, names of flags
#   footfall_track build outcome=success duration_ms=812 properties.files=3
#   footfall_cli "$@"                                        # the tool's `telemetry` command: status, on, local, off, show, erase
#
#   FOOTFALL_TOOL=mytool FOOTFALL_URL=https://stats.example.com sh footfall.sh track build outcome=success
#
# Also: FOOTFALL_KEY (a write key), FOOTFALL_COMMAND ("mytool telemetry", for the notice), FOOTFALL_ABOUT (a page about the data sent),
# FOOTFALL_NOTICE=no (users are informed elsewhere, before the first run), FOOTFALL_SAMPLE_RATE=0.1 (send one event in ten, chosen at random).
#
# The script never waits: a background process, which is not a job of the script, creates, queues and sends the event. Nothing is written or sent
# before the first-run notice was shown, and nothing is printed but that notice. docs/clients.md of Footfall describes the shared rules.

footfall_track() {
    _footfall_tty=false
    if [ -t 0 ] && [ -t 1 ]; then _footfall_tty=true; fi
    if [ -t 1 ] && [ -t 2 ]; then (_footfall_show_notice) </dev/null || :; fi
    # Two subshells: the inner one is not a job of the script, so `wait` and `$!` do not see it. Descriptors of the script (locks) are closed.
    # SIGHUP is ignored before the fork: when the script ends, its terminal may close before the background process has run. SIGINT is not ignored
    # here: bash would believe that this command handled the Ctrl-C of its user, and would continue the script.
    (
        trap '' HUP
        exec </dev/null >/dev/null 2>&1
        { exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; } || :
        _footfall_plain_shell
        _footfall_state # now: what the user chooses later is not for this event
        if [ "$state" = off ]; then exit; fi
        {
            trap '' HUP INT
            _footfall_self=${BASH_VERSION:+${BASHPID-}} # saves two processes, which would compete with the end of the script
            [ -n "$_footfall_self" ] || _footfall_self=$(exec sh -c 'echo "$PPID"')
            renice -n 19 -p "$_footfall_self"
            cd / || :
            _footfall_record "$@"
        } &
    ) || :
    return 0
}

footfall_trap() {
    _footfall_name=$1
    shift
    _footfall_flags=
    for _footfall_word in "$@"; do
        case $_footfall_word in
            --) break ;;
            --[a-zA-Z]*) _footfall_word=${_footfall_word%%=*} ;;
            -[a-zA-Z]*) _footfall_word=${_footfall_word%"${_footfall_word#??}"} ;;
            *) continue ;;
        esac
        case $_footfall_word in
            *[!a-zA-Z0-9-]*) continue ;;
        esac
        _footfall_flags="$_footfall_flags${_footfall_flags:+ }$_footfall_word"
    done
    _footfall_clock _footfall_began
    trap 'footfall_end "$?"' EXIT
}

# For scripts with their own EXIT trap: call this there first, with "$?".
footfall_end() {
    _footfall_clock _footfall_ended
    _footfall_outcome=outcome=failure _footfall_error="error.type=exit $1"
    if [ "$1" = 0 ]; then _footfall_outcome=outcome=success _footfall_error=; fi
    if [ "$1" = 130 ]; then _footfall_outcome=properties.interrupted=true _footfall_error=; fi
    footfall_track "$_footfall_name" "$_footfall_outcome" "$_footfall_error" ${_footfall_flags:+"properties.flags=$_footfall_flags"} \
        "duration_ms=$((_footfall_ended - _footfall_began))"
}

footfall_cli() {
    (
        _footfall_plain_shell
        _footfall_command "$@"
    )
}

# Milliseconds, as precise as possible without starting a process.
_footfall_clock() {
    if [ -n "${EPOCHREALTIME-}" ]; then
        _footfall_now=${EPOCHREALTIME%???}
        eval "$1=\${_footfall_now%[.,]*}\${_footfall_now#*[.,]}"
    elif [ -r /proc/uptime ] && read -r _footfall_now _ </proc/uptime; then
        _footfall_now=${_footfall_now%.*}${_footfall_now#*.}0
        eval "$1=\$_footfall_now"
    else
        eval "$1=\$(date +%s)000"
    fi
}

# ---- everything below runs in a subshell --------------------------------------------------------------------------------------------------

_footfall_plain_shell() {
    set +e +u +f +x +v
    IFS='
 	'
    if [ -n "${ZSH_VERSION-}" ]; then emulate sh; fi
    umask 077
    tool=${FOOTFALL_TOOL-} url=${FOOTFALL_URL-} tty=${_footfall_tty-false} folder= prefix=
    while [ "$url" != "${url%/}" ]; do url=${url%/}; done
    case $tool in
        '' | *[!a-zA-Z0-9._-]* | [!a-zA-Z]*) return ;;
    esac
    _footfall_upper "$tool"
    base=${XDG_CONFIG_HOME-}
    case $base in
        /*) ;;
        *) base=${HOME:+$HOME/.config} ;;
    esac
    if [ -d /System/Library ]; then # macOS
        base=${HOME:+$HOME/Library/Application Support}
    elif [ "${OS-}" = Windows_NT ]; then
        base=${APPDATA-}
    fi
    case $base in
        /* | [A-Za-z]:*) ;;
        *) return ;;
    esac
    # Root could write into folders of another user, who could not change files of root.
    for path in "${HOME:-/dev/null/none}" "$base" "$base/$tool" "$base/$tool/telemetry"; do
        if [ -e "$path" ] && [ ! -O "$path" ]; then return; fi
    done
    folder=$base/$tool/telemetry
}

# Sets prefix, without a process.
_footfall_upper() { # TOOL
    rest=$1
    while [ -n "$rest" ]; do
        case $rest in
            a*) prefix=${prefix}A ;; b*) prefix=${prefix}B ;; c*) prefix=${prefix}C ;; d*) prefix=${prefix}D ;;
            e*) prefix=${prefix}E ;; f*) prefix=${prefix}F ;; g*) prefix=${prefix}G ;; h*) prefix=${prefix}H ;;
            i*) prefix=${prefix}I ;; j*) prefix=${prefix}J ;; k*) prefix=${prefix}K ;; l*) prefix=${prefix}L ;;
            m*) prefix=${prefix}M ;; n*) prefix=${prefix}N ;; o*) prefix=${prefix}O ;; p*) prefix=${prefix}P ;;
            q*) prefix=${prefix}Q ;; r*) prefix=${prefix}R ;; s*) prefix=${prefix}S ;; t*) prefix=${prefix}T ;;
            u*) prefix=${prefix}U ;; v*) prefix=${prefix}V ;; w*) prefix=${prefix}W ;; x*) prefix=${prefix}X ;;
            y*) prefix=${prefix}Y ;; z*) prefix=${prefix}Z ;;
            [A-Z0-9]*) prefix=$prefix${rest%"${rest#?}"} ;;
            *) prefix=${prefix}_ ;;
        esac
        rest=${rest#?}
    done
}

_footfall_is_set() { # NAME
    eval "value=\${$1-}"
    case $value in
        '' | 0 | [Ff]alse | FALSE | [Oo]ff | OFF | [Nn]o | NO) return 1 ;;
    esac
}

# Sets state (on, local, off) and reason.
_footfall_state() {
    state=off
    if _footfall_is_set DO_NOT_TRACK; then reason="DO_NOT_TRACK is set" && return; fi
    if [ -z "$prefix" ] || [ -z "$url" ]; then reason="FOOTFALL_TOOL or FOOTFALL_URL is missing" && return; fi
    if _footfall_is_set "${prefix}_NO_TELEMETRY"; then reason="${prefix}_NO_TELEMETRY is set" && return; fi
    eval "setting=\${${prefix}_TELEMETRY-}"
    reason="${prefix}_TELEMETRY is set"
    case $setting in
        '' | 1 | [Tt]rue | TRUE | [Oo]n | ON | [Yy]es | YES) ;;
        local) state=local && [ -n "$folder" ] || state=off; return ;;
        *) return ;;
    esac
    if [ -z "$folder" ]; then reason="there is no home folder" && return; fi
    if [ -e "$folder/choice" ]; then
        reason="your choice"
        read -r choice <"$folder/choice"
        case $choice in
            on | local) state=$choice ;;
        esac
    elif [ -n "$setting" ]; then
        state=on
    elif [ "${FOOTFALL_NOTICE-}" = no ] || [ -e "$folder/notice" ]; then
        state=on reason="the default"
    else
        reason="the notice was not shown yet"
    fi
}

_footfall_show_notice() {
    _footfall_plain_shell 2>/dev/null
    [ -n "$folder" ] && [ ! -e "$folder/notice" ] || return
    _footfall_state 2>/dev/null
    [ "$reason" = "the notice was not shown yet" ] || return
    _footfall_ci
    [ -z "$ci" ] || return
    case " ${_footfall_flags-} " in
        *" --json "*) return ;;
    esac
    host=${url#*//}
    stop="${prefix}_TELEMETRY=off"
    [ -z "${FOOTFALL_COMMAND-}" ] || stop="$FOOTFALL_COMMAND off, or $stop"
    part=$folder/notice.$$.tmp
    { mkdir -p "$folder" && echo shown >"$part"; } 2>/dev/null || {
        rm -f "$part"
        return
    }
    printf '%s sends anonymous usage data to %s: commands, durations, outcomes, version and system,\n' "$tool" "${host%%/*}" >&2
    printf 'under a random id; no names, paths or contents. To stop it: %s, or DO_NOT_TRACK=1.\n' "$stop" >&2
    [ -z "${FOOTFALL_ABOUT-}" ] || printf 'More: %s\n' "$FOOTFALL_ABOUT" >&2
    mv -f "$part" "$folder/notice" 2>/dev/null
}

_footfall_uuid() {
    od -An -N16 -tx1 /dev/urandom | tr -d ' \n' | awk '{ v = index("0123456789abcdef", substr($0, 17, 1)) - 1
        print substr($0, 1, 8) "-" substr($0, 9, 4) "-4" substr($0, 14, 3) "-" substr("89ab", v % 4 + 1, 1) substr($0, 18, 3) "-" substr($0, 21, 12) }'
}

# The random id, created once: if several processes create it at the same time, one wins and the others use its id.
_footfall_id() { # make?
    id=
    for _ in 1 2 3; do
        broken=
        if [ -e "$folder/id" ]; then read -r id <"$folder/id" || broken=yes; fi
        [ "${#id}" != 36 ] || return
        [ -z "$id" ] || broken=yes
        id=
        [ "${1-}" = make ] || return
        part=$folder/id.$(_footfall_uuid).tmp
        mkdir -p "$folder" && _footfall_uuid >"$part" || {
            rm -f "$part"
            return
        }
        if [ -n "$broken" ]; then
            mv -f "$part" "$folder/id"
        else
            ln "$part" "$folder/id" || [ -e "$folder/id" ] || mv "$part" "$folder/id"
            rm -f "$part"
        fi
    done
}

_footfall_ci() {
    ci=
    for pair in GITHUB_ACTIONS=github GITLAB_CI=gitlab TF_BUILD=azure JENKINS_URL=jenkins CIRCLECI=circle TRAVIS=travis \
        BUILDKITE=buildkite TEAMCITY_VERSION=teamcity BITBUCKET_BUILD_NUMBER=bitbucket CODEBUILD_BUILD_ID=codebuild APPVEYOR=appveyor \
        DRONE=drone CIRRUS_CI=cirrus SEMAPHORE=semaphore GITEA_ACTIONS=gitea FORGEJO_ACTIONS=forgejo NETLIFY=netlify HUDSON_URL=hudson \
        CI=other CONTINUOUS_INTEGRATION=other; do
        if _footfall_is_set "${pair%%=*}"; then ci=${pair#*=} && return; fi
    done
}

# Sets ci, container, environment, agent, runtime, source.
_footfall_surroundings() {
    _footfall_ci
    engine=${container-} container= agent= source=script
    if _footfall_is_set KUBERNETES_SERVICE_HOST; then
        container=kubernetes
    elif [ -e /.dockerenv ]; then
        container=docker
    elif [ -e /run/.containerenv ]; then
        container=podman
    else
        case $engine in
            '') ;;
            docker | podman | lxc | oci | systemd-nspawn) container=$engine ;;
            *) container=other ;;
        esac
    fi
    environment=person
    [ -z "$container" ] || environment=container
    for name in CODESPACES REMOTE_CONTAINERS GITPOD_WORKSPACE_ID TOOLBOX_PATH DISTROBOX_ENTER_PATH; do
        if _footfall_is_set "$name"; then environment=person; fi
    done
    [ -z "$ci" ] || environment=ci
    for pair in CLAUDECODE=claude-code CURSOR_AGENT=cursor GEMINI_CLI=gemini-cli CODEX_SANDBOX=codex CODEX_THREAD_ID=codex OPENCODE=opencode \
        CLINE_ACTIVE=cline AUGMENT_AGENT=augment GOOSE_TERMINAL=goose QWEN_CODE=qwen-code COPILOT_CLI=copilot-cli AMP_CURRENT_THREAD_ID=amp \
        REPLIT_AGENT=replit ANTIGRAVITY_AGENT=antigravity AI_AGENT=other; do
        if _footfall_is_set "${pair%%=*}"; then
            case " $agent " in
                *" ${pair#*=} "*) ;;
                *) agent="$agent${agent:+ }${pair#*=}" ;;
            esac
        fi
    done
    runtime=sh
    if [ -n "${BASH_VERSION-}" ]; then
        runtime="bash ${BASH_VERSION%%[!0-9.]*}"
    elif [ -n "${ZSH_VERSION-}" ]; then
        runtime="zsh $ZSH_VERSION"
    elif [ -e /proc/self/exe ]; then
        runtime=$(readlink "/proc/${_footfall_self-$$}/exe")
        runtime=${runtime##*/}
    fi
    case $0 in
        */Cellar/* | */homebrew/*) source=homebrew ;;
        */nix/store/*) source=nix ;;
        */snap/*) source=snap ;;
        */node_modules/*) source=npm ;;
        /usr/bin/* | /usr/share/* | /usr/lib/*) source=system ;;
    esac
}

_footfall_stamp() {
    milliseconds=$(date +%s%3N)
    case $milliseconds in
        *[!0-9]*) milliseconds= ;;
    esac
    [ "${#milliseconds}" = 13 ] || milliseconds=$(date +%s)000
}

# The event as it is sent, on one line, from NAME and key=value pairs. Characters outside ASCII become "?".
_footfall_event() {
    event_name=$1
    shift
    _footfall_surroundings
    set -- "name=$event_name" "id=$(_footfall_uuid)" "timestamp=$milliseconds" "installation_id=$id" "version=${FOOTFALL_VERSION-}" "sample_rate=$rate" \
        "os=$(uname -s | tr 'ABCDEFGHIJKLMNOPQRSTUVWXYZ' 'abcdefghijklmnopqrstuvwxyz')" "arch=$(uname -m)" "runtime=$runtime" \
        "environment=$environment" "ci_system=$ci" "container=$container" "agent=$agent" "interactive=$tty" "install_source=$source" "$@"
    FOOTFALL_NODE=$(uname -n) LC_ALL=C awk '
    function literal(text, what, shown,    at, before, after, out) {
        out = ""
        while ((at = index(text, what)) > 0) {
            before = at > 1 ? substr(text, at - 1, 1) : " "
            after = substr(text, at + length(what), 1)
            out = out substr(text, 1, at - 1) (before after ~ /[A-Za-z0-9_-]/ && shown != "~" ? what : shown)
            text = substr(text, at + length(what))
        }
        return out text
    }
    function all(text, pattern, keep, shown,    out) { # keep: what a match begins with and keeps
        out = ""
        while (match(text, pattern)) {
            found = substr(text, RSTART, RLENGTH); rest = substr(text, RSTART + RLENGTH); out = out substr(text, 1, RSTART - 1)
            if (keep != "" && match(found, keep)) out = out substr(found, RSTART, RLENGTH)
            out = out shown; text = rest
        }
        return out text
    }
    function long_words(text,    out) {
        out = ""
        while (match(text, /[A-Za-z0-9+\/_-]+/)) {
            found = substr(text, RSTART, RLENGTH)
            out = out substr(text, 1, RSTART - 1) (RLENGTH >= 40 && found !~ /^\// ? "[token]" : found)
            text = substr(text, RSTART + RLENGTH)
        }
        return out text
    }
    function scrub(text,    home, i, n, names) {
        text = substr(text, 1, 8000)
        home = ENVIRON["HOME"]
        if (length(home) > 2) text = literal(text, home, "~")
        gsub(/(\/home\/|\/Users\/|[A-Za-z]:[\\\/]+Users[\\\/]+)[^\\\/ :"\047]+/, "~", text)
        gsub(/-----BEGIN .*/, "[secret]", text)
        gsub(/eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+/, "[token]", text)
        gsub(/(gh[oprsu]_|github_pat_|glpat-|xox[a-z]-|sk-|[ps]k_live_|npm_|pypi-|hf_|ff_|AIza|AKIA|ASIA)[A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-][A-Za-z0-9_-]+/, "[token]", text)
        gsub(/\/\/[^ \/@"\047]+@/, "//[credentials]@", text)
        text = all(text, "([Bb]earer|[Bb]asic)[ ]+[A-Za-z0-9_.~+/=-]+", "^[A-Za-z]+[ ]+", "[token]")
        text = all(text, "([Tt]oken|TOKEN|[Ss]ecret|SECRET|[Pp]assw(or)?d|PASSWORD|[Pp]wd|[Aa][Pp][Ii][_-]?[Kk][Ee][Yy]|[Aa]ccess[_-]?[Kk]ey)[\"\047]?[ ]*[=:][ ]*[^ ,;&]+", "^[^=:]+[=:][ ]*", "[secret]")
        gsub(/[A-Za-z0-9_.+%-]+@[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)+/, "[email]", text)
        gsub(/[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+/, "[ip]", text)
        gsub(/[0-9a-fA-F]+:[0-9a-fA-F]*:[0-9a-fA-F]*:[0-9a-fA-F:]+/, "[ip]", text)
        text = long_words(text)
        n = split("USER LOGNAME USERNAME HOSTNAME COMPUTERNAME FOOTFALL_NODE", names, " ")
        for (i = 1; i <= n; i++)
            if (length(ENVIRON[names[i]]) > 2 && ENVIRON[names[i]] !~ /^(root|runner|user|localhost)$/)
                text = literal(text, ENVIRON[names[i]], "[name]")
        return substr(text, 1, 1000)
    }
    function quoted(text) {
        gsub(/[^ -~\n\t]/, "?", text)
        gsub(/\\/, "&&", text); gsub(/"/, "\\\"", text); gsub(/\n/, "\\n", text); gsub(/\t/, "\\t", text)
        return "\"" text "\""
    }
    function plain(text) { return text ~ /^(true|false|-?(0|[1-9][0-9]*)(\.[0-9]+)?)$/ && length(text) < 16 }
    BEGIN {
        own = " name id timestamp installation_id version os arch runtime environment ci_system container agent install_source "
        for (i = 1; i < ARGC; i++) {
            at = index(ARGV[i], "="); key = substr(ARGV[i], 1, at - 1); text = substr(ARGV[i], at + 1)
            if (at < 2 || text == "") continue
            if (i > 1 && key == "name") continue
            if (index(own, " " key " ") == 0) text = scrub(text)
            as_number = key ~ /^(timestamp|sample_rate|duration_ms|interactive|ci)$/ || key ~ /^properties\./
            value = as_number && plain(text) ? text : quoted(text)
            if (match(key, /^(properties|error|target)\./)) {
                group = substr(key, 1, RLENGTH - 1)
                grouped[group] = grouped[group] (grouped[group] == "" ? "" : ",") quoted(substr(key, RLENGTH + 1)) ":" value
            } else if (!(key in seen)) {
                order[++count] = key; seen[key] = value
            } else seen[key] = value
        }
        for (i = 1; i <= count; i++) out = out (i > 1 ? "," : "") quoted(order[i]) ":" seen[order[i]]
        for (group in grouped) out = out "," quoted(group) ":{" grouped[group] "}"
        print "{" out "}"
        exit
    }' "$@"
}

# Sets rate to a share between 0 and 1, or to nothing.
_footfall_rate() {
    rate=
    case ${FOOTFALL_SAMPLE_RATE-} in
        0.* | .*) rate=0.${FOOTFALL_SAMPLE_RATE#*.} ;;
    esac
    case ${rate#0.} in
        *[!0-9]*) rate= ;;
        *[1-9]*) ;;
        *) rate= ;;
    esac
}

_footfall_record() {
    _footfall_rate
    if [ "$state" = on ] && [ -n "$rate" ]; then
        awk -v rate="$rate" -v number="$(od -An -N4 -tu4 /dev/urandom)" 'BEGIN { exit number / 4294967296 >= rate }' || return
    fi
    if [ "$state" = on ]; then _footfall_id make; else _footfall_id; fi
    [ "$state" = local ] || [ -n "$id" ] || return
    _footfall_stamp
    event=$(_footfall_event "$@")
    [ -n "$event" ] && [ "${#event}" -le 8192 ] || return
    mkdir -p "$folder/queue" || return
    if [ "$state" = local ]; then
        printf '%s\n' "$event" >>"$folder/local.jsonl"
        if [ "$(wc -c <"$folder/local.jsonl")" -gt 262144 ]; then mv -f "$folder/local.jsonl" "$folder/local.jsonl.old"; fi
        return
    fi
    queue=$folder/queue
    file=$queue/$milliseconds-$(_footfall_uuid).0.json
    { printf '%s\n' "$event" >"$file.tmp" && mv "$file.tmp" "$file"; } || rm -f "$file.tmp"
    _footfall_bound
    _footfall_drain
}

# At most 100 events: the oldest are dropped.
_footfall_bound() {
    set -- "$queue"/[0-9]*-*.[0-9]*.json "$queue"/[0-9]*-*.[0-9]*.json.[0-9]*
    [ $# -le 101 ] || _footfall_drop 100
}

# Deletes the events of the queue, but the newest.
_footfall_drop() { # NUMBER
    (
        cd "$folder/queue" || exit
        LC_ALL=C ls | awk -v newest="$1" '/^[0-9]+-[A-Za-z0-9_-]+\.[0-9]+\.json(\.[0-9]+)?$/ { names[++n] = $0 }
            END { for (i = 1; i <= n - newest; i++) print names[i] }' | xargs rm -f
    ) 2>/dev/null
}

# The queue: one file per event, `{milliseconds}-{id}.{attempts}.json`; while a sender has it, `….json.{seconds}`.
_footfall_drain() {
    work=$queue/$(_footfall_uuid).tmp mark=${FOOTFALL_KEY-}
    mark=${mark#"${mark%????}"} mark=${mark:--}
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        now=$(date +%s)
        until=0 failures=0 refused=
        if [ -e "$queue/wait" ]; then read -r until failures refused <"$queue/wait"; fi
        if [ "${refused:-$mark}" != "$mark" ]; then until=0 failures=0; fi # the pause after a refused key holds for that key only
        until=${until%%.*}
        case $failures in
            '' | *[!0-9]* | ???*) failures=0 ;;
        esac
        if [ "$until" -gt "$now" ] && [ "$until" -lt $((now + 86460)) ]; then return; fi
        _footfall_claim
        if [ "$claimed" = 0 ] || [ -n "$broken" ]; then
            rm -f "$work" "$work.list" "$work.answer" "$work.head"
            return
        fi
        _footfall_post "$url/v1/events" "$work"
        if { [ "${status#2}" != "$status" ] && grep -q '"accepted"' "$work.answer"; } || _footfall_refused; then
            while read -r path; do rm -f "$path"; done <"$work.list"
            rm -f "$queue/wait"
        else
            _footfall_release
            failures=$((failures < 12 ? failures + 1 : 13))
            seconds=$((15 << failures))
            if [ "$seconds" -gt 3600 ]; then seconds=3600; fi
            if [ -n "$retry_after" ]; then seconds=$((retry_after < 86400 ? retry_after : 86400)); fi
            case $status in
                401 | 403 | 404) failures="$failures $mark" ;;
            esac
            echo "$((now + seconds)) $failures" >"$work" && mv -f "$work" "$queue/wait"
            rm -f "$work.list" "$work.answer" "$work.head"
            return
        fi
    done
}

_footfall_refused() {
    case $status in
        401 | 403 | 404 | 407 | 408 | 425 | 429) return 1 ;; # 401, 403, 404: a version with another key or address may deliver the events
        4??) return 0 ;;
    esac
    return 1
}

# Takes the free events into one body; drops those that are too old or had too many attempts. Sets broken if the disk is full: the body may be
# cut, and the events are free again after a minute.
_footfall_claim() {
    claimed=0 broken=
    find "$queue" -name '*.tmp*' -mtime +1 -exec rm -f {} +
    { printf '{"events":[' >"$work" && : >"$work.list"; } || broken=yes
    for path in "$queue"/[0-9]*-*.[0-9]*.json "$queue"/[0-9]*-*.[0-9]*.json.[0-9]*; do
        file=${path##*/}
        stem=${file%%.json*}
        written=${stem%%-*} attempts=${stem##*.} taken=${file##*.json}
        taken=${taken#.}
        case $written$attempts$taken in
            *[!0-9]* | '' | 0*) continue ;;
        esac
        age=$((now - written / 1000)) held=$((now - ${taken:-0}))
        if [ "${age#-}" -gt 604800 ] || [ "$attempts" -ge 100 ] || [ ! -s "$path" ]; then
            rm -f "$path"
        elif [ "${held#-}" -gt 60 ] && [ "$claimed" -lt 100 ] && [ -z "$broken" ]; then
            mine=$queue/${stem%.*}.$attempts.json.$now
            mv "$path" "$mine" || continue
            if [ "$claimed" -gt 0 ]; then printf , >>"$work" || broken=yes; fi
            { cat "$mine" >>"$work" && echo "$mine" >>"$work.list"; } || broken=yes
            claimed=$((claimed + 1))
        fi
    done
    printf ']}' >>"$work" || broken=yes
}

_footfall_release() {
    while read -r path; do
        stem=${path%.json*}
        mv "$path" "${stem%.*}.$((${stem##*.} + 1)).json"
    done <"$work.list"
}

# Waits until no sender has events, at most slightly longer than a request may take: events must not arrive after an erasure.
_footfall_finish() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12; do
        now=$(date +%s) sending=
        for path in "$folder/queue"/[0-9]*-*.[0-9]*.json.[0-9]*; do
            taken=${path##*.json.}
            case $taken in
                '' | *[!0-9]* | 0*) continue ;;
            esac
            held=$((now - taken))
            if [ "${held#-}" -le 60 ]; then sending=yes; fi
        done
        [ -n "$sending" ] || return 0
        sleep 1
    done
}

# Sets status (000 without a response) and retry_after, and writes the response to $2.answer. Does not follow redirects.
_footfall_post() { # URL FILE [METHOD]
    retry_after= status=000
    : >"$2.head"
    : >"$2.answer"
    if command -v curl >/dev/null; then
        # The key goes through standard input: other users see the arguments of a process.
        status=$(
            {
                if [ -n "${FOOTFALL_KEY-}" ]; then printf 'header = "Authorization: Bearer %s"\n' "$FOOTFALL_KEY"; fi
            } | curl -q -s -K - -m 10 --connect-timeout 5 --max-filesize 65536 -o "$2.answer" -D "$2.head" -w '%{http_code}' -A footfall-sh/1 \
                -X "${3-POST}" -H 'Content-Type: application/json' -H 'Expect:' --data-binary "@$2" "$1"
        )
        [ -n "$status" ] || status=000
    elif command -v wget >/dev/null && [ "${3-POST}" = POST ]; then
        limit=
        if command -v timeout >/dev/null; then limit="timeout 10"; fi
        $limit wget -S -q -T 5 -U footfall-sh/1 -O "$2.answer" ${FOOTFALL_KEY:+--header "Authorization: Bearer $FOOTFALL_KEY"} \
            --header 'Content-Type: application/json' --post-data "$(cat "$2")" "$1" 2>"$2.head"
        status=$(awk '$1 ~ /^HTTP\// { found = $2 } END { print found }' "$2.head")
        [ -n "$status" ] || status=000
    fi
    retry_after=$(tr -d '\r' <"$2.head" | awk 'tolower($1) == "retry-after:" && $2 ~ /^[0-9]+$/ && length($2) < 7 { found = $2 } END { print found }')
}

_footfall_command() {
    _footfall_state
    case ${1-status} in
        status) echo "telemetry: $state ($reason)" ;;
        on | local | off)
            if ! { [ -n "$folder" ] && mkdir -p "$folder" && echo "$1" >"$folder/choice.tmp" && mv -f "$folder/choice.tmp" "$folder/choice"; } 2>/dev/null; then
                echo "The choice cannot be stored. Set ${prefix}_TELEMETRY=$1 instead." >&2
                return 1
            fi
            if [ "$1" != on ]; then _footfall_drop 0; fi
            _footfall_state
            echo "telemetry: $state ($reason)"
            ;;
        show)
            _footfall_id
            _footfall_stamp
            _footfall_rate
            _footfall_event example outcome=success duration_ms=0
            cat "$folder"/queue/[0-9]*-*.[0-9]*.json "$folder"/queue/[0-9]*-*.[0-9]*.json.[0-9]* "$folder/local.jsonl" 2>/dev/null || :
            ;;
        erase)
            _footfall_id
            for _ in ${id:+1 2 3}; do
                _footfall_finish
                before=$(ls "$folder/queue" 2>/dev/null)
                : >"$folder/erase.tmp"
                _footfall_post "$url/v1/installs/$id" "$folder/erase.tmp" DELETE
                rm -f "$folder"/erase.tmp*
                case $status in
                    2?? | 404) ;;
                    *)
                        echo "The server could not be asked to erase; nothing was changed. Try again later." >&2
                        return 1
                        ;;
                esac
                if [ "$(ls "$folder/queue" 2>/dev/null)" = "$before" ]; then break; fi
            done
            _footfall_drop 0
            rm -f "$folder/id" "$folder/local.jsonl" "$folder/local.jsonl.old"
            echo "Erased: the id, the events that waited, and what the server held of this installation."
            ;;
        *)
            echo "usage: telemetry status|on|local|off|show|erase" >&2
            return 2
            ;;
    esac
}

case ${0##*/} in
    footfall.sh)
        case ${1-} in
            track)
                shift
                footfall_track "$@"
                ;;
            *) footfall_cli "$@" ;;
        esac
        ;;
esac
