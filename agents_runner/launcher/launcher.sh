#!/bin/sh
# The container's first process, of builds and of tasks: runs the stages in order, then becomes the agent.
#
# Plain POSIX sh, built-in commands wherever they do: a minimal image may lack the rest.
# It is started as root where it can be; plan.sh beside it says what to do.
#
# shellcheck disable=SC2317,SC2329,SC2034  # plan.sh calls the functions; not every field of a passwd line is used
set -u
ar_in=${0%/*}
ar_state=${ar_in%/*}/state
ar_carry=''  # the variables that the last script left behind
ar_image_exports=/etc/agents-runner/exports.sh
ar_secret_names=''      # those that the stage sees
ar_secret_variables=''  # those of them that it gets as variables
ar_desktop=''  # yes: there is a screen; no: it could not be installed or started
ar_desktop_folder=/tmp/agents-runner-desktop

# The token marks our own lines. It comes over standard input and is nowhere else, so that no script can forge one.
ar_token=''
if [ ! -e "$ar_state/begin" ] && [ ! -e "${ar_in%/*}/begun" ]; then
    IFS= read -r ar_token || ar_token=''
fi
if [ -z "$ar_token" ]; then
    echo 'agents-runner: this container cannot be started a second time' >&2
    exit 125
fi
: >"$ar_state/begin"

# Seconds since the machine started, by the shell alone: how long a phase took is told even if nobody watched.
ar_now() {
    ar_clock=0
    if [ -r /proc/uptime ]; then read -r ar_clock ar_rest </proc/uptime; fi
}

ar_mark() {
    printf '\036%s %s\n' "$ar_token" "$*"
}

ar_die() { # SENTENCE: ends the container, the application shows the sentence
    ar_mark "error $*"
    exit 125
}

ar_has() {
    command -v "$1" >/dev/null 2>&1
}

# --- who: the image's user, and the person that the agent's files belong to ------------------------------

ar_lookup() { # NAME-OR-UID: the first passwd line of that name or number
    ar_found=''
    [ -r /etc/passwd ] || return 1
    while IFS=: read -r ar_p_name ar_p_pw ar_p_uid ar_p_gid ar_p_gecos ar_p_home ar_p_shell; do
        if [ "$ar_p_name" = "$1" ] || [ "$ar_p_uid" = "$1" ]; then
            ar_found=yes
            return 0
        fi
    done </etc/passwd
    return 1
}

ar_image_identity() { # sets ar_iuid, ar_iname, ar_home from the image's own user
    ar_iname=root ar_iuid=0 ar_home=/root ar_ishell=/bin/sh
    ar_user=${AR_IMAGE_USER%%:*}
    if ar_lookup "${ar_user:-0}"; then
        ar_iname=$ar_p_name ar_iuid=$ar_p_uid ar_home=$ar_p_home ar_ishell=$ar_p_shell
    elif [ -n "$ar_user" ]; then
        case $ar_user in
            *[!0-9]*) ar_die "The image's user $ar_user is not in its /etc/passwd." ;;
        esac
        if ar_lookup "$AR_UID" && [ "$ar_p_gecos" = 'Agents Runner' ]; then
            # A layer below gave the image's user the person's number already.
            ar_iname=$ar_p_name ar_iuid=$ar_p_uid ar_home=$ar_p_home ar_ishell=$ar_p_shell
        else
            ar_iname=agents-runner ar_iuid=$ar_user ar_home=/home/agents-runner
            [ "$ar_iuid" != 0 ] || ar_home=/root
        fi
    fi
    if [ -n "$AR_IMAGE_HOME" ]; then
        ar_home=$AR_IMAGE_HOME
    fi
    case $ar_home in
        / | '' | /nonexistent) ar_home=/home/agents-runner ;;
    esac
}

ar_write_passwd() { # NAME: a line for the person's uid first, so that every look-up finds it
    ar_text="$1:x:$AR_UID:$AR_GID:Agents Runner:$ar_home:${ar_ishell:-/bin/sh}
"
    if [ -r /etc/passwd ]; then
        while IFS= read -r ar_line || [ -n "$ar_line" ]; do
            case $ar_line in
                "$1":*) ;;
                *) ar_text="$ar_text$ar_line
" ;;
            esac
        done </etc/passwd
    fi
    printf '%s' "$ar_text" >/etc/passwd
}

ar_write_group() {
    if [ -r /etc/group ]; then
        while IFS=: read -r ar_g_name ar_g_pw ar_g_gid ar_g_rest; do
            [ "$ar_g_gid" != "$AR_GID" ] || return 0
        done </etc/group
    fi
    printf 'agents-runner:x:%s:\n' "$AR_GID" >>/etc/group
}

ar_own() { # UID PATH...: what belongs to UID below the paths becomes the person's
    ar_old=$1
    shift
    if ar_has find && ar_has chown; then
        find "$@" -xdev -user "$ar_old" -exec chown -h "$AR_UID:$AR_GID" {} + 2>/dev/null
    else
        ar_mark 'note This image has no find or no chown: files of the set-up scripts may belong to root.'
    fi
    return 0
}

ar_identity() {
    ar_image_identity
    if [ ! -d "$ar_home" ]; then
        mkdir -p "$ar_home" 2>/dev/null || ar_home=/tmp
        [ "$AR_UID" = 0 ] || [ "$ar_home" = /tmp ] || chown "$AR_UID:$AR_GID" "$ar_home"
    fi
    ar_name=$ar_iname
    if [ "$AR_UID" = 0 ]; then
        ar_name=root ar_setup=0
    elif [ "$ar_iuid" = 0 ]; then
        # Set-up as root, the agent as the person; both have root's home, where the set-up puts things.
        ar_name=agents-runner ar_setup=0
        if ! ar_lookup "$AR_UID" || [ "$ar_p_name" != agents-runner ] || [ "$ar_p_home" != "$ar_home" ]; then
            ar_write_passwd agents-runner
            ar_write_group
            ar_own 0 "$ar_home"
        fi
    else
        ar_setup=$AR_UID
        if [ "$ar_iuid" != "$AR_UID" ]; then
            # The image's user keeps its name, home and rights (sudo), and gets the person's number.
            ar_write_passwd "$ar_iname"
            ar_write_group
            ar_own "$ar_iuid" "$ar_home"
        elif ! ar_lookup "$AR_UID"; then
            ar_write_passwd "$ar_iname"
            ar_write_group
            ar_own 0 "$ar_home"
        fi
    fi
    ar_find_dropper
    # A build's scripts write down there what they export.
    [ "$ar_setup" = 0 ] || [ "$AR_STAGE" != build ] || chmod 1777 "$ar_state"
    ar_mark "home $ar_home"
}

ar_find_dropper() { # how to become the person; asked once
    ar_dropper=none
    [ "$AR_UID" != 0 ] || return 0
    if ar_has setpriv; then
        case $(setpriv --help 2>&1) in
            *--init-groups*) ar_dropper=setpriv && return 0 ;;
        esac
    fi
    for ar_tool in gosu su-exec; do
        if ar_has "$ar_tool"; then
            ar_dropper=$ar_tool
            return 0
        fi
    done
    if ar_has chroot; then
        case $(chroot --help 2>&1) in
            *--userspec*) ar_dropper=chroot && return 0 ;;
        esac
    fi
    if ar_has runuser; then
        ar_dropper=runuser
    elif ar_has su; then
        ar_dropper=su
    else
        ar_die "This image has no program to change the user; install util-linux or coreutils in it."
    fi
}

ar_as_person() { # COMMAND...: becomes it, as the person; never returns
    # shellcheck disable=SC2016  # these are the inner shell's own parameters
    case $ar_dropper in
        none) exec "$@" ;;
        setpriv) exec setpriv --reuid="$AR_UID" --regid="$AR_GID" --init-groups -- "$@" ;;
        gosu | su-exec) exec "$ar_dropper" "$AR_UID:$AR_GID" "$@" ;;
        chroot) exec chroot --userspec="$AR_UID:$AR_GID" / /bin/sh -c 'cd "$1" && shift && exec "$@"' sh "$PWD" "$@" ;;
        runuser) exec runuser -u "$ar_name" -- "$@" ;;
        su) exec su -m -s /bin/sh "$ar_name" -c 'exec "$@"' sh "$@" ;;
    esac
}

# --- variables ---------------------------------------------------------------------------------------------

ar_environment() { # STAGE USER: everything the next program is to see
    export HOME="$ar_home"
    ar_plan_variables
    if [ -n "$ar_carry" ]; then
        # shellcheck disable=SC1090
        . "$ar_carry"
    elif [ -f "$ar_image_exports" ]; then
        # shellcheck disable=SC1090
        . "$ar_image_exports"
    fi
    ar_plan_fixed
    for ar_secret in $ar_secret_variables; do
        eval "export $ar_secret=\"\$ar_value_of_$ar_secret\""
    done
    if [ "$ar_desktop" = yes ]; then
        ar_plan_desktop
        export DISPLAY="$ar_display"
    fi
    export AGENTS_RUNNER_STAGE="$1" USER="$2" LOGNAME="$2"
}

# --- secrets -----------------------------------------------------------------------------------------------

ar_read_secrets() { # STAGE NAME...: asks for their values, into variables that no program inherits
    case $(command -v printf) in
        */*) ar_die 'The shell of this image has no printf of its own, so secrets could be seen by others.' ;;
    esac
    ar_newline='
