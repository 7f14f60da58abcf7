#!/bin/bash
# The container's first process, of builds and of tasks: runs the stages in order, then becomes the agent's parent.
#
# It is started as root where it can be, by a shell of ours, and plan.sh beside it says what to do. As root it starts
# programs of ours only (tools.py), by their path, and reads nothing that a script wrote: whatever others' words are
# in runs behind stage.sh, which has no more rights than whoever wrote them.
#
# It alone holds the capability SETPCAP: the kernel keeps the memory and the open files of a process with more
# capabilities from those with fewer, so root's scripts can neither look into it nor read its output.
#
# shellcheck shell=bash
# shellcheck disable=SC2317,SC2329,SC2034  # plan.sh calls the functions; not every field of a passwd line is used
set -u
ar_in=${0%/*}
ar_state=${ar_in%/*}/state
ar_tools=$ar_in/tools
ar_loader=$ar_tools/ld.so
ar_hidden_loader=$ar_tools/ld-hidden.so  # what runs through it cannot be looked into by its own user
ar_path=${PATH-}  # the image's own, for those who run behind stage.sh
export PATH=/nowhere
ar_carry=''  # the variables that the last script left behind
ar_secret_names=''      # those that the stage sees
ar_secret_variables=''  # those of them that it gets as variables
ar_desktop=''  # yes: there is a screen; no: it could not be installed or started
ar_cache_own=''
ar_shims=''
ar_phase=''
ar_groups=''
ar_out='' ar_err='' ar_relays=''
ar_guard=''  # the process that ends a build after its limit

for ar_tool in find chown chmod mkdir rm rmdir ln cp mv sed sleep; do
    eval "$ar_tool() { \"\$ar_loader\" --library-path \"\$ar_tools/lib\" \"\$ar_tools/bin/$ar_tool\" \"\$@\"; }"
done

# The token marks our own lines. It comes over standard input and is nowhere else, so that no script can forge one.
ar_token=''
if [ ! -e "$ar_state/begin" ] && [ ! -e "${ar_in%/*}/begun" ]; then
    IFS= read -r -t 600 ar_token || ar_token=''
fi
if [ -z "$ar_token" ]; then
    ar_why='this container cannot be started a second time'
    [ -e "$ar_state/begin" ] || [ -e "${ar_in%/*}/begun" ] || ar_why='the application did not send its token within ten minutes'
    echo "agents-runner: $ar_why" >&2
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
    # Without a line in /etc/shadow an "x" is an account that is out of order, to sudo for one.
    ar_password='*'
    if [ -r /etc/shadow ]; then
        while IFS=: read -r ar_s_name ar_s_rest; do
            [ "$ar_s_name" != "$1" ] || ar_password=x
        done </etc/shadow
    fi
    ar_text="$1:$ar_password:$AR_UID:$AR_GID:Agents Runner:$ar_home:${ar_ishell:-/bin/sh}
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

ar_own() { # UID PATH...: what belongs to UID below the paths becomes the person's; devices never do
    ar_old=$1
    shift
    find "$@" -xdev -user "$ar_old" ! -type b ! -type c \
        -exec "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/chown" -h "$AR_UID:$AR_GID" {} + 2>/dev/null
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
        # Root without capabilities has no rights over another user's home.
        if [ "$ar_iuid" != 0 ] && [ ! -O "$ar_home" ]; then ar_own "$ar_iuid" "$ar_home"; fi
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
    ar_find_groups
    # Whoever runs the scripts writes down there what they exported; nobody can replace what another one wrote.
    [ "$ar_setup" = 0 ] || chmod 1777 "$ar_state"
    ar_mark "home $ar_home"
}

ar_find_groups() { # the numbers of the groups that the person's name is in
    ar_groups=+$AR_GID
    [ -r /etc/group ] || return 0
    while IFS=: read -r ar_g_name ar_g_pw ar_g_gid ar_g_members; do
        case ",$ar_g_members," in
            *",$ar_name,"*) case $ar_g_gid in '' | *[!0-9]*) ;; *) ar_groups=$ar_groups,+$ar_g_gid ;; esac ;;
        esac
    done </etc/group
}

# --- rights --------------------------------------------------------------------------------------------------

ar_become() { # RIGHTS COMMAND...: becomes it, with these rights; never returns
    ar_person=(--reuid="+$AR_UID" --regid="+$AR_GID" --groups="$ar_groups")
    case $1 in
        script) # of the cached preflight, of the run preflight, of the desktop's install
            ar_rights=(--bounding-set=-setpcap --inh-caps=-setpcap)
            if [ "$ar_setup" != 0 ]; then
                ar_rights=("${ar_person[@]}" "${ar_rights[@]}")
                [ "$AR_PROFILE,$ar_phase" != strict,preflight.run ] || ar_rights+=(--no-new-privs)
            fi
            ;;
        agent) # and the desktop's services
            ar_rights=("${ar_person[@]}")
            [ "$AR_PROFILE" = sudo ] || ar_rights+=("${ar_nothing[@]}")
            [ "$AR_PROFILE,$AR_UID" != sudo,0 ] || ar_rights=(--reuid=+0)
            ;;
        nothing) ar_rights=("${ar_person[@]}" "${ar_nothing[@]}") ;;
    esac
    shift
    exec "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/setpriv" "${ar_rights[@]}" -- "$@"
}
ar_nothing=(--bounding-set=-all --inh-caps=-all --ambient-caps=-all --no-new-privs)

ar_stage() { # RIGHTS MODE WORDS...: becomes stage.sh with these rights, and what it is to know; never returns
    ar_given=$1
    shift
    export AR_T_HOME="$ar_home" AR_T_CARRY="$ar_carry" AR_T_NAME="$ar_name" AR_T_SETUP="$ar_setup"
    export AR_T_DESKTOP="$ar_desktop" AR_T_CACHES="$ar_cache_own" AR_T_SHIMS="$ar_shims"
    export AR_T_SECRETS="$ar_secret_variables"
    for ar_secret in $ar_secret_variables; do
        eval "export AR_S_$ar_secret=\"\$ar_value_of_$ar_secret\""
    done
    export PATH="$ar_path"
    case $1 in
        agent) ar_hide "$ar_given" bash -p "$ar_in/stage.sh" "$@" ;;
        *) ar_become "$ar_given" "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/bash" -p "$ar_in/stage.sh" "$@" ;;
    esac
}

# The loader that nobody may read hides a process only from those who are as it is: when it starts, the rights must be
# gone already, and they go with the program that comes after setpriv.
ar_hide() { # RIGHTS PROGRAM WORDS...: becomes a program of ours that its own user cannot look into; never returns
    ar_given=$1 ar_program=$2
    shift 2
    # shellcheck disable=SC2016  # the other shell's
    ar_become "$ar_given" "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/bash" -p -c 'exec "$@"' - \
        "$ar_hidden_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/$ar_program" "$@"
}

# Scripts have pipes of their own to write to: whoever can write to the container's output can read from it, too,
# and with it the launcher's token.
ar_relay() {
    ar_hide nothing cat
}

ar_relays_on() {
    exec {ar_out}> >(ar_relay)
    ar_relays=$!
    exec {ar_err}> >(ar_relay {ar_out}>&- >&2)
    ar_relays="$ar_relays $!"
}

ar_relays_off() { # once the last of those who write has ended, or a fifth of a second later: some may stay
    exec {ar_out}>&- {ar_err}>&-
    exec {ar_never}<> <(:)
    for ((ar_round = 0; ar_round < 100; ar_round++)); do
        ar_open=''
        for ar_pid in $ar_relays; do
            ! kill -0 "$ar_pid" 2>/dev/null || ar_open=yes
        done
        [ -n "$ar_open" ] || break
        read -r -t 0.002 -u "$ar_never" ar_line
    done
    exec {ar_never}>&-
    ar_relays=''
}

ar_others() { # sets ar_found to the processes beside the launcher, its relays, its guard and the engine's own
    ar_found=()
    for ar_pid in /proc/[0-9]*; do
        ar_pid=${ar_pid#/proc/}
        case " 1 $$ $ar_relays $ar_guard " in *" $ar_pid "*) continue ;; esac
        # One that has ended and was not yet taken note of is no longer any.
        IFS= read -r ar_line 2>/dev/null <"/proc/$ar_pid/stat" || continue
        case ${ar_line##*) } in Z* | X*) continue ;; esac
        ar_found+=("$ar_pid")
    done
}

ar_end_others() { # what a stage left running ends with it
    for ((ar_round = 0; ar_round < 200; ar_round++)); do
        ar_others
        [ "${#ar_found[@]}" != 0 ] || return 0
        # Stopped all at once, so that none can start another while they are ended one by one.
        kill -STOP -- -1 2>/dev/null
        # shellcheck disable=SC2086  # numbers
        [ -z "$ar_relays$ar_guard" ] || kill -CONT $ar_relays $ar_guard 2>/dev/null
        ar_others
        kill -KILL "${ar_found[@]}" 2>/dev/null
        exec {ar_never}<> <(:)
        read -r -t 0.005 -u "$ar_never" ar_line
        exec {ar_never}>&-
    done
    ar_die 'What a stage left running could not be ended.'
}

# --- secrets -----------------------------------------------------------------------------------------------

ar_next_line() { # reads ar_line, and asks again and again while none comes
    # What a script left running may say so much that the engine's log has no question any more when somebody comes.
    ar_part=''
    while [ "$ar_patience" -gt 0 ]; do
        ar_status=0
        IFS= read -r -t 20 ar_line || ar_status=$?
        ar_line=$ar_part$ar_line
        [ "$ar_status" != 0 ] || return 0
        [ "$ar_status" -gt 128 ] || return 1  # nobody can send anything any more
        ar_part=$ar_line
        ar_patience=$((ar_patience - 20))
        ar_mark "$ar_asked"
    done
    return 1
}

ar_read_secrets() { # STAGE NAME...: asks for their values, into variables that no program inherits
    ar_newline='
'
    ar_now
    ar_asked="secrets $1 $ar_clock"
    ar_mark "$ar_asked"
    shift
    # The application may be away; it answers once it is back, within a day.
    ar_patience=86400
    for ar_secret in "$@"; do
        # What was sent twice, by an application that came back, is passed over.
        ar_line=''
        while ar_next_line && [ "$ar_line" != "=$ar_secret" ]; do :; done
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

ar_script() { # NUMBER KIND WORDS...: runs scripts/NUMBER in a fresh shell, ends the container if it fails
    ar_number=$1 ar_kind=$2
    ar_relays_on
    (ar_stage script script "$@") </dev/null >&"$ar_out" 2>&"$ar_err" {ar_out}>&- {ar_err}>&-
    ar_status=$?
    [ "$ar_phase" = preflight.run ] || ar_end_others
    ar_relays_off
    if [ -f "$ar_state/$ar_number.after" ]; then
        ar_carry=$ar_state/$ar_number.after
    elif [ "$ar_kind" != other ] && [ "$ar_status" = 0 ]; then
        ar_mark "lost-exports $ar_phase"
    fi
    if [ "$ar_setup" = 0 ]; then
        ar_give_back
    fi
    if [ "$ar_status" != 0 ]; then
        ar_end "$ar_phase" "$ar_status"
        exit "$ar_status"
    fi
}

# By folder, never by path: others may write to the mounts meanwhile, and put a link where a folder was.
ar_give_back() { # what root's script made in the home, and anew in the person's mounts, is the person's
    [ "$AR_UID" = 0 ] || ar_own 0 "$ar_home"
    [ -n "$AR_MOUNTED" ] || return 0
    ar_ifs=$IFS
    IFS=:
    set -f
    # shellcheck disable=SC2206  # the paths are split at the colons on purpose
    ar_folders=($AR_MOUNTED)
    set +f
    IFS=$ar_ifs
    # A file with several names may be another's as well, a device is nobody's, and nothing keeps root's rights.
    ar_kept=$(find "${ar_folders[@]}" -xdev -cnewer "$ar_in/plan.sh" \( \
        \( -type f -perm /6000 -execdir "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/chmod" ug-s {} + \) , \
        \( -user 0 \( -type d -o -type l -o -type p -o -type s -o -type f -links 1 \) -execdir \
        "$ar_loader" --library-path "$ar_tools/lib" "$ar_tools/bin/chown" -h "$AR_UID:$AR_GID" {} + \) , \
        \( -user 0 -type f -links +1 -printf . \) \) 2>/dev/null)
    [ -z "$ar_kept" ] || [ "$AR_UID" = 0 ] ||
        ar_mark "note ${#ar_kept} files with several names (hard links) that a script of root's left in the mounts still belong to root."
}

# --- the desktop: never a reason for a task to fail ---------------------------------------------------------

ar_desktop_install() { # where no layer holds it: as the user of the set-up scripts
    ar_begin desktop.install
    ar_relays_on
    (ar_stage script install) </dev/null >&"$ar_out" 2>&"$ar_err" {ar_out}>&- {ar_err}>&-
    ar_status=$?
    ar_end_others
    ar_relays_off
    if [ "$ar_setup" = 0 ]; then
        ar_give_back
    fi
    [ "$ar_status" = 0 ] || ar_desktop=no
    ar_end desktop.install "$ar_status"
}

ar_desktop_start() { # the services, as the person; they stay when the stage ends
    [ "$ar_desktop" != no ] || return 0
    ar_begin desktop
    mkdir -m 1777 /tmp/.X11-unix 2>/dev/null
    ar_relays_on
    (ar_stage agent desktop) </dev/null >&"$ar_out" 2>&"$ar_err" {ar_out}>&- {ar_err}>&-
    ar_status=$?
    ar_relays_off
    ar_desktop=no
    [ "$ar_status" != 0 ] || ar_desktop=yes
    ar_end desktop "$ar_status"
}

ar_seed() { # FILE TARGET: a login file, copied below the home as the person's own
    (ar_stage nothing seed "$1" "$2") </dev/null >/dev/null 2>&1 ||
        ar_mark "note The login file $2 could not be copied into the container."
}

ar_volumes() { # PATH...: what a build wrote into the image's volumes is in no layer: the build must not count
    if [ -n "$(find "$@" -cnewer "$ar_state/begin" 2>/dev/null)" ]; then
        ar_mark 'error-volume'
        exit 125
    fi
}

ar_limit() { # SECONDS: of a build, that it has an end also where no application is left to see to it
    (
        ar_token=''
        exec </dev/null >/dev/null 2>&1
        exec {ar_never}<> <(:)
        read -r -t "$1" -u "$ar_never" ar_line
        kill -KILL -- -1
    ) &
    ar_guard=$!
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

ar_sudo() { # what the profile says of it, for the agent
    if [ "$AR_PROFILE" = sudo ]; then
        if [ "$AR_UID" != 0 ] && [ -d /etc/sudoers.d ]; then
            rm -f /etc/sudoers.d/zz-agents-runner
            (umask 337 && printf '#%s ALL=(ALL:ALL) NOPASSWD: ALL\n' "$AR_UID" >/etc/sudoers.d/zz-agents-runner)
        fi
        return 0
    fi
    mkdir -m 1777 "$ar_state/asked" 2>/dev/null
    ar_shims=$ar_tools/shims/sudo:
    [ ! -x /usr/bin/apt-get ] || ar_shims=$ar_shims$ar_tools/shims/debian:
    [ ! -x /sbin/apk ] || ar_shims=$ar_shims$ar_tools/shims/alpine:
    [ ! -x /usr/bin/pacman ] || ar_shims=$ar_shims$ar_tools/shims/arch:
    [ ! -x /usr/bin/dnf ] || ar_shims=$ar_shims$ar_tools/shims/fedora:
    # A login shell sets PATH anew.
    if [ -d /etc/profile.d ]; then
        # shellcheck disable=SC2016  # the other shell's PATH
        printf 'PATH=%s$PATH\n' "$ar_shims" >/etc/profile.d/zz-agents-runner.sh
    fi
}

ar_agent() { # COMMAND...: becomes the agent's parent, as the person; nothing of root's stays in the container
    (ar_stage agent check "$1") </dev/null >/dev/null 2>&1
    case $? in
        0) ;;
        3) ar_die "The workspace $AR_WORKSPACE is not there." ;;
        *)
            ar_mark "agent-missing $1"
            exit 127
            ;;
    esac
    ar_sudo
    ar_begin agent
    exec </dev/null
    ar_stage agent agent "$@"
}

# shellcheck disable=SC1091
. "$ar_in/plan.sh"
exit 0
