# shellcheck shell=bash
# Finding a container engine, and starting one for as long as a script runs. Source it after common.sh.
#
# An engine that answers is used as it is. One is started only on the default socket, and only an engine
# that this script started itself is ever stopped, by the id of its own process.
#
#   AGENTS_RUNNER_KEEP_ENGINE=1       leave an engine that was started here running
#   AGENTS_RUNNER_ENGINE_SOCKET=PATH  look for, or start, the engine on this socket only
#   AGENTS_RUNNER_DOCKERD_ARGS="..."  further options for an engine that is started here

DEFAULT_SOCKET=/var/run/docker.sock
ENGINE_WAIT_S="${AGENTS_RUNNER_ENGINE_WAIT:-60}"
ENGINE_DIR=""

# Print the address that the program itself would use.
engine_endpoint() {
    local host=""
    if [[ -n ${AGENTS_RUNNER_ENGINE_SOCKET:-} ]]; then
        host="unix://$AGENTS_RUNNER_ENGINE_SOCKET"
    elif [[ -n ${DOCKER_HOST:-} ]]; then
        host="$DOCKER_HOST"
    elif have docker; then
        host="$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null)" || host=""
    fi
    printf '%s\n' "${host:-unix://$DEFAULT_SOCKET}"
}

# True where no setting of the person names another engine: there we may start one.
engine_is_default() {
    [[ -n ${AGENTS_RUNNER_ENGINE_SOCKET:-} || $1 == "unix://$DEFAULT_SOCKET" || $1 == "unix:///run/docker.sock" ]]
}

# Print up, denied, hung (connected, but no answer), down or unknown (no way to ask).
engine_state() {
    local endpoint="$1" socket="${1#unix://}" python=""
    if [[ $endpoint != unix://* ]]; then
        if ! have docker; then
            echo unknown
        elif timeout 20 docker version --format '{{.Server.Version}}' >/dev/null 2>&1; then
            echo up
        else
            echo down
        fi
        return
    fi
    if [[ ! -S $socket ]]; then
        echo down
        return
    fi
    python="$(find_python)" || {
        echo unknown
        return
    }
    # In Python, since neither the docker program nor curl has to be there.
    "$python" - "$socket" <<'PY'
import socket, sys

with socket.socket(socket.AF_UNIX) as client:
    client.settimeout(2)
    try:
        client.connect(sys.argv[1])
    except PermissionError:
        sys.exit(print("denied"))
    except OSError:
        sys.exit(print("down"))
    try:
        client.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
        print("up" if b" 200 " in client.recv(4096).partition(b"\r\n")[0] else "hung")
    except OSError:
        print("hung")
PY
}

# Have an engine that answers, or exit with what to do.
engine_up() {
    local endpoint state
    # Found once: the look-ups below come often.
    export AGENTS_RUNNER_PYTHON
    AGENTS_RUNNER_PYTHON="$(find_python)" || true
    endpoint="$(engine_endpoint)"
    state="$(engine_state "$endpoint")"
    [[ $state != hung ]] || state="$(wait_for_engine "$endpoint")"
    case "$state" in
        up) say "engine at $endpoint: already there" ;;
        unknown) say "engine at $endpoint: cannot be checked from here, going on" ;;
        denied) explain_denied "${endpoint#unix://}" ;;
        hung) fail "The engine at $endpoint takes connections but does not answer." "Restart it, then run this again." ;;
        *)
            engine_is_default "$endpoint" || fail "The engine at $endpoint does not answer." \
                "Start it, or unset DOCKER_HOST (or run: docker context use default), then run this again."
            start_engine "$endpoint"
            ;;
    esac
    if [[ -n ${AGENTS_RUNNER_ENGINE_SOCKET:-} ]]; then export DOCKER_HOST="$endpoint"; fi
}

explain_denied() {
    local group
    group="$(stat -c %G "$1" 2>/dev/null)" || group=docker
    if id -nG "$(id -un)" | tr ' ' '\n' | grep -qx "$group"; then
        fail "An engine is there, but this session may not use $1 yet, although you are in the group $group." \
            "Log out and in again (or run: newgrp $group), then run this again."
    fi
    fail "An engine is there, but only root and the group $group may use $1." \
        "Add yourself to the group:  sudo usermod -aG $group $(id -un)" \
        "then log out and in again (or run: newgrp $group), and run this again." \
        "Note that members of this group can become root on this machine."
}

# Print the state after waiting until the engine answers, or until AGENTS_RUNNER_ENGINE_WAIT seconds are over.
wait_for_engine() {
    local endpoint="$1" pid="${2:-}" state=down end=$((SECONDS + ENGINE_WAIT_S))
    while ((SECONDS < end)); do
        state="$(engine_state "$endpoint")"
        if [[ $state == up || $state == denied ]]; then break; fi
        if [[ -n $pid && ! -d /proc/$pid ]]; then break; fi
        sleep 0.2
    done
    printf '%s\n' "$state"
}

# settle ENDPOINT WHAT: wait for an engine that somebody else keeps running.
settle() {
    case "$(wait_for_engine "$1")" in
        up) say "engine at $1: answers" ;;
        denied) explain_denied "${1#unix://}" ;;
        *) return 1 ;;
    esac
}

start_engine() {
    local endpoint="$1"
    if [[ -z ${AGENTS_RUNNER_ENGINE_SOCKET:-} ]]; then
        if pid_runs "$(read_pid /var/run/docker.pid)" dockerd; then
            say "engine: is starting, waiting for it"
            settle "$endpoint" || fail "A dockerd runs, but does not answer at $endpoint." \
                "Look at its log, or stop it, then run this again."
            return
        fi
        if [[ -d /run/systemd/system ]] && systemctl cat docker.service >/dev/null 2>&1; then
            start_service "$endpoint"
            return
        fi
    fi
    start_by_hand "$endpoint"
}