'
    ar_now
    ar_mark "secrets $1 $ar_clock"
    shift
    for ar_secret in "$@"; do
        # What was sent twice, by an application that came back, is passed over.
        ar_line=''
        while IFS= read -r ar_line && [ "$ar_line" != "=$ar_secret" ]; do :; done
        [ "$ar_line" = "=$ar_secret" ] || ar_die 'The secrets did not reach the container.'
        ar_value='' ar_between='' ar_line=''
        while IFS= read -r ar_line && [ "$ar_line" != . ]; do
            ar_value=$ar_value$ar_between${ar_line#?}
            ar_between=$ar_newline
        done
        [ "$ar_line" = . ] || ar_die 'The secrets did not reach the container.'
        eval "ar_value_of_$ar_secret=\$ar_value"
    done
    ar_value='' ar_line=''
}

ar_secrets() { # STAGE UID FILES VARIABLES: from now on these are there, readable by UID, and no others
    for ar_secret in $ar_secret_names; do
        unset "ar_value_of_$ar_secret"
        if [ -e "/run/secrets/$ar_secret" ]; then
            : >"/run/secrets/$ar_secret"
            rm -f "/run/secrets/$ar_secret"
        fi
    done
    ar_secret_names=$3 ar_secret_variables=$4
    # shellcheck disable=SC2086  # names, without anything that a shell reads otherwise
    [ -z "$3" ] || ar_read_secrets "$1" $3
    for ar_secret in $3; do
        eval "ar_value=\$ar_value_of_$ar_secret"
        (
            umask 377
            printf '%s' "$ar_value" >"/run/secrets/$ar_secret"
        ) || ar_die "The secret $ar_secret cannot be written in the container."
        [ "$2" = 0 ] || chown "$2:$AR_GID" "/run/secrets/$ar_secret" ||
            ar_die "The secret $ar_secret cannot be handed over in the container."
    done
    ar_value=''
}

