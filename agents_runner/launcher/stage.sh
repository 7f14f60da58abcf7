# shellcheck shell=bash
# Stands between the launcher and others' words: runs with the rights of whoever wrote them, reads what earlier scripts
# exported (as data, never as a program), and becomes the script, or stays as the agent's parent.
#
# By then the process has no right, no token and no other stage's secret that could be taken from it.
#
# shellcheck disable=SC2154,SC2317,SC2329,SC2034  # variables.sh and the mode's name call and set
set -u
ar_in=${0%/*}
ar_state=${ar_in%/*}/state
ar_tools=$ar_in/tools
ar_mode=$1
shift
ar_home=$AR_T_HOME ar_carry=$AR_T_CARRY ar_name=$AR_T_NAME ar_setup=$AR_T_SETUP
ar_desktop=$AR_T_DESKTOP ar_caches=$AR_T_CACHES ar_shims=$AR_T_SHIMS ar_secret_variables=$AR_T_SECRETS
unset "${!AR_T_@}"
ar_image_exports=/etc/agents-runner/exports.sh
ar_desktop_folder=/tmp/agents-runner-desktop
ar_reserved=()  # variables that mean something to this shell, for the program that comes after it

# shellcheck disable=SC1091
. "$ar_in/variables.sh"

# --- variables -----------------------------------------------------------------------------------------------

ar_cache_variables() { # while a layer is built with a package cache
    [ -n "$ar_caches" ] || return 0
    [ "${PIP_CACHE_DIR+x}" ] || export PIP_CACHE_DIR="$ar_caches/pip"
    [ "${npm_config_cache+x}" ] || export npm_config_cache="$ar_caches/npm"
}

ar_reserve() { # NAME VALUE: a variable that this shell cannot hold itself
    ar_reserved+=("$1=$2")
}

ar_hold() { # NAME VALUE: exports it; what means something to this shell goes to the next program alone
    case $1 in
        BASH_ENV) export BASH_ENV="$2" ;;
        UID | EUID | PPID | GROUPS | RANDOM | SRANDOM | SECONDS | LINENO | DIRSTACK | FUNCN* | HISTCMD | EPOCH* | BASH* | SHELLOPTS | IFS)
            ar_reserve "$1" "$2"
            ;;
        *) export "$1=$2" ;;
    esac
}

ar_exports() { # FILE: `export NAME='value'` and `unset NAME`, a line each; whatever else it holds is passed over
    local LC_ALL=C IFS=$' \t\n' line name value rest at whole
    local -a names=() values=()
    [[ -f $1 && ! -L $1 && -r $1 ]] || return 0
    while IFS= read -r line || [[ -n $line ]]; do
        if [[ $line =~ ^unset\ ([A-Za-z_][A-Za-z0-9_]*)$ ]]; then
            names+=("-${BASH_REMATCH[1]}") values+=('')
            continue
        fi
        [[ $line =~ ^export\ ([A-Za-z_][A-Za-z0-9_]*)=\'(.*)$ ]] || continue
        name=${BASH_REMATCH[1]} rest=${BASH_REMATCH[2]} value='' whole=''
        while :; do
            case $rest in
                *\'*)
                    value+=${rest%%\'*}
                    rest=${rest#*\'}
                    if [[ -z $rest ]]; then
                        whole=yes
                        break
                    fi
                    # A quote inside the value is written '\'' and nothing else.
                    [[ $rest == "\\''"* ]] || break
                    value+=\' rest=${rest:3}
                    ;;
                *)
                    value+=$rest$'\n'
                    IFS= read -r rest || break
                    ;;
            esac
        done
        [[ -z $whole ]] || { names+=("$name") && values+=("$value"); }
    done <"$1"
    for at in "${!names[@]}"; do
        case ${names[at]#-} in
            PWD | OLDPWD | SHLVL | _ | HOSTNAME | USER | LOGNAME | BASHOPTS | SHELLOPTS) ;;
            AGENTS_RUNNER* | ar_* | AR_[A-Z]*) ;; # ours, and no script's to set
            *) ar_names+=("${names[at]}") && ar_values+=("${values[at]}") ;;
        esac
    done
}

ar_environment() { # STAGE USER: everything the next program is to see
    local at secret value
    local -a ar_names=() ar_values=()
    export HOME="$ar_home"
    ar_plan_image
    if [[ -n $ar_carry ]]; then
        ar_exports "$ar_carry"
    else
        ar_exports "$ar_image_exports"
    fi
    ar_plan_variables
    for at in "${!ar_names[@]}"; do
        case ${ar_names[at]} in
            -*) unset -v "${ar_names[at]#-}" 2>/dev/null ;;
            *) ar_hold "${ar_names[at]}" "${ar_values[at]}" ;;
        esac
    done
    ar_plan_fixed
    for secret in $ar_secret_variables; do
        value=AR_S_$secret
        ar_hold "$secret" "${!value}"
    done
    unset "${!AR_S_@}"
    if [[ $ar_desktop == yes ]]; then
        ar_plan_desktop
        ar_screen
    fi
    export AGENTS_RUNNER_STAGE="$1" USER="$2" LOGNAME="$2"
}

ar_screen() { # the display's name, as the desktop wrote it down
    local display=''
    if [[ -f $ar_desktop_folder/display ]]; then
        IFS= read -r -t 1 display <"$ar_desktop_folder/display"
    fi
    export DISPLAY="$display"
}

ar_has() {
    type -P "$1" >/dev/null 2>&1
}

ar_turn_into() { # COMMAND...: becomes it; never returns
    unset OLDPWD # of this shell's own way here
    if ((${#ar_reserved[@]} == 0)); then exec "$@"; fi
    exec env "${ar_reserved[@]}" "$@"
}

# --- scripts -------------------------------------------------------------------------------------------------

ar_script() { # NUMBER KIND WORDS...
    local number=$1 kind=$2 script=$ar_in/scripts/$1 who=$ar_name
    shift 2
    [[ $ar_setup != 0 ]] || who=root
    ar_environment "$AR_STAGE" "$who"
    if [[ $kind == default ]]; then
        kind='sh'
        ! ar_has bash || kind='bash'
    fi
    # What a script leaves behind is written down without the variables that are secrets.
    export AGENTS_RUNNER_DUMP="$ar_state/$number" AGENTS_RUNNER_HIDDEN="$ar_secret_variables"
    cd "$HOME" 2>/dev/null || cd /
    # shellcheck disable=SC2016  # $1 is the inner shell's
    case $kind in
        bash)
            if [[ ${BASH_ENV+x} ]]; then export AGENTS_RUNNER_BASH_ENV="$BASH_ENV"; fi
            export BASH_ENV="$ar_in/prelude.bash"
            set -- bash "$@" "$script"
            ;;
        sh) set -- sh "$@" -c '. "$1"' "$script" "$ar_in/prelude.sh" ;;
        other) set -- "$@" "$script" ;;
    esac
    ar_has "$1" || {
        echo "agents-runner: the script asks for $1, which this image does not have" >&2
        exit 127
    }
    ar_turn_into "$@"
}

ar_install() { # the desktop's packages, as the set-up scripts
    local who=$ar_name
    [[ $ar_setup != 0 ]] || who=root
    ar_environment "$AR_STAGE" "$who"
    cd "$HOME" 2>/dev/null || cd /
    ar_turn_into sh "$ar_in/desktop/install.sh"
}

ar_desktop() {
    ar_environment "$AR_STAGE" "$ar_name"
    cd "$HOME" 2>/dev/null || cd /
    ar_turn_into sh "$ar_in/desktop/start.sh"
}

# --- the agent -----------------------------------------------------------------------------------------------

ar_tool() { # PROGRAM WORDS...: one of our own
    "$ar_tools/ld.so" --library-path "$ar_tools/lib" "$ar_tools/bin/$1" "${@:2}"
}

ar_seed() { # FILE TARGET: a login file, below the home, private
    umask 077
    local target=$ar_home/$2
    ar_tool mkdir -p "${target%/*}" && ar_tool cat <"$ar_in/$1" >"$target"
}

ar_agent_environment() {
    ar_environment "$AR_STAGE" "$ar_name"
    ar_plan_agent
    if [[ -n $ar_shims ]]; then
        # A script may have taken PATH away; what a shell then looks through is where programs usually are.
        export PATH="$ar_shims${PATH-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}"
        # Root without capabilities cannot give files to others, as a tar archive may ask for.
        if ((EUID == 0)) && [[ -z ${TAR_OPTIONS-} ]]; then export TAR_OPTIONS=--no-same-owner; fi
    fi
    cd "$AR_WORKSPACE" || exit 3
}

ar_check() { # PROGRAM: whether the agent can start
    ar_agent_environment
    ar_has "$1" || exit 127
}

ar_agent() { # COMMAND...: with the prompt as its input; stays as its parent and keeps its status
    local status name signal child
    ar_agent_environment
    # A shell makes what it starts in the background ignore these two.
    (
        trap - INT QUIT
        ar_turn_into "$@"
    ) <"$ar_in/prompt" &
    child=$!
    for signal in TERM INT HUP QUIT USR1 USR2; do
        # shellcheck disable=SC2064  # this signal, this process
        trap "kill -$signal $child 2>/dev/null" "$signal"
    done
    while :; do
        wait "$child"
        status=$?
        # A signal that was passed on ends the waiting, not the agent.
        kill -0 "$child" 2>/dev/null || break
    done
    if [[ $ar_desktop == yes ]]; then
        (ar_turn_into sh "$ar_in/desktop/picture.sh" "$ar_desktop_folder/last.png") >/dev/null 2>&1 </dev/null
    fi
    for name in sudo apt apt-get apk pacman dnf; do
        [[ ! -e $ar_state/asked/$name ]] || printf '\036- needs-root %s\n' "$name"
    done
    exit "$status"
}

# --- package caches ------------------------------------------------------------------------------------------

ar_cargo() { # CARGO CACHE: what was downloaded is put where it is looked for without a cache
    local ar_tool
    for ar_tool in mkdir cp rm; do
        eval "$ar_tool() { ar_tool $ar_tool \"\$@\"; }"
    done
    ar_cargo=$1 ar_cache_own=$2
    ar_loader=$ar_tools/ld.so
    # shellcheck disable=SC1091
    . "$ar_in/caches.sh"
    ar_cache_own=$2
    ar_cargo_off
}

"ar_$ar_mode" "$@"
exit