start_service() {
    can_be_root || fail "No engine answers at $1." "Start it with:  sudo systemctl start docker"
    say "engine: starting the docker service (it stays on)"
    if ! as_root systemctl start docker || ! settle "$1"; then
        as_root journalctl -u docker -n 20 --no-pager 2>/dev/null | sed 's/^/    | /' >&2 || true
        fail "The docker service does not start." "The lines above are its log."
    fi
}

start_by_hand() {
    local endpoint="$1" socket="${1#unix://}" options=() more=()
    have dockerd || fail "No engine answers at $endpoint, and there is no dockerd to start." \
        "Install Docker Engine (Debian and Ubuntu: apt-get install docker.io), then run this again."
    can_be_root || fail "No engine answers at $endpoint, and starting one takes root." "Run as root:  dockerd &"
    ENGINE_DIR="$(mktemp -d "${TMPDIR:-/tmp}/agents-runner-engine.XXXXXX")"
    options=(--pidfile "$ENGINE_DIR/dockerd.pid")
    # Named only where it is not the default: the machine's daemon.json may hold "hosts", and both together fail.
    [[ $socket == "$DEFAULT_SOCKET" || $socket == /run/docker.sock ]] || options+=(--host "$endpoint")
    # With sudo, the person's own private group may use the socket: they could become root anyway.
    if ! is_root && [[ "$(id -gn)" == "$(id -un)" ]]; then options+=(--group "$(id -gn)"); fi
    read -r -a more <<<"${AGENTS_RUNNER_DOCKERD_ARGS:-}"
    say "engine: starting dockerd (log: $ENGINE_DIR/log)"
    forget_stale_pid /var/run/docker.pid dockerd
    forget_stale_pid /var/run/docker/containerd/containerd.pid containerd
    # A session of its own, so that Ctrl-C in this terminal reaches the engine only through engine_down.
    # shellcheck disable=SC2016  # expanded by the inner shell
    as_root setsid --fork bash -c 'echo "$$" >"$0/pid"; exec "$@" >"$0/log" 2>&1 </dev/null' \
        "$ENGINE_DIR" dockerd "${options[@]}" ${more[@]+"${more[@]}"}
    await_own "$endpoint"
}

await_own() {
    local pid="" end=$((SECONDS + 10)) state
    while [[ -z $pid ]] && ((SECONDS < end)); do
        pid="$(read_pid "$ENGINE_DIR/pid")"
        [[ -n $pid ]] || sleep 0.05
    done
    state="$(wait_for_engine "$1" "$pid")"
    case "$state" in
        up) say "engine at $1: answers (process $pid)" ;;
        denied) explain_denied "${1#unix://}" ;;
        *)
            [[ ! -e $ENGINE_DIR/log ]] || show_tail "$ENGINE_DIR/log"
            fail "dockerd does not come up (waited at most $ENGINE_WAIT_S s)." \
                "The log's last lines above say why."
            ;;
    esac
}

# engine_down [--unless-busy]: stop the engine if, and only if, it was started here.
engine_down() {
    local pid end
    [[ -n $ENGINE_DIR ]] || return 0
    pid="$(read_pid "$ENGINE_DIR/pid")"
    if [[ -z $pid || ! -d /proc/$pid ]]; then
        forget_engine
        return 0
    fi
    if [[ ${AGENTS_RUNNER_KEEP_ENGINE:-} == 1 ]]; then
        say "engine: left running (process $pid, log: $ENGINE_DIR/log)"
        return 0
    fi
    if [[ ${1:-} == --unless-busy ]] && engine_is_busy; then
        say "engine: left running, since containers are at work in it (stop it with: kill $pid)"
        return 0
    fi
    say "engine: stopping the one that was started here (process $pid)"
    as_root kill -TERM "$pid" 2>/dev/null || true
    end=$((SECONDS + 30))
    while [[ -d /proc/$pid ]] && ((SECONDS < end)); do sleep 0.1; done
    if [[ -d /proc/$pid ]]; then
        say "engine: process $pid is still ending (log: $ENGINE_DIR/log)"
        return 0
    fi
    forget_engine
}

forget_engine() {
    as_root rm -rf -- "$ENGINE_DIR"
    ENGINE_DIR=""
}

# True if a container runs in the engine that was started here.
engine_is_busy() {
    local python endpoint
    endpoint="$(engine_endpoint)"
    python="$(find_python)" || return 1
    "$python" - "${endpoint#unix://}" <<'PY'
import http.client, json, socket, sys

connection = http.client.HTTPConnection("docker", timeout=10)
connection.sock = socket.socket(socket.AF_UNIX)
connection.sock.settimeout(10)
connection.sock.connect(sys.argv[1])
connection.request("GET", "/containers/json")
sys.exit(0 if json.load(connection.getresponse()) else 1)
PY
}

read_pid() {
    local pid=""
    [[ ! -r $1 ]] || read -r pid <"$1" || true
    [[ ! $pid =~ ^[0-9]+$ ]] || printf '%s\n' "$pid"
}

pid_runs() {
    [[ -n $1 && -r /proc/$1/comm && "$(<"/proc/$1/comm")" == "$2" ]]
}

# A pid file that outlived its process keeps dockerd from starting once the number belongs to another process.
forget_stale_pid() {
    if as_root test -e "$1" && ! pid_runs "$(as_root cat "$1")" "$2"; then
        say "engine: removing the stale $1"
        as_root rm -f -- "$1"
    fi
}