# --- stages ------------------------------------------------------------------------------------------------

ar_begin() { # PHASE
    ar_phase=$1
    ar_now
    ar_mark "begin $1 $ar_clock"
}

ar_end() { # PHASE [STATUS]
    ar_now
    ar_mark "end $1 ${2:-0} $ar_clock"
}

ar_shell_of() { # KIND: which program runs a script without a #! of its own
    case $1 in
        default) if ar_has bash; then echo bash; else echo sh; fi ;;
        *) echo "$1" ;;
    esac
}

ar_become_script() { # KIND SCRIPT WORDS...: becomes the interpreter; never returns
    ar_kind=$1 ar_script=$2
    shift 2
    # shellcheck disable=SC2016  # $1 is the inner shell's
    case $ar_kind in
        bash)
            if [ "${BASH_ENV+x}" ]; then export AGENTS_RUNNER_BASH_ENV="$BASH_ENV"; fi
            export BASH_ENV="$ar_in/prelude.bash"
            set -- bash "$@" "$ar_script"
            ;;
        sh) set -- sh "$@" -c '. "$1"' "$ar_script" "$ar_in/prelude.sh" ;;
        other) set -- "$@" "$ar_script" ;;
    esac
    ar_has "$1" || {
        echo "agents-runner: the script asks for $1, which this image does not have" >&2
        exit 127
    }
    if [ "$ar_setup" = 0 ]; then
        exec "$@"
    fi
    ar_as_person "$@"
}

