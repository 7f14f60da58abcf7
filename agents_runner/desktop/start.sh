#!/bin/sh
# Starts the desktop's services as the user that the agent runs as, and returns once they answer.
#
# Nothing listens on a network: the VNC server has a socket file in a private folder, the display another.
# A service that ends is named on standard error with its last lines, now or at any later time.
set -u
folder=/tmp/agents-runner-desktop
geometry=${DESKTOP_SIZE:-1280x800}
patience=30 # seconds until a service that neither answers nor ends is given up

fail() {
    printf 'desktop: %s\n' "$*" >&2
    exit 1
}

in_own_session() {
    if command -v setsid >/dev/null 2>&1; then
        exec setsid "$@"
    fi
    exec "$@"
}

service() { # NAME COMMAND...: in the background, out of reach of this script's end
    name=$1
    shift
    (
        ("$@") >"$folder/$name.log" 2>&1 </dev/null
        status=$?
        # One piece, so that no other output comes in between.
        last=$(grep -v -e '^Failed to read: ' -e '^Setting default' "$folder/$name.log" 2>/dev/null | tail -n 5 | cut -c 1-300 | sed 's/^/desktop:   | /')
        printf 'desktop: %s ended (status %s). Its last lines:\n%s\n' "$name" "$status" "$last" >&2
        : >"$folder/$name.ended"
    ) &
}

vnc() {
    # It writes the display's number, which it chooses itself, once both of its sockets take connections.
    exec 3>"$folder/ready"
    in_own_session Xvnc -displayfd 3 -geometry "$geometry" -depth 24 \
        -rfbport -1 -rfbunixpath "$folder/vnc.sock" -rfbunixmode 384 -SecurityTypes None \
        -AlwaysShared -AcceptSetDesktopSize=0 -nolisten tcp -desktop 'Agents Runner'
}

window_manager() {
    # In a home of its own: where it finds no settings it writes the distribution's, wallpaper and all.
    HOME=$folder/home in_own_session fluxbox
}

settings() { # quiet ones of our own; what is started from the menu or by a key gets the person's home again
    own=$folder/home/.fluxbox
    mkdir -p "$own"
    printf 'background: none\n' >"$own/overlay"
    : >"$own/apps"
    printf '[begin] (Desktop)\n[exec] (xterm) {env HOME="%s" xterm}\n[end]\n' "$HOME" >"$own/menu"
    for keys in /etc/X11/fluxbox/keys /usr/share/fluxbox/keys; do
        if [ -r "$keys" ]; then
            sed "s|:Exec |:Exec env HOME=\"$HOME\" |" "$keys" >"$own/keys"
            break
        fi
    done
    printf 'session.%s\n' "keyFile: $own/keys" "menuFile: $own/menu" "appsFile: $own/apps" \
        "styleOverlay: $own/overlay" 'configVersion: 13' >"$own/init"
}

case $geometry in
    *[!0-9x]* | x* | *x | *x*x* | ?????*x* | *x?????*) geometry='' ;;
    *x*) ;;
    *) geometry='' ;;
esac
if [ -z "$geometry" ]; then
    echo "desktop: DESKTOP_SIZE is no size such as 1920x1080; the screen has 1280x800" >&2
    geometry=1280x800
fi

umask 077
rm -rf "$folder"
mkdir "$folder" || fail "The folder $folder cannot be made."
mkfifo "$folder/ready" || fail 'This image has no mkfifo.'
settings

service Xvnc vnc
# Reading ends when the number is there, or when the server has closed its end by ending itself.
display=$(timeout "$patience" cat "$folder/ready") || fail "Xvnc did not answer within $patience s."
case $display in
    '' | *[!0-9]*)
        # Its own lines come from the process that waits for it.
        wait
        fail 'Xvnc did not start.'
        ;;
esac
export DISPLAY=":$display"
service fluxbox window_manager
tries=0
until wmctrl -m >/dev/null 2>&1; do
    if [ -e "$folder/fluxbox.ended" ]; then
        fail 'fluxbox did not start.'
    fi
    if [ -e "$folder/Xvnc.ended" ]; then
        fail 'Xvnc did not stay.'
    fi
    tries=$((tries + 1))
    [ "$tries" -lt $((patience * 50)) ] || fail "fluxbox did not answer within $patience s."
    sleep 0.02
done
fbsetroot -solid '#33475b' >/dev/null 2>&1 || :
printf '%s\n' "$DISPLAY" >"$folder/display"