ar_script() { # NUMBER KIND WORDS...: runs scripts/NUMBER in a fresh shell, ends the container if it fails
    ar_number=$1 ar_kind=$(ar_shell_of "$2")
    shift 2
    (
        ar_who=$ar_name
        [ "$ar_setup" != 0 ] || ar_who=root
        ar_environment "$AR_STAGE" "$ar_who"
        # What a script leaves behind is written down without the variables that are secrets.
        export AGENTS_RUNNER_DUMP="$ar_state/$ar_number" AGENTS_RUNNER_HIDDEN="$ar_secret_variables"
        cd "$HOME" 2>/dev/null || cd /
        ar_become_script "$ar_kind" "$ar_in/scripts/$ar_number" "$@" </dev/null
    )
    ar_status=$?
    if [ -f "$ar_state/$ar_number.after" ]; then
        ar_carry=$ar_state/$ar_number.after
    elif [ "$ar_kind" != other ] && [ "$ar_status" = 0 ]; then
        ar_mark "lost-exports $ar_phase"
    fi
    if [ "$ar_setup" = 0 ] && [ "$AR_UID" != 0 ]; then
        ar_give_back
    fi
    if [ "$ar_status" != 0 ]; then
        ar_end "$ar_phase" "$ar_status"
        exit "$ar_status"
    fi
}

ar_give_back() { # what root's script made in the home, and anew in the person's mounts, is the person's
    ar_own 0 "$ar_home"
    if ar_has find && ar_has chown && [ -n "$AR_MOUNTED" ]; then
        ar_ifs=$IFS
        IFS=:
        set -f
        # shellcheck disable=SC2086  # the paths are split at the colons on purpose
        find $AR_MOUNTED -xdev -user 0 -cnewer "$ar_in/plan.sh" -exec chown -h "$AR_UID:$AR_GID" {} + 2>/dev/null
        set +f
        IFS=$ar_ifs
    fi
}

# --- the desktop: never a reason for a task to fail ---------------------------------------------------------

ar_desktop_install() { # where no layer holds it: as the user of the set-up scripts
    ar_begin desktop.install
    (
        ar_who=$ar_name
        [ "$ar_setup" != 0 ] || ar_who=root
        ar_environment "$AR_STAGE" "$ar_who"
        cd "$HOME" 2>/dev/null || cd /
        set -- sh "$ar_in/desktop/install.sh"
        exec </dev/null
        [ "$ar_setup" != 0 ] || exec "$@"
        ar_as_person "$@"
    )
    ar_status=$?
    if [ "$ar_setup" = 0 ] && [ "$AR_UID" != 0 ]; then
        ar_give_back
    fi
    [ "$ar_status" = 0 ] || ar_desktop=no
    ar_end desktop.install "$ar_status"
}

ar_desktop_start() { # the services, as the person; they stay when the stage ends
    [ "$ar_desktop" != no ] || return 0
    ar_begin desktop
    mkdir -m 1777 /tmp/.X11-unix 2>/dev/null
    (
        ar_environment "$AR_STAGE" "$ar_name"
        cd "$HOME" 2>/dev/null || cd /
        exec </dev/null
        ar_as_person sh "$ar_in/desktop/start.sh"
    )
    ar_status=$?
    ar_desktop=no
    if [ "$ar_status" = 0 ] && IFS= read -r ar_display <"$ar_desktop_folder/display"; then
        ar_desktop=yes
    fi
    ar_end desktop "$ar_status"
}

ar_agent_with_desktop() { # COMMAND...: the agent as a child, since what a screen shows at its end is wanted
    # A shell makes its background children ignore these two; where env can undo that, it does.
    if env --default-signal=INT,QUIT true 2>/dev/null; then
        set -- env --default-signal=INT,QUIT "$@"
    fi
    (ar_as_person "$@") <"$ar_in/prompt" &
    ar_pid=$!
    for ar_signal in TERM INT HUP; do
        # shellcheck disable=SC2064  # this signal, this process
        trap "kill -$ar_signal $ar_pid 2>/dev/null" "$ar_signal"
    done
    while :; do
        wait "$ar_pid"
        ar_status=$?
        # A signal that was passed on ends the waiting, not the agent.
        kill -0 "$ar_pid" 2>/dev/null || break
    done
    (ar_as_person sh "$ar_in/desktop/picture.sh" "$ar_desktop_folder/last.png") >/dev/null 2>&1 </dev/null
    exit "$ar_status"
}

ar_seed() { # FILE TARGET: a login file, copied below the home as the person's own
    (
        ar_target=$ar_home/$2
        # shellcheck disable=SC2016
        ar_as_person /bin/sh -c 'umask 077; mkdir -p "${2%/*}" && cat <"$1" >"$2"' sh "$ar_in/$1" "$ar_target" </dev/null
    ) || ar_mark "note The login file $2 could not be copied into the container."
}

ar_volumes() { # PATH...: what a build wrote into the image's volumes is in no layer: the build must not count
    if ! ar_has find; then
        ar_mark 'error-volume'
        exit 125
    fi
    if [ -n "$(find "$@" -cnewer "$ar_state/begin" 2>/dev/null)" ]; then
        ar_mark 'error-volume'
        exit 125
    fi
}

# The engine could list what changed, in a third of a second for a Debian image and in seconds for a large one.
ar_nothing_left() { # what lies in our folder and not below a mount would end up in the layer
    ar_root=${ar_in%/*} ar_mounts=:
    while read -r ar_a ar_b ar_c ar_d ar_target ar_rest; do
        ar_mounts=$ar_mounts$ar_target:
    done </proc/self/mountinfo
    case $ar_mounts in
        *":$ar_root:"*) return 0 ;;
    esac
    for ar_file in "$ar_root"/* "$ar_root"/.[!.]*; do
        case $ar_mounts in
            *":$ar_file:"*) continue ;;
        esac
        # Folders are there from the mounts of layers below, and are empty.
        set -- "$ar_file"
        if [ -d "$ar_file" ] && [ ! -L "$ar_file" ]; then set -- "$ar_file"/* "$ar_file"/.[!.]*; fi
        for ar_left; do
            if [ -e "$ar_left" ] || [ -L "$ar_left" ]; then
                ar_die "The build left $ar_left behind, which must not end up in an image."
            fi
        done
    done
}

ar_workspace() { # the folder is there, belongs to the person, and git trusts it
    : >"${ar_in%/*}/begun"
    if [ ! -d "$AR_WORKSPACE" ]; then
        mkdir -p "$AR_WORKSPACE" || ar_die "The folder $AR_WORKSPACE cannot be made in this image."
        [ "$AR_UID" = 0 ] || chown "$AR_UID:$AR_GID" "$AR_WORKSPACE"
    fi
    printf '[safe]\n\tdirectory = %s\n' "$AR_WORKSPACE" >>/etc/gitconfig
}

ar_agent() { # COMMAND...: becomes the agent, as the person, in the workspace, with the prompt as its input
    ar_environment "$AR_STAGE" "$ar_name"
    for ar_secret in $ar_secret_names; do
        unset "ar_value_of_$ar_secret"
    done
    ar_plan_agent
    cd "$AR_WORKSPACE" || ar_die "The workspace $AR_WORKSPACE is not there."
    if ! ar_has "$1"; then
        ar_mark "agent-missing $1"
        exit 127
    fi
    ar_begin agent
    if [ "$ar_desktop" = yes ]; then
        ar_agent_with_desktop "$@"
    fi
    exec <"$ar_in/prompt"
    ar_as_person "$@"
}

# shellcheck disable=SC1091
. "$ar_in/plan.sh"
exit 0
